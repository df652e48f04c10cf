#include <fmt/format.h>

#include "emulator/tool/speed.h"

namespace triptych::emulator::speed_kernel {
namespace {

constexpr const char* begin = ".version 9.0\n.target sm_90a\n.address_size 64\n.visible .entry k(.param .u64 data) {\n";

/// `count` turns of a loop around `body`.
std::string loop(int count, const std::string& before, const std::string& body) {
  return fmt::format("{}  .reg .u32 turn; .reg .pred again;\n{}  mov.u32 turn, {};\nLOOP:\n{}  sub.u32 turn, turn, 1;\n"
                     "  setp.ne.u32 again, turn, 0;\n  @again bra LOOP;\n  ret;\n}}\n",
                     begin, before, count, body);
}

constexpr int chains = 8, repeats = 4;

}  // namespace

std::string fma() {
  std::string before = "  .reg .f32 a<8>;\n", body;
  for (int i = 0; i < chains; ++i) before += fmt::format("  mov.f32 a{}, 0f3F800000;\n", i);
  for (int i = 0; i < chains * repeats; ++i) body += fmt::format("  fma.rn.f32 a{0}, a{0}, a{1}, a{0};\n", i % chains, (i + 1) % chains);
  return loop(2000, before, body);
}

std::string integer() {
  constexpr const char* operations[] = {"mad.lo.u32 a{0}, a{0}, a{1}, a{0}", "add.u32 a{0}, a{0}, a{1}", "xor.b32 a{0}, a{0}, a{1}",
                                        "shl.b32 a{0}, a{0}, a{1}"};
  std::string before = "  .reg .u32 a<8>;\n", body;
  for (int i = 0; i < chains; ++i) before += fmt::format("  mov.u32 a{}, 3;\n", i);
  for (int i = 0; i < chains * repeats; ++i) {
    body += "  " + fmt::format(fmt::runtime(operations[i % 4]), i % chains, (i + 1) % chains) + ";\n";
  }
  return loop(2000, before, body);
}

std::string shared() {
  std::string body;
  for (int i = 0; i < chains; ++i) body += "  st.shared.u32 [a], x;\n  ld.shared.u32 x, [a];\n";
  return loop(2000, R"(  .reg .u32 a, t, x;
  .shared .align 16 .b8 words[4096];
  mov.u32 t, %tid.x;
  mov.u32 a, words;
  mad.lo.u32 a, t, 4, a;
  mov.u32 x, 1;
)", body);
}

std::string wgmma() {
  std::string accumulators;
  for (int i = 0; i < 128; ++i) accumulators += fmt::format("{}d{}", i == 0 ? "" : ", ", i);
  std::string body;
  for (int i = 0; i < 4; ++i) {
    body += "  wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {" + accumulators + "}, da, db, 1, 1, 1, 0, 0;\n";
  }
  body += "  wgmma.commit_group.sync.aligned;\n  wgmma.wait_group.sync.aligned 0;\n";
  return loop(200, R"(  .reg .u32 x, t, n;
  .reg .u64 da, db;
  .reg .pred p;
  .reg .f32 d<128>;
  .shared .align 1024 .b8 tiles[16384];
  mov.u32 x, tiles;
  mov.u32 t, %tid.x;
  mad.lo.u32 t, t, 16, x;
  mov.u32 n, 0;
FILL:
  st.shared.v4.u32 [t], {n, n, n, n};
  add.u32 t, t, 2048;
  add.u32 n, n, 1;
  setp.lt.u32 p, n, 8;
  @p bra FILL;
  shr.u32 x, x, 4;
  cvt.u64.u32 da, x;
  or.b64 da, da, 0x0000001000080000;
  add.u64 db, da, 128;
  fence.proxy.async;
  bar.sync 0;
  wgmma.fence.sync.aligned;
)", body);
}

std::string tiled_gemm() {
  // 256 threads; each has 4 x 4 of a 64 x 64 tile, K in steps of 16.
  std::string inner;
  for (int k = 0; k < 16; ++k) {
    inner += fmt::format("  ld.shared.v4.f32 {{a0, a1, a2, a3}}, [pa+{0}];\n  ld.shared.v4.f32 {{b0, b1, b2, b3}}, [pb+{0}];\n", k * 256);
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < 4; ++j) inner += fmt::format("  fma.rn.f32 c{}, a{}, b{}, c{};\n", i * 4 + j, i, j, i * 4 + j);
    }
  }
  return loop(8, R"(  .reg .u32 t, x, y, sa, sb, pa, pb;
  .reg .u64 g, o;
  .reg .f32 a<4>, b<4>, c<16>, v<4>;
  .shared .align 16 .b8 left[4096];
  .shared .align 16 .b8 right[4096];
  mov.u32 t, %tid.x;
  ld.param.u64 g, [data];
  mul.wide.u32 o, t, 16;
  add.u64 g, g, o;
  mov.u32 x, left;
  mad.lo.u32 sa, t, 16, x;
  shr.u32 y, t, 4;
  mad.lo.u32 pa, y, 16, x;
  mov.u32 x, right;
  mad.lo.u32 sb, t, 16, x;
  and.b32 y, t, 15;
  mad.lo.u32 pb, y, 16, x;
)", R"(  ld.global.v4.f32 {v0, v1, v2, v3}, [g];
  st.shared.v4.f32 [sa], {v0, v1, v2, v3};
  ld.global.v4.f32 {v0, v1, v2, v3}, [g+4096];
  st.shared.v4.f32 [sb], {v0, v1, v2, v3};
  add.u64 g, g, 8192;
  bar.sync 0;
)" + inner + "  bar.sync 0;\n");
}

std::string scan() {
  std::string steps;
  for (int d = 1; d < 32; d *= 2) {
    steps += fmt::format("  shfl.sync.up.b32 y|p, x, {}, 0, 0xffffffff;\n  @p add.u32 x, x, y;\n", d);
  }
  return loop(100, R"(  .reg .u32 t, lane, warp, x, y, s, w, total;
  .reg .u64 g, o;
  .reg .pred p, last, first;
  .shared .align 16 .u32 sums[8];
  mov.u32 t, %tid.x;
  and.b32 lane, t, 31;
  shr.u32 warp, t, 5;
  setp.eq.u32 last, lane, 31;
  mov.u32 s, sums;
  mad.lo.u32 w, warp, 4, s;
  ld.param.u64 g, [data];
  mov.u32 x, %ctaid.x;
  mad.lo.u32 x, x, 256, t;
  mul.wide.u32 o, x, 4;
  add.u64 g, g, o;
)", "  ld.global.u32 x, [g];\n" + steps + R"(  @last st.shared.u32 [w], x;
  bar.sync 0;
  mov.u32 total, 0;
  mov.u32 y, s;
SUM:
  setp.lt.u32 p, y, w;
  @p ld.shared.u32 lane, [y];
  @p add.u32 total, total, lane;
  add.u32 y, y, 4;
  @p bra SUM;
  add.u32 x, x, total;
  st.global.u32 [g], x;
  bar.sync 0;
)");
}

std::string specialised_wgmma() {
  std::string accumulators;
  for (int i = 0; i < 64; ++i) accumulators += fmt::format("{}d{}", i == 0 ? "" : ", ", i);
  // Two stages of 2048 + 4096 bytes; warps 0 to 3 multiply, warp 4 copies.
  return std::string(begin) + R"(  .reg .u32 t, n, stage, phase, full, empty, x;
  .reg .u64 g, da, db;
  .reg .pred p, q, one;
  .reg .f32 d<64>;
  .shared .align 1024 .b8 tiles[12288];
  .shared .align 8 .b64 barriers[4];
  mov.u32 t, %tid.x;
  ld.param.u64 g, [data];
  setp.eq.u32 p, t, 0;
  @p mbarrier.init.shared.b64 [barriers], 1;
  @p mbarrier.init.shared.b64 [barriers+8], 1;
  @p mbarrier.init.shared.b64 [barriers+16], 128;
  @p mbarrier.init.shared.b64 [barriers+24], 128;
  @p fence.mbarrier_init.release.cluster;
  bar.sync 0;
  mov.u32 n, 0;
  setp.ge.u32 p, t, 128;
  @!p bra CONSUMER;
  setp.eq.u32 one, t, 128;
  @!one bra END;
PRODUCER:
  and.b32 stage, n, 1;
  shr.u32 phase, n, 1;
  xor.b32 phase, phase, 1;
  mov.u32 full, barriers;
  mad.lo.u32 full, stage, 8, full;
  add.u32 empty, full, 16;
EMPTY:
  mbarrier.try_wait.parity.shared.b64 q, [empty], phase;
  @!q bra EMPTY;
  mbarrier.arrive.expect_tx.shared.b64 _, [full], 6144;
  mov.u32 x, tiles;
  mad.lo.u32 x, stage, 6144, x;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [x], [g], 6144, [full];
  add.u32 n, n, 1;
  setp.lt.u32 q, n, 64;
  @q bra PRODUCER;
  bra END;
CONSUMER:
  and.b32 stage, n, 1;
  shr.u32 phase, n, 1;
  mov.u32 full, barriers;
  mad.lo.u32 full, stage, 8, full;
  add.u32 empty, full, 16;
FULL:
  mbarrier.try_wait.parity.shared.b64 q, [full], phase;
  @!q bra FULL;
  mov.u32 x, tiles;
  mad.lo.u32 x, stage, 6144, x;
  shr.u32 x, x, 4;
  cvt.u64.u32 da, x;
  or.b64 da, da, 0x0000001000080000;
  add.u64 db, da, 128;
  wgmma.fence.sync.aligned;
  wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {)" + accumulators + R"(}, da, db, 1, 1, 1, 0, 0;
  wgmma.commit_group.sync.aligned;
  wgmma.wait_group.sync.aligned 0;
  mbarrier.arrive.shared.b64 _, [empty];
  add.u32 n, n, 1;
  setp.lt.u32 q, n, 64;
  @q bra CONSUMER;
END:
  ret;
}
)";
}

std::string many_lines(int lines) {
  std::string text = std::string(begin) + "  .reg .f32 a<64>;\n  .reg .pred p;\n  mov.f32 a0, 0f00000000;\n";
  for (int i = 0; i < lines; ++i) {
    text += i % 50 == 49 ? fmt::format("  setp.lt.f32 p, a{}, a{};\n  @p bra L{};\nL{}:\n", i % 64, (i + 7) % 64, i, i)
                         : fmt::format("  fma.rn.f32 a{}, a{}, a{}, a{};\n", (i + 1) % 64, i % 64, (i + 3) % 64, (i + 5) % 64);
  }
  return text + "  ret;\n}\n";
}

}  // namespace triptych::emulator::speed_kernel

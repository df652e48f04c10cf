// ctest: timeout=120 needs=triptych
// triptych ptx, as a user meets it.
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "ptx_command.h"

namespace triptych::testing {
namespace {

TEST_F(Ptx, RunComparesWithWhatIsExpected) {
  const Ended good = ptx(saxpy_line("run", {"--expect", "y=iota:1:2", "--seeds", "20"}));
  EXPECT_EQ(good.code, 0) << good.output;
  expect_order(good, {"good", "saxpy", "20 schedules, all outputs have the same bits",
                      "4 CTAs, 32 warps", "ticks"});

  const Ended bad = ptx(saxpy_line("run", {"--expect", "y=iota:1:3"}));
  EXPECT_EQ(bad.code, 1);
  expect_order(
      bad,
      {"mismatch", "y: 999 of 1,000 elements are wrong; the first is y[1] = 3, expected 4",
       "last written by", "saxpy.ptx:32:", "st.global.f32", "CTA 0,0,0, warp 0, lanes 1", "bad"});
  EXPECT_EQ(ptx(saxpy_line("run", {"--expect", "y=iota:1.5:2", "--tolerance", "0.6"})).code, 0);
  EXPECT_EQ(ptx(saxpy_line("run", {"--expect", "y=iota:1.5:2", "--tolerance", "0.3"})).code, 1);
}

TEST_F(Ptx, RunReadsAndWritesFiles) {
  const std::vector<float> values{0.5F, -1, 1e20F};
  std::string bytes(12, ' ');
  std::memcpy(bytes.data(), values.data(), 12);
  const std::string in = folder_.write("in", bytes), out_file = folder_ / "out.bin";
  const Ended ended = ptx({"run", saxpy, "saxpy", "3", "f32:0", "f32[]=0,0,0", "f32[]=file:" + in,
                           "--dump", "y=" + out_file, "--dump", "y", "--json"});
  ASSERT_EQ(ended.code, 0) << ended.output;
  EXPECT_EQ(content_of(out_file), bytes);
  const auto json = nlohmann::json::parse(ended.output);
  EXPECT_EQ(json["dumps"]["y"], (std::vector<std::string>{"0.5", "-1", "1e+20"}));
  EXPECT_EQ(json["good"], true);
  // The same values wherever they are asked for again.
  const auto random = [](const char* seed) {
    return ptx({"run", saxpy, "n=0", "a=0", "x=f32[8]=random", "y=s8[8]=random:-3:3", "--data-seed",
                seed, "--dump", "x", "--dump", "y"})
        .output;
  };
  EXPECT_EQ(random("1"), random("1"));
  EXPECT_NE(random("1"), random("2"));
}

TEST_F(Ptx, ASweepFindsOutputsThatDependOnTheOrder) {
  const std::string kernel = folder_.write("last.ptx", R"(.version 8.0
.target sm_80
.address_size 64
.entry last(.param .u64 out) { .reg .u32 c; .reg .u64 o; mov.u32 c, %ctaid.x; ld.param.u64 o, [out];
  atom.global.exch.b32 c, [o], c; ret; })");
  const Ended ended = ptx(
      {"run", kernel, "--grid", "8", "--sms", "4", "u32[1]=0", "--seeds", "50", "--check", "none"});
  EXPECT_EQ(ended.code, 1);
  expect_order(ended, {"outputs depend on the order of execution: out[0] is", "with seed 0 and",
                       "with seed"});
}

/// One box of a tensor of 16 x 4 words is copied to shared memory, and from there to y.
TEST_F(Ptx, TensorMapsAreArguments) {
  const std::string kernel = folder_.write("box.ptx", R"(.version 8.0
.target sm_90
.address_size 64
.entry box(.param .align 64 .b8 map[128], .param .u64 x, .param .u64 y) .reqntid 32 {
  .reg .pred first, done; .reg .b32 t, at, v; .reg .b64 m, to;
  .shared .align 128 .b32 tile[32]; .shared .align 8 .b64 full;
  mov.u32 t, %tid.x;
  setp.eq.u32 first, t, 0;
  mov.b64 m, map;
  cvta.param.u64 m, m;
  @first mbarrier.init.shared.b64 [full], 1;
  @first fence.proxy.async.shared::cta;
  bar.sync 0;
  @first mbarrier.arrive.expect_tx.shared.b64 _, [full], 128;
  @first cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [tile], [m, {8, 1}], [full];
Lwait:
  mbarrier.try_wait.parity.shared.b64 done, [full], 0;
  @!done bra Lwait;
  mov.u32 at, tile;
  mad.lo.u32 at, t, 4, at;
  ld.shared.b32 v, [at];
  ld.param.u64 to, [y];
  mad.wide.u32 to, t, 4, to;
  st.global.b32 [to], v;
  ret;
})");
  std::string want;
  for (int row = 1; row < 5; ++row) {
    for (int column = 8; column < 16; ++column)
      want += (want.empty() ? "" : ",") + std::to_string(row < 4 ? 16 * row + column : 0);
  }
  const Ended ended = ptx(
      {"run", kernel, "map=@x:16x4/8x4", "x=u32[64]=iota", "y=u32[32]", "--expect", "y=" + want});
  EXPECT_EQ(ended.code, 0) << ended.output;
  expect_line(ptx({"run", kernel, "map=@x:16x5/8x4", "x=u32[64]", "y=u32[32]"}), 2,
              {"argument map", "more elements than x has, 64"});
  expect_line(ptx({"run", kernel, "map=@x:16x4/6x4", "x=u32[64]", "y=u32[32]"}), 2,
              {"argument map", "multiple of 16 bytes"});
  expect_line(ptx({"run", kernel, "map=@x:16x4", "x=u32[64]", "y=u32[32]"}), 2,
              {"argument map", "EXTENTS/BOX"});
  expect_line(ptx({"run", kernel, "map=@x:16x4/8x4:swizzle=5", "x=u32[64]", "y=u32[32]"}), 2,
              {"swizzle=5", "128"});
}

TEST_F(Ptx, TheCheckersWatch) {
  // Without its barriers the sum has races; its result is right where each warp is a CTA of its
  // own.
  std::string text = content_of(block_sum);
  text.erase(text.find("        bar.sync        0;"), 26);
  const std::vector<std::string> line{"run", folder_.write("racy.ptx", text), "f32[128]=1",
                                      "f32[1]"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), line.begin(), line.end());
    return ptx(more);
  };
  const Ended racy = with({});
  EXPECT_EQ(racy.code, 1);
  expect_order(racy, {"finding    race: ", "racy.ptx:", "nothing orders them",
                      "bad        block_sum, seed 0"});
  EXPECT_EQ(with({"--check", "none"}).code, 0);
  const auto json = nlohmann::json::parse(with({"--check", "race", "--json"}).output);
  for (const auto& finding : json["findings"]) EXPECT_EQ(finding["check"], "race");
  EXPECT_FALSE(json["findings"].empty());
  const Ended unwritten = ptx({"run", block_sum, "f32[128]", "f32[1]"});
  EXPECT_EQ(unwritten.code, 1);
  expect_order(unwritten, {"finding    init: ", "block_sum.ptx:23:", "nobody has written it"});
}

TEST_F(Ptx, AFaultIsReported) {
  const Ended ended = ptx({"run", saxpy, "n=40", "a=2", "x=f32[40]=1", "y=f32[8]=1", "--block",
                           "64", "--check", "none"});
  EXPECT_EQ(ended.code, 1);
  expect_order(ended, {"fault", "saxpy.ptx:30:", "global load of 4 bytes", "past",
                       "CTA 0,0,0, warp 0, lanes 8", "bad"});
}

TEST_F(Ptx, Profile) {
  const std::string page = folder_ / "page.html";
  const Ended ended = ptx(saxpy_line("profile", {"--json", "--html", page}));
  ASSERT_EQ(ended.code, 0) << ended.output;
  const auto json = nlohmann::json::parse(ended.output);
  // 32 warps; 31 of them whole and one with 8 elements. Six instructions of all lanes, then the
  // branch that 24 lanes take, ten instructions of 1000 lanes, and ret.
  EXPECT_EQ(json["total"]["threads"], 6 * 1024 + 24 + 10 * 1000 + 1024);
  EXPECT_EQ(json["total"]["divergent_branches"], 1);
  EXPECT_EQ(json["total"]["global_requests"], 3 * 32);
  EXPECT_EQ(json["total"]["sectors"], 3 * 125);
  EXPECT_EQ(json["total"]["ideal_sectors"], 3 * 125);
  EXPECT_EQ(json["verdict"]["thread_instructions"], json["total"]["threads"]);
  for (const auto& line : json["lines"]) {
    if (line["line"] == 31) {
      EXPECT_EQ(line["threads"], 1000) << line;
    }
  }
  const std::string html = content_of(page);
  EXPECT_NE(html.find("fma.rn.f32"), std::string::npos);
  EXPECT_EQ(html.find("<script"), std::string::npos);
  const Ended table =
      ptx({"profile", block_sum, "--grid", "2", "f32[256]=1", "f32[2]", "--expect", "sums=128"});
  EXPECT_EQ(table.code, 0) << table.output;
  expect_order(table, {"good", "profile    block_sum", "mix", "shared", "line", "bar.sync"});
}

TEST_F(Ptx, Trace) {
  const std::string file = folder_ / "t.json", svg = folder_ / "t.svg";
  const Ended ended = ptx({"trace", block_sum, "--grid", "3", "--sms", "2", "f32[384]=1", "f32[3]",
                           "--out", file, "--svg", svg});
  ASSERT_EQ(ended.code, 0) << ended.output;
  EXPECT_FALSE(nlohmann::json::parse(content_of(file))["traceEvents"].empty());
  const std::string picture = content_of(svg);
  EXPECT_EQ(picture.find("<svg"), picture.find('<'));
  EXPECT_NE(picture.find("CTA 2,0,0"), std::string::npos);
  EXPECT_NE(picture.find("waits for barrier 0"), std::string::npos);
}

TEST_F(Ptx, Check) {
  const Ended good = ptx({"check", block_sum});
  EXPECT_EQ(good.code, 0);
  expect_order(good, {"block_sum.ptx: PTX 9.0, sm_80, 1 kernel", "block_sum(u64 in, u64 sums)",
                      "512 bytes of shared memory", "16 CTAs of 128 threads"});
  expect_line(ptx({"check", folder_.write("bad.ptx",
                                          ".version 9.0\n.target sm_80\n.address_size 64\n.entry "
                                          "k() { add.u32 a, 1, 2; }\n")}),
              1, {"bad.ptx:4:", "'a'"});
  const std::string macros =
      folder_.write("macro.ptx", "#include \"module.inc\"\n.entry k() { ret; }\n");
  EXPECT_EQ(ptx({"check", macros, "--preprocess", "-I", "src/ptx/include"}).code, 0);
  expect_line(ptx({"check", macros, "--preprocess"}), 2, {"module.inc"});
}

TEST_F(Ptx, WrongUsage) {
  const auto refused = [](const std::vector<std::string>& words, int code,
                          std::initializer_list<std::string_view> parts) {
    expect_line(ptx(words), code, parts);
  };
  refused({"run", "nowhere.ptx"}, 3, {"nowhere.ptx", "check the path"});
  refused({"run", saxpy, "sixpy"}, 2, {"sixpy", "saxpy"});
  refused({"run", saxpy, "n=1"}, 2, {"parameter a (f32)", "give a=5"});
  refused({"run", saxpy, "m=1"}, 2, {"no parameter m", "n (u32)"});
  refused({"run", saxpy, "n=-1"}, 2, {"argument n", "-1", "u32"});
  refused({"run", saxpy, "n=1", "n=2"}, 2, {"n is given twice"});
  refused({"run", saxpy, "n=f32[4]=0"}, 2, {"argument n", "8 bytes"});
  refused({"run", saxpy, "n=1", "a=1", "x=f32[2]=1,2,3"}, 2, {"argument x", "3 values where 2"});
  refused({"run", saxpy, "n=1", "a=1", "x=f33[2]"}, 2, {"argument x", "f33", "bf16"});
  refused({"run", saxpy, "n=1", "a=1", "x=f32[2"}, 2, {"argument x", "f32[2", "TYPE[COUNT]"});
  refused({"run", saxpy, "n=1", "a=1", "x=f32[]=iota"}, 2, {"argument x", "number of elements"});
  refused({"run", saxpy, "n=1", "a=1", "x=f32[9]=file:nowhere"}, 3, {"nowhere"});
  refused({"run", saxpy, "n=1", "a=1", "x=@z", "y=f32[1]"}, 2, {"no argument z is a buffer"});
  refused({"run", saxpy, "1", "1", "f32[1]", "f32[1]", "5"}, 2, {"'5' is one argument too many"});
  refused(saxpy_line("run", {"--grid", "x"}), 2, {"--grid"});
  refused({"run", saxpy, "--block", "2048", "1", "1", "f32[1]", "f32[1]"}, 2,
          {"2048 threads", "1024"});
  refused({"run", block_sum, "--block", "64", "f32[1]", "f32[1]"}, 2,
          {"--block 64,1,1", "128,1,1"});
  refused({"run", saxpy, "--cluster", "3", "1", "1", "f32[1]", "f32[1]"}, 2,
          {"--grid 1,1,1", "cluster 3,1,1"});
  refused(saxpy_line("run", {"--check", "races"}), 2, {"--check", "races", "race"});
  refused(saxpy_line("run", {"--expect", "z=1"}), 2, {"--expect z"});
  refused(saxpy_line("run", {"--dump", "z"}), 2, {"--dump z"});
  refused(saxpy_line("run", {"--seed", "-1"}), 2, {"--seed", "'-1'"});
  refused({"frobnicate"}, 2, {"triptych ptx --help"});
  refused({"run"}, 2, {"FILE", "triptych ptx run --help"});
}

}  // namespace
}  // namespace triptych::testing

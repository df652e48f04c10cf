// ctest: labels=sanitize
// What a launch says and asks for: special registers, limits, shared memory, the system's functions.
#include <fmt/format.h>

#include <bit>
#include <cstdint>
#include <set>

#include "tests/emulator/thread_run.h"

namespace triptych::emulator::test {
namespace {

/// Values of some 32-bit special registers in each thread of a launch, threads in linear order.
std::vector<Words> specials(const std::vector<std::string>& names, const Shape& shape, int sms = 20) {
  std::string body;
  for (std::size_t n = 0; n < names.size(); ++n) body += fmt::format("mov.u32 %u0, %{};\nst.global.u32 [%a1+{}], %u0;\n", names[n], 4 * n);
  MachineOptions options;
  options.devices[0].sms = sms;
  Program program(".visible .entry k(.param .u64 out)\n{\n.reg .b32 %u<9>; .reg .b64 %a<2>;\n"
                  "mov.u32 %u0, %ctaid.z;\nmov.u32 %u1, %nctaid.y;\nmov.u32 %u2, %ctaid.y;\nmad.lo.u32 %u0, %u0, %u1, %u2;\nmov.u32 %u1, %nctaid.x;\nmov.u32 %u2, %ctaid.x;\n"
                  "mad.lo.u32 %u0, %u0, %u1, %u2;\nmov.u32 %u1, %ntid.z;\nmov.u32 %u2, %tid.z;\nmad.lo.u32 %u0, %u0, %u1, %u2;\nmov.u32 %u1, %ntid.y;\nmov.u32 %u2, %tid.y;\n"
                  "mad.lo.u32 %u0, %u0, %u1, %u2;\nmov.u32 %u1, %ntid.x;\nmov.u32 %u2, %tid.x;\nmad.lo.u32 %u0, %u0, %u1, %u2;\n"
                  "ld.param.u64 %a0, [out];\n" + fmt::format("mad.wide.u32 %a1, %u0, {}, %a0;\n", 4 * names.size()) + body + "ret;\n}\n", options);
  const std::size_t threads = std::size_t{shape.grid[0]} * shape.grid[1] * shape.grid[2] * shape.block[0] * shape.block[1] * shape.block[2];
  const std::uint64_t out = program.buffer(Words(threads * names.size(), 0xDEAD));
  EXPECT_EQ(program.run("k", {out}, shape), "");
  std::vector<Words> all(threads);
  for (std::size_t t = 0; t < threads; ++t) all[t] = program.read<std::uint32_t>(out + 4 * t * names.size(), names.size());
  return all;
}

TEST(Launch, CoordinatesOfThreadsAndBlocks) {
  const Shape shape = {.grid = {2, 3, 4}, .block = {5, 3, 4}};
  const auto all = specials({"tid.x", "tid.y", "tid.z", "ntid.x", "ntid.y", "ntid.z", "ctaid.x", "ctaid.y", "ctaid.z", "nctaid.x", "nctaid.y", "nctaid.z", "laneid", "warpid"}, shape);
  std::uint32_t n = 0;
  for (std::uint32_t bz = 0; bz < 4; ++bz)
    for (std::uint32_t by = 0; by < 3; ++by)
      for (std::uint32_t bx = 0; bx < 2; ++bx)
        for (std::uint32_t t = 0; t < 60; ++t)
          ASSERT_EQ(all[n++], (Words{t % 5, t / 5 % 3, t / 15, 5, 3, 4, bx, by, bz, 2, 3, 4, t % 32, t / 32}));
}

TEST(Launch, CoordinatesInClusters) {
  const Shape shape = {.grid = {4, 6, 2}, .block = {1, 1, 1}, .cluster = {2, 3, 1}};
  const auto all = specials({"clusterid.x", "clusterid.y", "clusterid.z", "nclusterid.x", "nclusterid.y", "nclusterid.z", "cluster_ctaid.x", "cluster_ctaid.y", "cluster_ctaid.z",
                             "cluster_nctaid.x", "cluster_nctaid.y", "cluster_nctaid.z", "cluster_ctarank", "cluster_nctarank", "smid"}, shape);
  std::map<Words, std::set<std::uint32_t>> sms_of;
  std::uint32_t n = 0;
  for (std::uint32_t z = 0; z < 2; ++z)
    for (std::uint32_t y = 0; y < 6; ++y)
      for (std::uint32_t x = 0; x < 4; ++x) {
        Words own = all[n++];
        sms_of[{x / 2, y / 3, z}].insert(own.back());
        own.pop_back();
        ASSERT_EQ(own, (Words{x / 2, y / 3, z, 2, 2, 2, x % 2, y % 3, 0, 2, 3, 1, y % 3 * 2 + x % 2, 6}));
      }
  for (const auto& [cluster, sms] : sms_of) EXPECT_EQ(sms.size(), 6u) << "its CTAs are spread over the SMs";
}

TEST(Launch, MasksAndSizes) {
  const auto all = specials({"lanemask_eq", "lanemask_lt", "lanemask_le", "lanemask_gt", "lanemask_ge", "nsmid", "dynamic_smem_size", "total_smem_size", "envreg3"},
                            {.block = {32, 1, 1}, .dynamic_shared = 4096}, 7);
  for (std::uint32_t l = 0; l < 32; ++l) {
    const std::uint32_t eq = 1u << l;
    EXPECT_EQ(all[l], (Words{eq, eq - 1, eq | (eq - 1), ~(eq | (eq - 1)), ~(eq - 1), 7, 4096, 4096, 0}));
  }
}

/// Clocks go forward, and everywhere at once.
TEST(Launch, Clocks) {
  const std::string body = "mov.u64 %a1, %clock64;\nmov.u32 %u0, %clock;\nmov.u64 %a2, %globaltimer;\nnanosleep.u32 100;\nmov.u64 %a3, %clock64;\nmov.u32 %u1, %clock;\nmov.u64 %a4, %globaltimer;\n"
                           "setp.gt.u64 p, %a3, %a1;\nsetp.gt.and.u32 p, %u1, %u0, p;\nsetp.gt.and.u64 p, %a4, %a2, p;\nmov.u32 %u2, %clock_hi;\nmov.u32 %u3, %globaltimer_lo;\nmov.u32 %u4, %globaltimer_hi;\n"
                           "setp.eq.and.u32 p, %u2, %u4, p;\n@p mov.u32 %v, 1;\n";
  EXPECT_EQ(values_of("", body), for_threads(32, [](std::uint32_t) { return 1u; }));
}

TEST(Launch, LimitsAreKept) {
  Program program(".visible .entry k()\n{\nret;\n}\n.visible .entry wide()\n.maxnreg 255\n{\nret;\n}\n.visible .entry large()\n{\n.shared .align 16 .b8 space[40000];\n"
                  ".reg .b32 %r;\nmov.u32 %r, space;\nst.shared.u32 [%r], %r;\nret;\n}\n");
  const auto refused = [&](const char* kernel, const Shape& shape) { return program.machine().refuse(*program.prepare(kernel, {}, shape)); };
  EXPECT_EQ(refused("k", {}), "");
  EXPECT_EQ(refused("k", {.block = {32, 32, 1}, .dynamic_shared = 232448}), "");
  EXPECT_EQ(refused("k", {.grid = {0, 1, 1}}), "the grid or the block is empty");
  EXPECT_EQ(refused("k", {.block = {32, 0, 1}}), "the grid or the block is empty");
  EXPECT_EQ(refused("k", {.block = {1025, 1, 1}}), "a block of 1025 threads; at most 1024");
  EXPECT_EQ(refused("k", {.dynamic_shared = 232464}), "232464 bytes of shared memory; at most 232448");
  EXPECT_EQ(refused("large", {.dynamic_shared = 192464}), "232464 bytes of shared memory; at most 232448");
  EXPECT_EQ(refused("k", {.grid = {5, 1, 1}, .cluster = {2, 1, 1}}), "the grid is not a multiple of the cluster");
  EXPECT_EQ(refused("k", {.grid = {34, 1, 1}, .cluster = {17, 1, 1}}), "a cluster of 17 CTAs; at most 16");
  EXPECT_EQ(refused("wide", {.block = {1024, 1, 1}}), "one CTA needs more registers than an SM has");
}

TEST(Launch, Occupancy) {
  Program program(".visible .entry k()\n{\nret;\n}\n.visible .entry wide()\n.maxnreg 128\n{\nret;\n}\n");
  const auto occupancy = [&](const char* kernel, const Shape& shape) { return program.machine().occupancy(*program.prepare(kernel, {}, shape)); };
  EXPECT_EQ(occupancy("k", {}), 32) << "blocks an SM";
  EXPECT_EQ(occupancy("k", {.block = {512, 1, 1}}), 4) << "threads an SM";
  EXPECT_EQ(occupancy("k", {.block = {65, 1, 1}}), 21) << "whole warps";
  EXPECT_EQ(occupancy("wide", {.block = {256, 1, 1}}), 2) << "registers an SM";
  EXPECT_EQ(occupancy("k", {.dynamic_shared = 100000}), 2) << "shared memory an SM";
}

/// Dynamic shared memory lies behind the static one; each block has its own.
TEST(Launch, SharedMemory) {
  const std::string module = ".extern .shared .align 16 .b8 dynamic[];\n";
  const std::string body = ".shared .align 4 .b32 fixed[8];\nmov.u32 %w0, fixed;\nmov.u32 %w1, dynamic;\nsub.u32 %u2, %w1, %w0;\nld.shared.u32 %u3, [%w1+60];\nadd.u32 %u3, %u3, %i;\n"
                           "st.shared.u32 [%w1+60], %u3;\nadd.u32 %v, %u2, %u3;\n";
  Program program(module + thread_kernel(body));
  EXPECT_EQ(run_threads(program, {.grid = {4, 1, 1}, .block = {1, 1, 1}, .dynamic_shared = 64}), (Words{32, 33, 34, 35}));
  expect_report(program.run("k", {program.buffer(Words(1)), 0}, {.block = {1, 1, 1}, .dynamic_shared = 48}), {"shared access of 4 bytes"});
}

/// In a device function too, where the entry decides how much static memory lies before it.
TEST(Launch, DynamicSharedMemoryOfFunctions) {
  const std::string module = ".extern .shared .align 16 .b8 dynamic[];\n.func (.reg .b32 at) begin()\n{\nmov.u32 at, dynamic;\nret;\n}\n";
  const auto entry = [](const std::string& name, int words) {
    const std::string text = thread_kernel(fmt::format(".shared .align 4 .b32 fixed[{}];\nst.shared.u32 [fixed], %i;\ncall (%u2), begin, ();\nadd.u32 %u3, %u2, 28;\n"
                                                       "st.shared.u32 [%u3], 7;\nld.shared.u32 %u4, [%u2+28];\nmov.u32 %w0, fixed;\nsub.u32 %v, %u2, %w0;\nmad.lo.u32 %v, %u4, 1000, %v;\n", words));
    return ".visible .entry " + name + text.substr(text.find('('));
  };
  Program program(module + entry("small", 8) + entry("large", 21));
  for (const auto& [name, bytes] : {std::pair("small", 32u), std::pair("large", 96u)}) {
    const std::uint64_t out = program.buffer(Words(1));
    EXPECT_EQ(program.run(name, {out, 0}, {.block = {1, 1, 1}, .dynamic_shared = 32}), "");
    EXPECT_EQ(program.read<std::uint32_t>(out, 1)[0], 7000 + bytes) << name;
  }
}

// ---- the system's functions ---------------------------------------------------------------------------------

std::string text_variable(const std::string& name, const std::string& text) {
  std::string bytes;
  for (const char c : text) bytes += fmt::format("{}, ", static_cast<int>(static_cast<unsigned char>(c)));
  return fmt::format(".global .align 1 .b8 {}[{}] = {{{}0}};\n", name, text.size() + 1, bytes);
}
const std::string vprintf_declared = ".extern .func (.param .b32 status) vprintf(.param .b64 format, .param .b64 buffer);\n";

/// What a kernel prints: `stores` fills the buffer at %a2.
std::string printed(const std::string& format, const std::string& stores, std::uint32_t threads = 1) {
  Program program(text_variable("text", format) + text_variable("word", "seven") + vprintf_declared +
                  thread_kernel(".local .align 8 .b8 buffer[64];\nmov.u64 %a1, buffer;\ncvta.local.u64 %a2, %a1;\nmov.u64 %a3, text;\ncvta.global.u64 %a3, %a3;\n" + stores +
                                "{ .param .b64 f; .param .b64 b; .param .b32 s;\nst.param.b64 [f], %a3;\nst.param.b64 [b], %a2;\ncall (s), vprintf, (f, b);\nld.param.b32 %v, [s]; }\n"));
  std::string all;
  program.machine().print = [&](std::string_view text) { all += text; };
  const Words counts = run_threads(program, {.block = {threads, 1, 1}});
  std::size_t sum = 0;
  for (const std::uint32_t c : counts) sum += c;
  EXPECT_EQ(sum, all.size());
  return all;
}

TEST(Launch, Printing) {
  EXPECT_EQ(printed("hello, 100%%\n", ""), "hello, 100%\n");
  EXPECT_EQ(printed("lane %u\n", "st.local.u32 [%a1], %i;\n", 3), "lane 0\nlane 1\nlane 2\n");
  const std::string numbers = "st.local.s32 [%a1], -5;\nst.local.u64 [%a1+8], 1311768467463790320;\nst.local.u32 [%a1+16], 255;\nst.local.f64 [%a1+24], 0d4004000000000000;\nst.local.u32 [%a1+32], 65;\n";
  EXPECT_EQ(printed("%d|%llx|%#06x|%8.3f|%c|", numbers), "-5|123456789abcdef0|0x00ff|   2.500|A|");
  EXPECT_EQ(printed("%-6d|%+.2e|", "st.local.s32 [%a1], 42;\nst.local.f64 [%a1+8], 0dBFF8000000000000;\n"), "42    |-1.50e+00|");
  EXPECT_EQ(printed("[%*d] %s\n", "st.local.u32 [%a1], 5;\nst.local.u32 [%a1+4], 7;\nmov.u64 %a4, word;\nst.local.u64 [%a1+8], %a4;\n"), "[    7] seven\n");
}

TEST(Launch, Assertions) {
  const std::string module = text_variable("message", "i < 5") + text_variable("file", "kernel.cu") + text_variable("function", "void k(int *)") +
                             ".extern .func __assertfail(.param .b64 m, .param .b64 f, .param .b32 l, .param .b64 n, .param .b64 s);\n";
  const std::string body = "setp.lt.u32 p, %i, 5;\n@p bra DONE;\n{ .param .b64 m; .param .b64 f; .param .b32 l; .param .b64 n; .param .b64 s;\nmov.u64 %a1, message;\nst.param.b64 [m], %a1;\nmov.u64 %a1, file;\n"
                           "st.param.b64 [f], %a1;\nst.param.b32 [l], 17;\nmov.u64 %a1, function;\nst.param.b64 [n], %a1;\nst.param.b64 [s], 1;\ncall __assertfail, (m, f, l, n, s); }\n";
  Program program(module + thread_kernel(body));
  const auto launch = program.prepare("k", {program.buffer(Words(32)), 0}, {.block = {8, 1, 1}});
  expect_report(program.run(launch), {"kernel.cu:17: void k(int *): assertion `i < 5` failed", "lanes 5]"});
  EXPECT_EQ(launch->fault_kind, FaultKind::assertion);
}

TEST(Launch, MemoryFromTheHeap) {
  const std::string module = ".extern .func (.param .b64 at) malloc(.param .b64 bytes);\n.extern .func free(.param .b64 at);\n";
  const std::string body = "{ .param .b64 n; .param .b64 at;\nst.param.b64 [n], 64;\ncall (at), malloc, (n);\nld.param.b64 %a1, [at]; }\nst.global.u32 [%a1+60], %i;\nld.u32 %v, [%a1+60];\n"
                           "{ .param .b64 at;\nst.param.b64 [at], %a1;\ncall free, (at); }\n";
  EXPECT_EQ(values_of(module, body), for_threads(32, [](std::uint32_t i) { return i; }));
  expect_report(fault_of(module, body + "ld.global.u32 %v, [%a1];\n"), {"global load of 4 bytes"});
}

}  // namespace
}  // namespace triptych::emulator::test

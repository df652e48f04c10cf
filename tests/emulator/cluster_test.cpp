// ctest: labels=sanitize
// CTAs of a cluster that announce to each other, the cluster's barrier, dependent grids, pools of registers.
#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "tests/emulator/thread_run.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("cluster");

/// Every CTA writes to the next one's shared memory and announces it there.
TEST(Cluster, CTAsOfAClusterAnnounceToEachOther) {
  const std::string announcements[] = {
      "mbarrier.arrive.shared::cluster.b64 _, [%w2];\n",
      "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%w2], 1;\n",
      "mbarrier.arrive.expect_tx.relaxed.cluster.shared::cluster.b64 _, [%w2], 64;\nmbarrier.complete_tx.shared::cluster.b64 [%w2], 64;\n",
      "mbarrier.expect_tx.relaxed.cluster.shared::cluster.b64 [%w2], 8;\nmbarrier.arrive_drop.shared::cluster.b64 _, [%w2];\n"
      "mbarrier.complete_tx.relaxed.cluster.shared::cluster.b64 [%w2], 8;\n",
  };
  for (const std::string& announce : announcements) {
    for (const std::string aligned : {"", ".aligned"}) {
      const std::string body = R"(
        .shared .align 8 .b64 bar;
        .shared .align 4 .b32 word;
        mov.u32 %w0, bar;
        mov.u32 %w1, word;
        mbarrier.init.shared.b64 [%w0], 1;
        barrier.cluster.arrive)" + aligned + ";\nbarrier.cluster.wait" + aligned + R"(;
        mov.u32 %u2, %cluster_ctarank;
        mov.u32 %u3, %cluster_nctarank;
        add.u32 %u2, %u2, 1;
        rem.u32 %u2, %u2, %u3;
        mapa.shared::cluster.u32 %w2, %w0, %u2;
        mapa.shared::cluster.u32 %w3, %w1, %u2;
        mad.lo.u32 %u4, %i, 7, 5;
        st.shared::cluster.u32 [%w3], %u4;
      )" + announce + R"(
      WAIT:
        mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 q, [%w0], 0;
        @!q bra WAIT;
        ld.shared.u32 %v, [word];
        barrier.cluster.arrive.relaxed)" + aligned + ";\nbarrier.cluster.wait.acquire" + aligned + ";\n";
      for (const std::uint64_t seed : {0, 1, 2, 3}) {
        MachineOptions options;
        options.devices[0].sms = 5;
        options.seed = seed;
        Program program(thread_kernel(body), options);
        EXPECT_EQ(run_threads(program, {.grid = {8, 1, 1}, .block = {1, 1, 1}, .cluster = {4, 1, 1}}),
                  for_threads(8, [](std::uint32_t i) { return (i / 4 * 4 + (i + 3) % 4) * 7 + 5; })) << announce << seed;
      }
    }
  }
}

TEST(Cluster, ClusterBarriersCountThreadsThatHaveNotEnded) {
  const Shape pair = {.grid = {2, 1, 1}, .block = {64, 1, 1}, .cluster = {2, 1, 1}};
  Program program(thread_kernel("setp.eq.u32 p, %i, 70;\n@p exit;\nbarrier.cluster.arrive.release;\nbarrier.cluster.wait;\nmov.u32 %v, 1;\n"));
  EXPECT_EQ(run_threads(program, pair), for_threads(128, [](std::uint32_t i) { return i == 70 ? 0xDEADu : 1u; }));
  expect_report(fault_of("", "barrier.cluster.arrive;\nbarrier.cluster.arrive;\n", pair), {"barrier.cluster.arrive twice without a wait between"});
  expect_report(fault_of("", "barrier.cluster.wait;\n", pair), {"barrier.cluster.wait without an arrive before it"});
  expect_report(fault_of("", "setp.lt.u32 p, %i, 96;\n@p barrier.cluster.arrive;\n@p barrier.cluster.wait;\n@!p bar.sync 1, 64;\n", pair), {"deadlock", "waits for the cluster's barrier"});
}

/// A dependent grid waits for the ones before it, which let it start early.
TEST(Cluster, DependentGrids) {
  Program program(thread_kernel("griddepcontrol.wait;\nld.global.u32 %v, [%a0];\nadd.u32 %v, %v, 1;\nst.global.u32 [%a0], %v;\ngriddepcontrol.launch_dependents;\n"));
  const std::uint64_t in = program.buffer(Words{5}), out = program.buffer(Words(1));
  const Shape one = {.block = {1, 1, 1}};
  const auto first = program.prepare("k", {out, in}, one), second = program.prepare("k", {out, in}, one);
  second->prerequisites_done = 0;
  first->ended = [&](Launch&) { second->prerequisites_done = 1; };
  program.machine().submit(second);   // its CTA is handed out first
  program.machine().submit(first);
  EXPECT_TRUE(program.machine().run());
  EXPECT_EQ(first->dependents_signals.load(), 1u) << "a signal a CTA, whether it says so or ends";
  EXPECT_EQ(program.read<std::uint32_t>(out, 1)[0], 7u);
  const auto never = program.prepare("k", {out, in}, one);
  never->prerequisites_done = 0;
  expect_report(program.run(never), {"deadlock", "griddepcontrol.wait", "waits for the grids before it"});
}

/// Two warpgroups of a kernel with 128 registers a thread: the second one grows by what the first one gives.
TEST(Cluster, RegisterPools) {
  const auto kernel = [](const std::string& directive, int less, int more) {
    std::string text = thread_kernel(fmt::format("setp.lt.u32 p, %i, 128;\n@p bra LESS;\nsetmaxnreg.inc.sync.aligned.u32 {};\nmov.u32 %v, 2;\nbra DONE;\n"
                                                 "LESS:\nsetmaxnreg.dec.sync.aligned.u32 {};\nmov.u32 %v, 1;\n", more, less));
    return text.replace(text.find(")\n{"), 3, ")\n" + directive + "\n{");
  };
  const Shape shape = {.block = {256, 1, 1}};
  for (const std::string directive : {".maxnreg 128", ".maxntid 256\n.minnctapersm 2"}) {
    Program fits(kernel(directive, 40, 216));
    EXPECT_EQ(run_threads(fits, shape), for_threads(256, [](std::uint32_t i) { return i < 128 ? 1u : 2u; }));
  }
  const auto report = [&](const std::string& text) {
    Program program(text);
    return program.run("k", {program.buffer(Words(256)), 0}, shape);
  };
  expect_report(report(kernel(".maxnreg 128", 48, 216)), {"deadlock", "setmaxnreg.inc.sync.aligned.u32", "waits for registers of the CTA's pool"});
  expect_report(report(kernel(".maxnreg 128", 136, 216)), {"setmaxnreg.dec to 136 of a warp that has 128"});
  expect_report(report(kernel(".maxnreg 128", 40, 120)), {"setmaxnreg.inc to 120 of a warp that has 128"});
  EXPECT_EQ(report(kernel("", 136, 216)), "") << "without a cap the instruction does nothing";
  for (const int wrong : {16, 100, 264}) EXPECT_NE(error_of(kernel(".maxnreg 128", wrong, 216)), "") << wrong;
}

}  // namespace
}  // namespace triptych::emulator::test

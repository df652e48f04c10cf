// Barriers of a CTA and of lanes of a warp.
#include <fmt/format.h>

#include <cstdint>

#include "tests/emulator/thread_run.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("barrier");

const std::vector<std::string> barriers = {"bar", "bar.cta", "barrier", "barrier.cta"};
std::vector<std::string> endings(const std::string& barrier) {
  return barrier.starts_with("barrier") ? std::vector<std::string>{"", ".aligned"} : std::vector<std::string>{""};
}
const std::string shared_words = ".shared .align 4 .b32 words[128];\nmov.u32 %w0, words;\nmad.lo.u32 %w1, %i, 4, %w0;\n";

/// Each thread reads what another one wrote before the barrier, three times over.
TEST(Barrier, BarriersSeparateWritesFromReads) {
  for (const std::string& b : barriers) {
    for (const std::string& e : endings(b)) {
      for (const std::string count : {"", ", 96"}) {
        SCOPED_TRACE(b + e + count);
        std::string body = shared_words;
        for (int round = 0; round < 3; ++round) {
          body += fmt::format("mad.lo.u32 %u2, %i, {0}, {0};\nst.shared.u32 [%w1], %u2;\n{1}.sync{2} 5{3};\nadd.u32 %u3, %i, {4};\nrem.u32 %u3, %u3, 96;\n"
                              "mad.lo.u32 %w2, %u3, 4, %w0;\nld.shared.u32 %u4, [%w2];\nadd.u32 %v, %v, %u4;\n{1}.sync{2} 0{3};\n",
                              round + 1, b, e, count, 33 + round);
        }
        EXPECT_EQ(values_of("", body, 96), for_threads(96, [](std::uint32_t i) {
                    std::uint32_t v = 0;
                    for (std::uint32_t r = 0; r < 3; ++r) v += (i + 33 + r) % 96 * (r + 1) + r + 1;
                    return v;
                  }));
      }
    }
  }
}

/// Warps 0 and 1 produce and go on; warp 2 waits for them, and for no others.
TEST(Barrier, ArrivalsDoNotWait) {
  for (const std::string& b : barriers) {
    for (const std::string& e : endings(b)) {
      const std::string body = shared_words + "add.u32 %v, %i, 7;\nsetp.ge.u32 p, %i, 64;\nsetp.ge.u32 q, %i, 96;\n@q bra DONE;\n@p bra CONSUME;\n" +
                               "st.shared.u32 [%w1], %v;\n" + b + ".arrive" + e + " 15, 96;\nbra DONE;\nCONSUME:\n" + b + ".sync" + e +
                               " 15, 96;\nld.shared.u32 %v, [%w1+-256];\nld.shared.u32 %u2, [%w1+-128];\nadd.u32 %v, %v, %u2;\n";
      EXPECT_EQ(values_of("", body, 128), for_threads(128, [](std::uint32_t i) { return i < 64 || i >= 96 ? i + 7 : (i - 64 + 7) + (i - 32 + 7); })) << b << e;
    }
  }
}

/// 80 threads: the last warp has 16. Each reduction twice, for the second phase to start afresh.
TEST(Barrier, BarriersReduce) {
  for (const std::string& b : barriers) {
    for (const std::string& e : endings(b)) {
      for (const std::string count : {"", ", 96"}) {
        SCOPED_TRACE(b + e + count);
        std::string body = "and.b32 %u0, %i, 3;\n";
        for (const int limit : {0, 1, 4}) {   // none, a quarter, all of the threads
          body += fmt::format("setp.lt.u32 p, %u0, {0};\n{1}.red.popc{2}.u32 %u1, 1{3}, p;\n{1}.red.and{2}.pred q, 2{3}, p;\n{1}.red.or{2}.pred r, 2{3}, !p;\n"
                              "mad.lo.u32 %v, %v, 100, %u1;\n@q add.u32 %v, %v, 1000000;\n@r add.u32 %v, %v, 3000000;\n",
                              limit, b, e, count);
        }
        const std::uint32_t wanted = (3000000u * 100 + 20 + 3000000) * 100 + 80 + 1000000;
        EXPECT_EQ(values_of("", body, 80), for_threads(80, [&](std::uint32_t) { return wanted; }));
      }
    }
  }
}

TEST(Barrier, LanesArriveOneByOneAtUnalignedBarriers) {
  const std::string apart = "and.b32 %u0, %i, 1;\nsetp.eq.u32 p, %u0, 0;\n@p bra EVEN;\nBAR 0;\nadd.u32 %v, %i, 1;\nbra DONE;\nEVEN:\nBAR 0;\nadd.u32 %v, %i, 2;\n";
  const auto with = [&](const std::string& barrier) {
    std::string text = apart;
    for (std::size_t at; (at = text.find("BAR")) != std::string::npos;) text.replace(at, 3, barrier);
    return text;
  };
  EXPECT_EQ(values_of("", with("barrier.sync"), 64), for_threads(64, [](std::uint32_t i) { return i + 2 - i % 2; }));
  expect_report(fault_of("", with("bar.sync")), {"deadlock", "bar.sync", "waits for other lanes of its warp to come here"});
}

TEST(Barrier, MisusedBarriersAreFaults) {
  const Shape two = {.block = {64, 1, 1}};
  const std::string first = "setp.lt.u32 p, %i, 32;\n";
  expect_report(fault_of("", "mov.u32 %u0, 16;\nbar.sync %u0;\n"), {"bar.sync: barrier 16; there are 0 … 15"});
  expect_report(fault_of("", "mov.u32 %u0, 40;\nbar.sync 0, %u0;\n", two), {"a barrier for 40 threads; wanted a multiple of 32 up to the CTA's 64"});
  expect_report(fault_of("", "bar.sync 0, 96;\n", two), {"a barrier for 96 threads"});
  expect_report(fault_of("", "bar.sync %i;\n"), {"lanes of a warp name different barriers"});
  expect_report(fault_of("", first + "@p bar.sync 1;\n@!p bar.red.popc.u32 %v, 1, p;\n", two), {"used for a reduction and for sync or arrive at once"});
  expect_report(fault_of("", first + "@p bar.sync 1, 64;\n@!p bar.sync 1, 32;\n", two), {"waits for 64 threads, but this warp says 32"});
  expect_report(fault_of("", first + "@p bar.sync 3, 64;\n", two), {"deadlock", "bar.sync [kernel k, CTA 0,0,0, warp 0, lanes 0-31] waits for barrier 3"});
}

/// Lanes of a mask wait for each other, also from different places.
TEST(Barrier, LanesOfAWarpSynchronise) {
  const std::string body = shared_words + R"(
    setp.ge.u32 p, %i, 24;
    @p bra DONE;
    and.b32 %u0, %i, 1;
    setp.eq.u32 p, %u0, 0;
    @p bra EVEN;
    st.shared.u32 [%w1], %i;
    bar.warp.sync 0x00FFFFFF;
    bra READ;
  EVEN:
    mul.lo.u32 %u1, %i, 5;
    st.shared.u32 [%w1], %u1;
    bar.warp.sync 0x00FFFFFF;
  READ:
    xor.b32 %u2, %i, 1;
    mad.lo.u32 %w2, %u2, 4, %w0;
    ld.shared.u32 %v, [%w2];
  )";
  EXPECT_EQ(values_of("", body), for_threads(32, [](std::uint32_t i) { return i >= 24 ? 0u : (i ^ 1) % 2 == 0 ? (i ^ 1) * 5 : i ^ 1; }));
  expect_report(fault_of("", "setp.lt.u32 p, %i, 4;\n@p bar.warp.sync 7;\n"), {"a mask that it is not in"});
  expect_report(fault_of("", "setp.lt.u32 p, %i, 4;\n@p bar.warp.sync 31;\n@!p bar.sync 0;\n"), {"deadlock", "bar.warp.sync", "lanes 0-3] waits for other lanes"});
}

}  // namespace
}  // namespace triptych::emulator::test

// ctest: labels=sanitize
// The schedule: lanes that spin, warps that poll, deadlocks, faults, seeds, grids and clusters.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <set>

#include "tests/emulator/thread_run.h"

namespace triptych::emulator::test {
namespace {

MachineOptions with_seed(std::uint64_t seed, int sms = 1) {
  MachineOptions options;
  options.devices[0].sms = sms;
  options.seed = seed;
  return options;
}

/// in[0] is a lock, in[1] a counter that is read and written by plain accesses.
const std::string locked_increment = R"(
  TRY:
    atom.acquire.gpu.global.cas.b32 %u2, [%a0], 0, 1;
    setp.ne.u32 p, %u2, 0;
    @p bra TRY;
    ld.global.u32 %v, [%a0+4];
    add.u32 %u3, %v, 1;
    st.global.u32 [%a0+4], %u3;
    atom.release.gpu.global.exch.b32 %u2, [%a0], 0;
)";

/// A thread that holds a lock goes on although the rest of its warp spins on it.
TEST(Machine, SpinLocksWithinAWarp) {
  for (const std::uint64_t seed : {0, 1, 2, 3}) {
    Program program(thread_kernel(locked_increment), with_seed(seed, 2));
    const std::uint64_t in = program.buffer(Words(2));
    Words before = run_threads(program, {.grid = {4, 1, 1}, .block = {96, 1, 1}}, in);
    EXPECT_EQ(program.read<std::uint32_t>(in, 2), (Words{0, 384}));
    std::sort(before.begin(), before.end());
    EXPECT_EQ(before, for_threads(384, [](std::uint32_t i) { return i; })) << "each thread saw another count";
  }
}

/// A thread that waits for a later one of its own warp, in both directions of the branch.
TEST(Machine, LanesWaitForLanesOfTheirWarp) {
  for (const std::string guard : {"@p", "@!p"}) {
    const std::string body = "setp.lt.u32 p, %i, 16;\n" + guard + R"( bra SEND;
    WAIT:
      ld.volatile.global.u32 %v, [%a0];
      setp.eq.u32 q, %v, 0;
      @q bra WAIT;
      bra DONE;
    SEND:
      mov.u32 %v, 5;
      st.volatile.global.u32 [%a0], 9;
    )";
    Program program(thread_kernel(body));
    EXPECT_EQ(run_threads(program, {}, program.buffer(Words(1))), for_threads(32, [&](std::uint32_t i) { return (i < 16) == (guard == "@p") ? 5u : 9u; }));
  }
}

/// Instructions that each warp executed.
class Counter : public Witness {
 public:
  void instruction(Warp& warp, const Instr&) override { ++counts[static_cast<std::size_t>(warp.index())]; }
  std::array<std::uint64_t, 32> counts{};
};

/// Warp 1 polls while warp 0 works: it is not run until what it reads changes.
TEST(Machine, PollingWarpsAreParked) {
  const std::string work = R"(
      mov.u32 %u0, 0;
    WORK:
      add.u32 %u0, %u0, 1;
      setp.lt.u32 p, %u0, 20000;
      @p bra WORK;
      st.release.gpu.global.u32 [%a0], 1;
      bra DONE;
    POLL:
  )";
  const std::string polls[] = {"ld.acquire.gpu.global.u32 %v, [%a0];\n", "ld.volatile.global.u32 %v, [%a0];\n", "atom.global.or.b32 %v, [%a0], 0;\n",
                               "atom.global.cas.b32 %v, [%a0], 1, 1;\n"};
  for (const std::string& poll : polls) {
    SCOPED_TRACE(poll);
    Program program(thread_kernel("setp.ge.u32 p, %i, 32;\n@p bra POLL;\n" + work + poll + "setp.eq.u32 p, %v, 0;\n@p bra POLL;\n"));
    Counter counter;
    program.machine().observe(&counter);
    EXPECT_EQ(run_threads(program, {.block = {64, 1, 1}}, program.buffer(Words(1))), for_threads(64, [](std::uint32_t i) { return i / 32; }));
    EXPECT_GT(counter.counts[0], 60000u);
    EXPECT_LT(counter.counts[1], 300u);
  }
}

/// A poll that counts its turns, or looks at the clock, ends by itself.
TEST(Machine, PollsThatGiveUp) {
  const std::string counted = "P:\nld.volatile.global.u32 %u0, [%a0];\nadd.u32 %v, %v, 1;\nsetp.eq.u32 p, %u0, 0;\nsetp.lt.and.u32 p, %v, 50, p;\n@p bra P;\n";
  Program program(thread_kernel(counted));
  EXPECT_EQ(run_threads(program, {}, program.buffer(Words(1))), for_threads(32, [](std::uint32_t) { return 50u; }));
  for (const std::string clock : {"clock64", "globaltimer"}) {
    const std::string timed = "mov.u64 %a1, %" + clock + ";\nP:\nld.volatile.global.u32 %u0, [%a0];\nmov.u64 %a2, %" + clock +
                              ";\nsub.u64 %a2, %a2, %a1;\nsetp.eq.u32 p, %u0, 0;\nsetp.lt.and.u64 p, %a2, 100000, p;\n@p bra P;\nmov.u32 %v, 1;\n";
    Program other(thread_kernel(timed));
    EXPECT_EQ(run_threads(other, {}, other.buffer(Words(1))), for_threads(32, [](std::uint32_t) { return 1u; })) << clock;
  }
}

/// Every warp's wait is named, with its place.
TEST(Machine, DeadlocksAreExplained) {
  const std::string body = R"(
    .shared .align 8 .b64 bar;
    mov.u32 %u3, bar;
    mbarrier.init.shared.b64 [%u3], 1;
    mov.u32 %u1, %tid.x;
    shr.u32 %u2, %u1, 5;
    T: .branchtargets ZERO, ONE, TWO, THREE;
    brx.idx %u2, T;
  ZERO:
    bar.sync 3, 96;
    bra DONE;
  ONE:
    ld.volatile.global.u32 %v, [%a0];
    setp.eq.u32 p, %v, 0;
    @p bra ONE;
    bra DONE;
  TWO:
    mbarrier.try_wait.parity.shared.b64 p, [%u3], 0;
    @!p bra TWO;
    bra DONE;
  THREE:
    barrier.cluster.arrive;
    setp.lt.u32 p, %u1, 100;
    @p bar.warp.sync 0xFF;
    @!p barrier.cluster.wait;
  )";
  const std::string head = "[kernel k, CTA 0,0,0, warp ";
  const std::string report = fault_of("", body, {.grid = {2, 1, 1}, .block = {128, 1, 1}, .cluster = {2, 1, 1}});
  expect_report(report, {"deadlock: nothing can go on\n", "bar.sync " + head + "0, lanes 0-31] waits for barrier 3", "ld.volatile.global.u32 " + head + "1",
                         "waits for a change of the memory that it polls", "mbarrier.try_wait.parity.shared.b64 " + head + "2", "bar.warp.sync " + head + "3, lanes 0-3] waits for other lanes",
                         "barrier.cluster.wait " + head + "3, lanes 4-31] waits for the cluster's barrier"});
}

TEST(Machine, FaultsLeaveTheMachineUsable) {
  const std::string body = "shl.b32 %u0, %i, 2;\nmov.u32 %u1, 0;\nmov.b64 %a1, {%u0, %u1};\nadd.u64 %a1, %a1, %a0;\nld.global.u32 %v, [%a1];\n"
                           "setp.eq.u32 p, %v, 77;\n@p trap;\nbar.sync 0;\n";
  Program program(thread_kernel(body), with_seed(0, 3));
  Words values(64 * 40);
  std::iota(values.begin(), values.end(), 100u);
  const Shape shape = {.grid = {40, 1, 1}, .block = {64, 1, 1}};
  const std::uint64_t in = program.buffer(values), out = program.buffer(Words(64 * 40));
  for (int round = 0; round < 3; ++round) {
    const std::uint32_t bad = static_cast<std::uint32_t>(round) * 700 + 5, saved = values[bad];
    std::memcpy(reinterpret_cast<void*>(in + bad * 4), "\x4D\0\0\0", 4);
    const auto launch = program.prepare("k", {out, in}, shape);
    expect_report(program.run(launch), {"trap", fmt::format("CTA {},0,0, warp {}, lanes {}]", bad / 64, bad / 32 % 2, bad % 32)});
    EXPECT_EQ(launch->fault_kind, FaultKind::trap);
    std::memcpy(reinterpret_cast<void*>(in + bad * 4), &saved, 4);
    EXPECT_EQ(run_threads(program, shape, in), values);
  }
}

/// Two launches: a fault of one does not touch the other, and `ended` is called for both.
TEST(Machine, FaultsEndTheirOwnLaunch) {
  Program program(thread_kernel("setp.eq.u64 p, %a0, 0;\n@p trap;\nmov.u32 %v, 3;\n"));
  const std::uint64_t one = program.buffer(Words(256)), two = program.buffer(Words(256));
  const Shape shape = {.grid = {8, 1, 1}};
  const auto bad = program.prepare("k", {one, 0}, shape), good = program.prepare("k", {two, 1}, shape);
  int ended = 0;
  bad->ended = good->ended = [&](Launch&) { ++ended; };
  program.machine().submit(bad);
  program.machine().submit(good);
  EXPECT_FALSE(program.machine().run());
  EXPECT_EQ(ended, 2);
  EXPECT_NE(bad->fault, "");
  EXPECT_EQ(good->fault, "");
  EXPECT_EQ(program.read<std::uint32_t>(two, 256), Words(256, 3));
}

/// Sums over blocks through shared memory, atomics, shuffles and asynchronous copies.
const std::string reduction = R"(
    .shared .align 16 .b32 words[256];
    mov.u32 %w0, words;
    mov.u32 %w1, %tid.x;
    mad.lo.u32 %w1, %w1, 4, %w0;
    mad.wide.u32 %a1, %i, 4, %a0;
    cp.async.ca.shared.global [%w1], [%a1], 4;
    cp.async.wait_all;
    bar.sync 0;
    mov.u32 %u2, 64;
  HALVE:
    mov.u32 %u3, %tid.x;
    setp.lt.u32 p, %u3, %u2;
    mad.lo.u32 %u4, %u2, 4, %w1;
    @p ld.shared.u32 %u5, [%u4];
    @p ld.shared.u32 %u6, [%w1];
    @p add.u32 %u6, %u6, %u5;
    @p st.shared.u32 [%w1], %u6;
    bar.sync 0;
    shr.u32 %u2, %u2, 1;
    setp.gt.u32 q, %u2, 0;
    @q bra HALVE;
    ld.shared.u32 %u7, [words];
    shfl.sync.bfly.b32 %u8, %u7, 1, 31, 0xFFFFFFFF;
    add.u32 %v, %u7, %u8;
    setp.eq.u32 p, %u3, 0;
    @p atom.global.add.u32 %u9, [%a0], %u7;
)";

/// What a correct kernel computes depends on no seed; what threads draw in a race does.
TEST(Machine, TheSameBitsUnderAHundredSeeds) {
  Words values(512);
  for (std::size_t i = 1; i < values.size(); ++i) values[i] = static_cast<std::uint32_t>(i * i);
  std::set<Words> results, draws;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Program program(thread_kernel(reduction), with_seed(seed, 2));
    const std::uint64_t in = program.buffer(values);
    // The first CTA's words are changed by the sums: its own value is kept out of the comparison.
    Words out = run_threads(program, {.grid = {4, 1, 1}, .block = {128, 1, 1}}, in);
    out.erase(out.begin(), out.begin() + 128);
    results.insert(out);
    Program race(thread_kernel("atom.global.add.u32 %v, [%a0], 1;\n"), with_seed(seed, 2));
    draws.insert(run_threads(race, {.grid = {4, 1, 1}, .block = {128, 1, 1}}, race.buffer(Words(1))));
  }
  ASSERT_EQ(results.size(), 1u);
  EXPECT_GT(draws.size(), 10u);
  Words wanted;
  for (std::size_t c = 1; c < 4; ++c) {
    const std::uint32_t sum = std::accumulate(values.begin() + static_cast<std::ptrdiff_t>(c * 128), values.begin() + static_cast<std::ptrdiff_t>(c * 128 + 128), 0u);
    wanted.insert(wanted.end(), 128, 2 * sum);
  }
  EXPECT_EQ(*results.begin(), wanted);
}

/// The same seed gives the same schedule.
TEST(Machine, ASeedIsAPlan) {
  for (const std::uint64_t seed : {0, 7}) {
    Words first;
    for (int again = 0; again < 2; ++again) {
      Program program(thread_kernel("atom.global.add.u32 %v, [%a0], 1;\n"), with_seed(seed, 3));
      const Words drawn = run_threads(program, {.grid = {6, 1, 1}, .block = {96, 1, 1}}, program.buffer(Words(1)));
      if (again == 0) first = drawn;
      EXPECT_EQ(drawn, first);
    }
  }
}

/// All CTAs count up and wait for the last one.
const std::string grid_barrier = R"(
    mov.u32 %u0, %tid.x;
    setp.eq.u32 p, %u0, 0;
    @p atom.release.gpu.global.add.u32 %u1, [%a0], 1;
    mov.u32 %u2, %nctaid.x;
  WAIT:
    ld.acquire.gpu.global.u32 %v, [%a0];
    setp.lt.u32 q, %v, %u2;
    @q bra WAIT;
)";

TEST(Machine, CooperativeGridsRunAtOnce) {
  Program program(thread_kernel(grid_barrier), with_seed(0, 4));
  const Shape shape = {.grid = {8, 1, 1}, .block = {1024, 1, 1}}, more = {.grid = {9, 1, 1}, .block = {1024, 1, 1}};
  const std::uint64_t in = program.buffer(Words(1)), out = program.buffer(Words(9 * 1024));
  const auto launch = program.prepare("k", {out, in}, shape);
  launch->cooperative = true;
  EXPECT_EQ(program.run(launch), "");
  EXPECT_EQ(program.read<std::uint32_t>(out, 8 * 1024), Words(8 * 1024, 8));
  const auto large = program.prepare("k", {out, in}, more);
  large->cooperative = true;
  EXPECT_EQ(program.machine().refuse(*large), "a cooperative grid of 9 CTAs; 8 fit on the device at once");
  std::memset(reinterpret_cast<void*>(in), 0, 4);
  expect_report(program.run("k", {out, in}, more), {"deadlock", "ld.acquire.gpu.global.u32 [kernel k, CTA 7,0,0, warps 0-31, lanes 0-31] wait for a change"});
}

/// More CTAs than fit: they take turns, all of them run.
TEST(Machine, GridsOfManyBlocks) {
  Program program(thread_kernel("mul.lo.u32 %v, %i, 3;\n"), with_seed(5, 3));
  EXPECT_EQ(run_threads(program, {.grid = {1000, 1, 1}, .block = {96, 1, 1}}), for_threads(96000, [](std::uint32_t i) { return 3 * i; }));
}

}  // namespace
}  // namespace triptych::emulator::test

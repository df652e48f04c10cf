// Host threads that share out a machine's SMs.
#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "emulator/host/threads.h"
#include "ptx_run.h"

namespace triptych::emulator::test {
namespace {

TEST(HostThreads, CallEachOnceAndReturnWhenAllHave) {
  HostThreads team(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::atomic<int>> calls(static_cast<std::size_t>(round % 7));
    team.run(static_cast<int>(calls.size()), [&](int i) { ++calls[static_cast<std::size_t>(i)]; });
    for (const auto& c : calls) ASSERT_EQ(c.load(), 1) << "round " << round;
  }
}

/// CTAs on eight SMs add to one word, and pass a baton in the order of their numbers.
TEST(HostThreads, AtomicsOfAllSmsMeet) {
  HostThreads team(3);
  MachineOptions options;
  options.devices[0].sms = 8;
  options.parallel = [&](int count, const std::function<void(int)>& body) { team.run(count, body); };
  Program program(R"(
.visible .entry k(.param .u64 words) {
  .reg .u64 g; .reg .u32 c, x; .reg .pred p;
  ld.param.u64 g, [words];
  mov.u32 c, %ctaid.x;
  red.global.add.u32 [g], 1;
TURN:
  ld.acquire.gpu.global.u32 x, [g+4];
  setp.ne.u32 p, x, c;
  @p bra TURN;
  bar.sync 0;
  mov.u32 x, %tid.x;
  setp.ne.u32 p, x, 0;
  @p ret;
  ld.global.u32 x, [g+8];
  mad.lo.u32 x, x, 3, c;
  st.global.u32 [g+8], x;
  add.u32 c, c, 1;
  st.release.gpu.global.u32 [g+4], c;
  ret;
}
)", options);
  const std::uint64_t words = program.buffer<std::uint32_t>({0, 0, 0});
  EXPECT_EQ(program.run("k", {words}, {.grid = {16, 1, 1}, .block = {64, 1, 1}}), "");
  std::uint32_t handed = 0;
  for (std::uint32_t c = 0; c < 16; ++c) handed = handed * 3 + c;
  EXPECT_EQ(program.read<std::uint32_t>(words, 3), (std::vector<std::uint32_t>{16 * 64, 16, handed}));
}

}  // namespace
}  // namespace triptych::emulator::test

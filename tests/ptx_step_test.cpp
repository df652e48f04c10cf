// ctest: timeout=60 needs=triptych
// The debugger, driven by scripts.
#include "ptx_command.h"

namespace triptych::testing {
namespace {

TEST_F(Ptx, TheDebuggerStopsAndShows) {
  const Ended ended = step({saxpy, "n=40", "a=2", "x=f32[40]=iota", "y=f32[40]=1", "--block", "64",
                            "--expect", "y=iota:1:2"},
                           "break 31 warp 1\nrun\nwhere\nlanes\nprint value\nprint count\nprint "
                           "%tid.x 3\nprint i 3 as s32\nmemory global y 4\nlist\nstep\n"
                           "print sum 7\nwatch global y+128\ncontinue\ncontinue\n");
  EXPECT_EQ(ended.code, 0) << ended.output;
  expect_order(ended, {"1: ",
                       "run",
                       "saxpy.ptx:31:",
                       "fma.rn.f32",
                       "warp 1, lanes 0-7",
                       "where",
                       "CTA 0 on SM 0, warp 1: lanes 0-7 at",
                       "in focus",
                       "lanes 8-31 at",
                       "execute    0-7 (8)",
                       "elsewhere  8-31",
                       "lane  0:",
                       "32",
                       "33",
                       "(",
                       "count = 40 in lanes 0-7",
                       "%tid.x = 35 in lane 3",
                       "i = 35 in lane 3",
                       "y+0:  1  3  5  7",
                       ">*   31",
                       "saxpy.ptx:32:",
                       "sum = 79 in lane 7",
                       "global y+128 holds 1",
                       "was 1 and is 65, written by",
                       "saxpy.ptx:32:",
                       "warp 1, lanes 0",
                       "good",
                       "saxpy"});
}

TEST_F(Ptx, TheDebuggerShowsBarriersAndSharedMemory) {
  const Ended ended = step({block_sum, "f32[128]=iota", "f32[1]"},
                           "break 32\nrun\nbarriers\nmemory shared partial 4 f32\nmemory shared "
                           "own 1 f32\ncta 7\nwarp 3\nnonsense\nprint nothing\nstep 3\nquit\n");
  EXPECT_EQ(ended.code, 0) << ended.output;
  expect_order(ended, {"setp.ge.u32", "barrier 0: 0 threads have arrived, completed 1 times",
                       "  0  1  2  3", "CTA 7 does not run now", "warp 3",
                       "there is no command 'nonsense'", "has no register nothing", "(ptx) quit"});
}

TEST_F(Ptx, TheDebuggerStepsOverAWait) {
  // The barrier is tried again when the other warps have come; that is no second step. Of the next
  // two instructions the branch is none: no lane takes it.
  const Ended ended = step({block_sum, "f32[128]=iota", "f32[1]"},
                           "break 31 warp 0\nrun\nstep\nbarriers\nnext 2\nquit\n");
  EXPECT_EQ(ended.code, 0);
  expect_order(ended,
               {"(ptx) run\ntests/emulator/kernels/block_sum.ptx:31:9: bar.sync",
                "(ptx) step\ntests/emulator/kernels/block_sum.ptx:32:9: setp.ge.u32",
                "completed 1 times", "block_sum.ptx:35:9: ld.shared.f32", "warp 0, lanes 0-31"});
}

TEST_F(Ptx, TheDebuggerStopsAtAFault) {
  const Ended ended = step({saxpy, "n=40", "a=2", "x=f32[40]=1", "y=f32[8]=1", "--block", "64"},
                           "run\nwhere\nrun\n");
  EXPECT_EQ(ended.code, 1);
  expect_order(ended, {"fault: ", "global load of 4 bytes", "CTA 0 on SM 0", "bad"});
}

}  // namespace
}  // namespace triptych::testing

/// \file
/// How fast the software device is on this machine: thread-instructions a second, FLOPs of tensor cores, what
/// checkers cost, what a second host thread gains, how long a module takes to load.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace triptych::emulator {

/// One number, and the one that it is asked to reach.
struct SpeedRow {
  std::string what, unit;
  double value = 0, wanted = 0;
  bool at_least = true;   ///< else at most
  bool reached() const { return at_least ? value >= wanted : value <= wanted; }
};

/// The kernels that are measured, as PTX text: `k(.param .u64 data)`.
namespace speed_kernel {
std::string fma();
std::string integer();
std::string shared();
std::string wgmma();               ///< 64 x 256 x 16 in bf16, four a group
std::string tiled_gemm();          ///< 64 x 64 tiles of f32 through shared memory
std::string scan();                ///< a block's prefix sums, by shuffles and shared memory
std::string specialised_wgmma();   ///< a producer warp's bulk copies feed a warpgroup's products
std::string many_lines(int lines);
}  // namespace speed_kernel

/// Measures each in turns, `rounds` of them; medians. `progress` hears of each row when it is there.
std::vector<SpeedRow> measure_speed(int rounds, const std::function<void(const SpeedRow&)>& progress);

}  // namespace triptych::emulator

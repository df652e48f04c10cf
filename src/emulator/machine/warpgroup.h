/// \file
/// Matrix products of a warpgroup (wgmma): its four warps issue each of them, and it happens later.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "emulator/machine/async_group.h"
#include "emulator/machine/warp.h"

namespace triptych::emulator {

inline constexpr int warpgroup_warps = 4;

struct Warpgroup {
  /// One product. The warps' frames hold the registers that it reads and writes.
  struct Operation {
    const Instr* instr = nullptr;
    std::array<std::uint64_t, 3> values{};       ///< that all warps must agree on: descriptors, scale-d
    std::array<std::shared_ptr<Frame>, warpgroup_warps> frames;
    std::array<std::shared_ptr<AsyncGroup>, warpgroup_warps> groups;
    int issued = 0;                              ///< by how many warps
    std::function<void()> execute;               ///< once all have
  };
  std::deque<Operation> operations;              ///< in the order of the program; all but the last few complete
  std::array<std::uint64_t, warpgroup_warps> issued{};   ///< how many each warp has issued
  std::uint64_t executed = 0;                    ///< so many have happened: the number of operations.front()

  /// Executes everything up to and including operation `number`, which all warps have issued.
  void execute_through(std::uint64_t number) {
    for (; executed <= number; ++executed) {
      operations.front().execute();
      for (const auto& group : operations.front().groups) --group->pending;
      operations.pop_front();
    }
  }
};

}  // namespace triptych::emulator

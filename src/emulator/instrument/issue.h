/// \file
/// Where asynchronous work was issued.
#pragma once

#include <cstdint>

#include "emulator/machine/machine.h"

namespace triptych::emulator {

/// The number of an instruction that the warp issued in its function. A product of a warpgroup is
/// told for all its warps when the last one comes, when the others may be elsewhere, in another
/// function even: then 0.
inline std::uint32_t issue_pc(const Warp& warp, const Instr& instr) {
  const auto& instrs = warp.code().instrs;
  const Instr* const begin = instrs.data();
  return &instr >= begin && &instr < begin + instrs.size()
             ? static_cast<std::uint32_t>(&instr - begin)
             : 0;
}

}  // namespace triptych::emulator

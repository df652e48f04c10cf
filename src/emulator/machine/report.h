/// \file
/// What is said of a fault, of a deadlock, and of a place in a kernel.
#pragma once

#include <string>

#include "emulator/machine/machine.h"

namespace triptych::emulator {

/// "1,2,3"
std::string extent_text(const Extent3& extent);
/// Of a set of lanes or warps: "3", "0-31", "0,2,5-7"
std::string numbers_text(Mask set);
/// "a.ptx:12:9: add.u32"
std::string place_text(const FunctionCode& code, std::uint32_t pc, const Module& module);
/// "[kernel saxpy, CTA 0,0,0, warps 0-3, lanes 0-31]": warps of a CTA, and lanes of each of them.
std::string where_text(const Cta& cta, Mask warps, Mask lanes);
/// "barrier 3", "time to pass"
std::string wait_text(const Wait& wait);

}  // namespace triptych::emulator

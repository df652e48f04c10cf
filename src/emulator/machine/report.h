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

}  // namespace triptych::emulator

/// \file
/// Functions that a module declares and the system provides: printf, assert, the device heap.
#pragma once

#include <string_view>

#include "emulator/machine/warp.h"

namespace triptych::emulator {

/// Whether the system provides a function of this name.
bool is_builtin(std::string_view name);

/// Executes it for `lanes`: arguments and results as a call passes them.
void call_builtin(Warp& warp, Frame& caller, const FunctionCode& callee, const CallSite& site, Mask lanes);

}  // namespace triptych::emulator

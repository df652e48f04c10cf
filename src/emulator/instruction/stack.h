/// \file
/// alloca, stacksave, stackrestore. Part of the family `memory`.
#pragma once

#include "emulator/instruction/form.h"

namespace triptych::emulator {

std::span<const Form> stack_forms();

}  // namespace triptych::emulator

/// \file
/// The approximate f32 and f64 instructions. Part of the family `float`.
#pragma once

#include "emulator/instruction/form.h"

namespace triptych::emulator {

std::span<const Form> approximate_forms();

}  // namespace triptych::emulator

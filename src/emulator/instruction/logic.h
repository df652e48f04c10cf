/// \file
/// Parts of the family of logic and comparisons.
#pragma once

#include <span>

#include "emulator/instruction/form.h"

namespace triptych::emulator {

std::span<const Form> compare_forms();   // set, setp, selp, slct

}  // namespace triptych::emulator

/// \file
/// bar and barrier: the CTA's sixteen barriers. Part of the family `control`.
#pragma once

#include "emulator/instruction/form.h"

namespace triptych::emulator {

std::span<const Form> barrier_forms();

}  // namespace triptych::emulator

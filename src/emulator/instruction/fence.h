/// \file
/// membar and fence. Part of the family `atomic`.
#pragma once

#include "emulator/instruction/form.h"

namespace triptych::emulator {

std::span<const Form> fence_forms();

}  // namespace triptych::emulator

/// \file
/// Clusters' barrier, dependent grids, and the register pool. Part of the family `mbarrier`.
#pragma once

#include "emulator/instruction/form.h"

namespace triptych::emulator {

std::span<const Form> cluster_forms();

}  // namespace triptych::emulator

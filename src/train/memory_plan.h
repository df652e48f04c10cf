/// \file
/// How much memory a run will take, before it takes it.
#pragma once

#include <cstddef>

#include "train/options.h"

namespace triptych {

/// Predicted peak memory of a process that trains, in bytes: what Trainer allocates in the tier
/// (measured with the code that allocates it), what the reference tier's threads work in, and the program
/// itself with its libraries. REQUIRES: resolved options; threads as in TierOptions.
std::size_t predicted_memory(const ModelConfig& config, const TrainOptions& options, int threads);

}  // namespace triptych

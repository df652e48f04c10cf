/// \file
/// Checkpoints: a folder that transformers can load, with the training state beside it.
///
///   step-N/model.safetensors      parameters, Hugging Face names and shapes
///         /config.json            DeepseekV3Config
///         /tokenizer.json         the byte tokenizer
///         /optimizer.safetensors  moments: "<parameter>.first", "<parameter>.second"
///         /state.json             step, loader, options, sums of itself and of config.json
///
/// A checkpoint is written as step-N.tmp/, its files and the folder forced to the disk, and then renamed
/// once: a folder called step-N is whole. Damage that came later shows in these sums, and in those that
/// the safetensors files carry for each tensor.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "train/trainer.h"

namespace triptych {

/// What a checkpoint knows besides its tensors.
struct TrainState {
  std::int64_t steps = 0;        ///< optimizer steps done
  LoaderState loader;            ///< where the data stands
  TrainOptions options;          ///< resolved
  ModelConfig config;            ///< of config.json
  std::uint64_t text = 0;        ///< Text::fingerprint
};

/// The checkpoints of a run's folder, oldest first. A folder that is missing has none.
std::vector<std::filesystem::path> checkpoints_of(const std::filesystem::path& run);

/// Removes what a killed run left half written (step-N.tmp). For the one process that uses the run.
void remove_unfinished(const std::filesystem::path& run);

/// Writes run/step-N of the trainer's present state, then removes all but the `keep` newest
/// checkpoints. Raises an environment_error (full disk, …) after removing step-N.tmp; older
/// checkpoints are then as they were. Returns the new folder.
std::filesystem::path write_checkpoint(const std::filesystem::path& run, const Trainer& trainer,
                                       std::uint64_t text, int keep = 2);

/// Reads state.json and config.json, and checks their sums and every field. Raises an Error that names the
/// file, the value and the remedy.
TrainState read_state(const std::filesystem::path& checkpoint);

/// Puts parameters and moments in place and continues there: the next step has the bits that it would
/// have had without the interruption. Checks the sum of every tensor. REQUIRES: a trainer of the state's
/// config and options.
void restore_checkpoint(const std::filesystem::path& checkpoint, const TrainState& state,
                        Trainer& trainer);

}  // namespace triptych

/// \file
/// A whole training run: from the text to the report, with checkpoints and resume.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>

#include "train/options.h"
#include "train/progress.h"
#include "train/sample.h"
#include "train/trainer.h"

namespace triptych {

/// What a run is asked for.
struct RunRequest {
  std::string name = "tiny";            ///< what the model is called in lines and reports
  ModelConfig config;                   ///< the model
  TrainOptions options;                 ///< what decides the bits; need not be resolved
  std::set<std::string> given;          ///< keys of `options` (and "config") that the user chose: a
                                        ///< resume takes the others from the checkpoint
  std::filesystem::path out;            ///< the run's folder
  std::filesystem::path init;           ///< model folder to start from; empty: random parameters
  bool resume = false;                  ///< continue from the newest checkpoint, if there is one
  bool overwrite = false;               ///< remove an older run in the folder first
  int threads = 0;                      ///< TierOptions::threads
  std::int64_t eval_every = 0;          ///< steps; 0: a tenth of the run
  std::int64_t eval_windows = 128;      ///< held-out windows of an evaluation, at most
  std::int64_t checkpoint_every = 0;    ///< steps; 0: a fifth of the run
  std::int64_t sample_bytes = 400;      ///< length of the sample at the end; 0: none
  SampleOptions sample;                 ///< how it is drawn
  ProgressStyle progress = ProgressStyle::standard_error();
  std::function<void(std::string_view)> say;  ///< gets each line for the reader; empty: nobody

  /// Checks what TrainOptions does not. Raises a usage_error that names the option, its value and its range.
  void validate() const;
};

/// What a run ended with.
struct RunSummary {
  ParameterCount parameters;
  std::int64_t steps = 0;
  double held_out_bits = 0;        ///< bits a byte
  double bigram_bits = 0;          ///< of the add-δ bigram model, on the same targets
  double entropy_rate = -1;        ///< true bits a byte of a synthetic text; negative: not known
  LoadShares shares;               ///< over the last tenth of the steps
  double seconds = 0;              ///< spent training in this process
  std::size_t predicted_bytes = 0; ///< memory
  std::size_t peak_bytes = 0;      ///< memory
  std::string prompt;              ///< held-out text that the sample continues
  std::string sample;              ///< may be shown on a terminal
  std::filesystem::path checkpoint, report, metrics;
};

/// {"parameters": …, "held_out_bits": …, …}
nlohmann::ordered_json to_json(const RunSummary& summary);

/// Trains, evaluates, saves and reports. Raises one line for whatever stands in the way (exit code by
/// the error's kind); checkpoints written before are then whole. An interrupt (request_stop) ends the
/// run after the step at hand, with a checkpoint, as a finding.
RunSummary run_training(const RunRequest& request);

/// Asks the run to stop after the step at hand. May be called from a signal handler.
void request_stop() noexcept;


}  // namespace triptych

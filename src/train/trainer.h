/// \file
/// A model, its optimizer and its data: one training step, one evaluation.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/model.h"
#include "train/loader.h"
#include "train/optimizer.h"
#include "train/options.h"
#include "train/text.h"

namespace triptych {

/// What one step tells. Losses are means over the step's tokens, in nats a token.
struct StepReport {
  std::int64_t step = 0;         ///< from 1
  double loss = 0;               ///< next token
  double mtp_loss = 0;           ///< the one after, 0 without an MTP module
  double balance_loss = 0;       ///< Σ of all layers' weighted balance losses
  double gradient_norm = 0;      ///< before clipping
  double learning_rate = 0;
  std::vector<std::vector<std::int32_t>> loads;  ///< [MoE layer][expert]: tokens
};

/// What an evaluation tells, in bits a byte.
struct Evaluation {
  double bits = 0;      ///< next byte
  double mtp_bits = 0;  ///< the one after, 0 without an MTP module
};

/// Trains. All memory is taken when it is built; step() allocates nothing once every size has been seen.
class Trainer {
 public:
  /// Parameters are initialised from options.seed. The tier must outlive the trainer.
  /// REQUIRES: resolved options. `eval_windows` ≥ 1: at most so many windows are evaluated.
  Trainer(Tier& tier, const ModelConfig& config, const TrainOptions& options, const TextSplit& text,
          std::int64_t eval_windows);

  /// Bytes that the constructor allocates in the tier.
  static std::size_t planned_bytes(const ModelConfig& config, const TrainOptions& options);

  /// One optimizer step: `accumulation` micro-batches forward and backward, then the optimizer. A fault
  /// raises a finding that names the step. The report stays good until the next step.
  const StepReport& step();

  /// The held-out loss over whole batches of windows, the same ones every time; with fewer windows than
  /// a batch holds, each is evaluated equally often. Changes nothing that training depends on.
  Evaluation evaluate();
  /// First bytes of the windows that evaluate() covers, for a baseline on the same targets.
  const std::vector<std::size_t>& evaluated_windows() const { return evaluation_.windows(); }

  Model& model() { return model_; }
  const Model& model() const { return model_; }
  const TrainOptions& options() const { return options_; }
  /// Steps done.
  std::int64_t steps() const { return steps_; }
  LoaderState loader_state() const { return loader_.state(); }
  /// Continues after `steps` steps; parameters and moments have been put in place by the caller.
  void restore(std::int64_t steps, const LoaderState& loader);

 private:
  void take(Arena& arena, std::int64_t tokens);
  WindowBatch host_batch(std::int64_t first_row, std::int64_t rows);
  Batch upload();
  void read_loads();
  void check_faults(const char* what);

  Tier& tier_;
  TrainOptions options_;
  Model model_;
  Optimizer optimizer_;
  BatchLoader loader_;
  EvaluationLoader evaluation_;
  std::int64_t steps_ = 0;
  std::vector<std::int32_t> host_;  // tokens, targets, targets2: [3,B,S]
  Tensor tokens_, targets_, mtp_targets_;
  std::unique_ptr<Arena> arena_;
  StepReport report_;
};

/// Shares of load over some steps' tokens: the largest and the smallest share that any expert of any
/// layer has of its layer's tokens, where 1/E is even.
struct LoadShares {
  double largest = 0, smallest = 0;
};
LoadShares load_shares(const std::vector<std::vector<std::int64_t>>& loads);

}  // namespace triptych

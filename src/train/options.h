/// \file
/// What decides the bits of a training run, in one structure that a checkpoint records.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "model/model.h"
#include "train/optimizer.h"
#include "train/schedule.h"

namespace triptych {

/// Two runs of one build and processor with equal TrainOptions, config and text end with the same bits.
/// How often a run is evaluated, saved or interrupted, and its number of threads, are not among them.
struct TrainOptions {
  std::string data = "data";           ///< as read_text takes it
  std::string tier = "reference";      ///< which implementation computes
  Precision precision = Precision::f32;
  std::int64_t batch = 16;             ///< B: sequences of one micro-batch
  std::int64_t sequence = 0;           ///< S: tokens of a sequence; 0: max_position_embeddings
  std::int64_t accumulation = 1;       ///< micro-batches of one step
  std::int64_t steps = 100;            ///< optimizer steps of the whole run
  double learning_rate = 3e-3;         ///< peak
  double floor = -1;                   ///< last learning rate; negative: a tenth of the peak (V3's ratio)
  std::int64_t warmup = -1;            ///< steps; negative: a twentieth of all
  std::int64_t decay_start = -1;       ///< step; negative: after seven tenths of all
  OptimizerOptions optimizer;          ///< AdamW
  bool bf16_moments = false;           ///< moments in bf16
  ScaleRule scale_rule = ScaleRule::exact;  ///< fp8
  double balance_alpha = 1e-4;         ///< α of the balance loss
  double balance_speed = 1e-3;         ///< γ of the balancing biases
  double mtp_weight = 0.3;             ///< λ of the second-next token's loss
  std::uint64_t seed = 1;              ///< of the parameters and of the order of the data

  /// Replaces negative and zero "choose for me" values, then checks all.
  /// Raises a usage_error that names the option, its value and its range.
  void resolve(const ModelConfig& config);

  /// Of resolved options. The bias speed becomes 0 for the last 3.4 % of the steps (V3's share).
  LearningRateSchedule learning_rates() const;
  BalanceSchedule balance_speeds() const;
  ModelOptions model_options() const;
};

/// An object whose keys are the command line's option names: {"batch": 16, "lr": 0.003, …}.
nlohmann::ordered_json to_json(const TrainOptions& options);

/// The inverse. A missing, unknown or misfit key raises an Error of `kind` that names it; `where` is the
/// file.
TrainOptions parse_train_options(const nlohmann::json& json, const std::string& where,
                                 ErrorKind kind = ErrorKind::environment);

/// The key of a precision's name, "f32" and so on. Raises a usage_error for another one.
Precision parse_precision(const std::string& name);

}  // namespace triptych

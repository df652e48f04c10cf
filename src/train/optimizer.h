/// \file
/// The optimizer's part of a training step: clipping, AdamW, quantisation, and the balancing biases.
#pragma once

#include <cstdint>
#include <memory>

#include "model/model.h"

namespace triptych {

/// AdamW's constants. The defaults are DeepSeek-V3's (report §4.2).
struct OptimizerOptions {
  double beta1 = 0.9;         ///< decay of the first moment, 0 ≤ β1 < 1
  double beta2 = 0.95;        ///< decay of the second moment, 0 ≤ β2 < 1
  double epsilon = 1e-8;      ///< added to the root of the second moment, > 0
  double weight_decay = 0.1;  ///< of matrices, ≥ 0; norm gains do not decay
  double clip = 1;            ///< largest norm of the whole gradient, > 0

  /// Raises a usage_error that names the field, its value and its range.
  void validate() const;
};

/// Moves a model's parameters by their gradients. What changes with the step (learning rate, bias
/// corrections, γ) lies in the tier's memory, so that a captured step can be replayed with other values.
class Optimizer {
 public:
  /// The model must outlive the optimizer.
  Optimizer(Model& model, const OptimizerOptions& options);

  /// Bytes that the constructor allocates in the tier.
  static std::size_t planned_bytes(Precision precision);

  /// One step, the `count`-th (from 1), after the last backward pass:
  ///  1. Σ grad² over all parameters, in their order, for the clipping;
  ///  2. AdamW on every parameter, which also rounds the copies;
  ///  3. FP8 codes of the new masters;
  ///  4. each MoE layer's balancing bias moves by `balance_speed` against the step's load (0: not at all).
  /// Waits for nothing and allocates nothing. A gradient that is not finite leaves all parameters as
  /// they were and sets the fault gradient_not_finite; biases still move.
  void step(std::int64_t count, double learning_rate, double balance_speed);

  /// Waits, and returns the norm of the last step's whole gradient, before clipping.
  double read_gradient_norm();

 private:
  void take(Arena& arena, Precision precision);

  Model& model_;
  OptimizerOptions options_;
  std::unique_ptr<Arena> arena_;
  Tensor scalars_;      // [3] A: learning rate, 1/(1-β1^t), 1/(1-β2^t)
  Tensor squared_sum_;  // [1] A
  Tensor speed_;        // [1] A: γ
};

}  // namespace triptych

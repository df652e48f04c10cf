/// \file
/// AdamW with f32 masters, optional bf16 moments, and clipping by the global gradient norm.
#pragma once

#include "triptych/tensor.h"

namespace triptych {

/// Arguments of AdamW::grad_norm.
struct GradNorm {
  ConstTensor grad;    ///< [n] A
  Tensor squared_sum;  ///< [1] A, accumulated (+=): Σ grad²
};

/// Arguments of AdamW::adamw_step. n elements of one parameter.
struct AdamWStep {
  ConstTensor grad;         ///< [n] A
  Tensor master;            ///< [n] A, updated
  Tensor first;             ///< [n] A or bf16, updated: first moment
  Tensor second;            ///< [n] A or bf16, updated: second moment
  Tensor copy;              ///< [n] S, overwritten with the new master rounded; absent if not wanted
  ConstTensor scalars;      ///< [3] A: {learning rate, 1/(1-β1^t), 1/(1-β2^t)}: on the device, so that
                            ///< a captured step can change them
  ConstTensor squared_sum;  ///< [1] A: from grad_norm over all parameters; absent: no clipping
  double clip = 1;          ///< largest norm of the whole gradient
  double beta1 = 0.9;       ///< decay of the first moment
  double beta2 = 0.95;      ///< decay of the second moment
  double epsilon = 1e-8;    ///< added to the root of the second moment
  double weight_decay = 0;  ///< decoupled, times the learning rate
};

/// g = grad · min(1, clip / (√squared_sum + 1e-6));
/// m = β1·m + (1-β1)·g;  v = β2·v + (1-β2)·g²;
/// master -= lr · (m·c1 / (√(v·c2) + ε) + weight_decay · master).
/// Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (arXiv 1711.05101);
/// bf16 moments: DeepSeek-V3 report §3.3.2.
class AdamW {
 public:
  virtual ~AdamW() = default;

  /// Adds Σ grad² through partial sums of 4096 elements, in order. A gradient that is not finite sets
  /// the fault `gradient_not_finite`. Error: tolerance::grad_norm.
  void grad_norm(const GradNorm& args);
  /// One step, computed in A, moments rounded to their dtype after use. If squared_sum is given and
  /// not finite, nothing is changed. Error: tolerance::adamw_step.
  void adamw_step(const AdamWStep& args);
  /// Bytes of scratch that grad_norm needs at these shapes.
  virtual std::size_t grad_norm_scratch(const GradNorm&) const { return 0; }

 protected:
  virtual void do_grad_norm(const GradNorm& args) = 0;
  virtual void do_adamw_step(const AdamWStep& args) = 0;
};

}  // namespace triptych

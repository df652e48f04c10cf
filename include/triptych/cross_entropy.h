/// \file
/// Softmax cross-entropy of the next token, and its gradient.
#pragma once

#include "triptych/tensor.h"

namespace triptych {

/// Arguments of CrossEntropy::cross_entropy. T tokens, V vocabulary.
struct CrossEntropyArgs {
  ConstTensor logits;   ///< [T,V] S or A
  ConstTensor targets;  ///< [T] i32; a negative one is left out
  double grad_scale = 1;  ///< multiplies the gradient: the loss's weight over the number of tokens
  Tensor loss_sum;      ///< [1] A, accumulated (+=): Σ_t loss_t in nats, in the order of t
  Tensor dlogits;       ///< [T,V] dtype of logits, overwritten; may alias logits; absent if not wanted
};

/// loss_t = log Σ_v e^{logits[t,v]} - logits[t,targets[t]].
class CrossEntropy {
 public:
  virtual ~CrossEntropy() = default;

  /// dlogits[t,v] = grad_scale · (softmax(logits[t,:])_v - 1[v = targets[t]]), zero where left out.
  /// A logit that is not finite sets the fault `logits_not_finite`, a target ≥ V the fault
  /// `token_out_of_range`; such a token adds nothing. Error: tolerance::cross_entropy.
  void cross_entropy(const CrossEntropyArgs& args);
  /// Bytes of scratch that cross_entropy needs at these shapes.
  virtual std::size_t cross_entropy_scratch(const CrossEntropyArgs&) const { return 0; }

 protected:
  virtual void do_cross_entropy(const CrossEntropyArgs& args) = 0;
};

}  // namespace triptych

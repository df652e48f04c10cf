/// \file
/// Root-mean-square normalisation.
#pragma once

#include "triptych/tensor.h"

namespace triptych {

/// Arguments of RmsNorm::rms_norm_forward. T rows of width D.
struct RmsNormForward {
  ConstTensor x;      ///< [T,D] S
  ConstTensor gamma;  ///< [D] A
  double epsilon = 1e-6;  ///< added to the mean square, > 0
  Tensor y;           ///< [T,D] S, overwritten; may be the same memory as x
};

/// Arguments of RmsNorm::rms_norm_backward.
struct RmsNormBackward {
  ConstTensor x;      ///< [T,D] S: the forward's input
  ConstTensor gamma;  ///< [D] A
  double epsilon = 1e-6;  ///< the forward's
  ConstTensor dy;     ///< [T,D] S
  Tensor dx;          ///< [T,D] S, overwritten; may be the same memory as dy
  Tensor dgamma;      ///< [D] A, accumulated (+=)
};

/// y[t,d] = x[t,d] · ρ_t · gamma[d],  ρ_t = 1 / √(mean_d x[t,d]² + ε).
/// Source: Zhang and Sennrich, "Root Mean Square Layer Normalization" (arXiv 1910.07467).
class RmsNorm {
 public:
  virtual ~RmsNorm() = default;

  /// y = x · ρ · gamma, computed in A, rounded once. Error: tolerance::rms_norm_forward.
  void rms_norm_forward(const RmsNormForward& args);
  /// With g = gamma · dy:  dx = ρ · (g - x · ρ² · mean_d(g · x)),  dgamma += Σ_t dy · x · ρ.
  /// ρ is computed again from x rather than kept. The sum over t goes through partial sums of
  /// token_chunk rows, added in order. Error: tolerance::rms_norm_backward.
  void rms_norm_backward(const RmsNormBackward& args);
  /// Bytes of scratch that rms_norm_backward needs at these shapes.
  virtual std::size_t rms_norm_backward_scratch(const RmsNormBackward&) const { return 0; }

 protected:
  virtual void do_rms_norm_forward(const RmsNormForward& args) = 0;
  virtual void do_rms_norm_backward(const RmsNormBackward& args) = 0;
};

}  // namespace triptych

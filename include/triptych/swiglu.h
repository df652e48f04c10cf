/// \file
/// SwiGLU with the row's routing weight folded in.
#pragma once

#include "triptych/tensor.h"

namespace triptych {

/// Arguments of Swiglu::swiglu_forward. R rows, F inner width; S storage dtype, A its accumulation
/// dtype (precision.h).
struct SwigluForward {
  ConstTensor gate_up;  ///< [R,2F] S: the gate in columns 0 … F-1, up in F … 2F-1.
  ConstTensor weight;   ///< [R] A: the row's routing weight; absent means 1.
  ConstTensor rows;     ///< [1] i32: how many rows are valid, read on the device; absent means R.
  Tensor act;           ///< [R,F] S, overwritten; may not overlap gate_up.
};

/// Arguments of Swiglu::swiglu_backward.
struct SwigluBackward {
  ConstTensor gate_up;  ///< [R,2F] S: the forward's input.
  ConstTensor weight;   ///< [R] A: the forward's; absent means 1.
  ConstTensor rows;     ///< [1] i32: number of valid rows; absent means R.
  ConstTensor dact;     ///< [R,F] S: gradient of act.
  Tensor dgate_up;      ///< [R,2F] S, overwritten; may be the same memory as gate_up.
  Tensor dweight;       ///< [R] A, overwritten; absent if not wanted.
  Tensor act;           ///< [R,F] S, overwritten with the forward's output (for the weight gradient
                        ///< of the down projection); absent if not wanted. May alias dact.
};

/// act[r,f] = weight[r] · silu(gate[r,f]) · up[r,f],  silu(z) = z / (1 + e^-z).
///
/// The routing weight is applied here and not at the combine: the down projection is linear, so the
/// combine becomes a plain sum, and the router's gradient is a dot product in this backward pass.
/// Source: Shazeer, "GLU Variants Improve Transformer" (arXiv 2002.05202), eq. 6.
class Swiglu {
 public:
  virtual ~Swiglu() = default;

  /// act = weight · silu(gate) · up.
  /// REQUIRES: shapes and dtypes as in SwigluForward. Rows past the valid ones are not touched.
  /// Error: tolerance::swiglu_forward.
  void swiglu_forward(const SwigluForward& args);

  /// With s = 1/(1 + e^-gate) and silu' = s · (1 + gate · (1 - s)):
  /// dgate = weight · dact · up · silu',  dup = weight · dact · silu(gate),
  /// dweight[r] = Σ_f dact[r,f] · silu(gate[r,f]) · up[r,f], summed in A in a fixed order.
  /// REQUIRES: shapes and dtypes as in SwigluBackward. Error: tolerance::swiglu_backward.
  void swiglu_backward(const SwigluBackward& args);

 protected:
  virtual void do_swiglu_forward(const SwigluForward& args) = 0;
  virtual void do_swiglu_backward(const SwigluBackward& args) = 0;
};

}  // namespace triptych

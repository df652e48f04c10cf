/// \file
/// SwiGLU's host side on a GPU: one launcher for both GPU tiers, whose kernels share names and
/// parameters.
#pragma once

#include "gpu/module.h"
#include "triptych/swiglu.h"

namespace triptych::gpu {

/// The kernels of one image of the stem `swiglu`, loaded. Arguments were checked by the contract.
class SwigluKernels {
 public:
  SwigluKernels(const Device& device, const Image& image);

  /// Enqueues act = weight · silu(gate) · up.
  void forward(const Stream& stream, const SwigluForward& args) const;
  /// Enqueues dgate_up, dweight and act.
  void backward(const Stream& stream, const SwigluBackward& args) const;

 private:
  using Forward = Function<const void*, const void*, const void*, void*, int, int>;
  using Backward =
      Function<const void*, const void*, const void*, const void*, void*, void*, void*, int, int>;

  Module module_;
  Forward forward_f32_, forward_bf16_;
  Backward backward_f32_, backward_bf16_;
};

}  // namespace triptych::gpu

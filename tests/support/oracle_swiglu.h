/// \file
/// The formulas of triptych/swiglu.h.
#pragma once

#include "support/oracle.h"

namespace triptych::testing::oracle {

inline Real sigmoid(Real z) { return 1 / (1 + std::exp(-z)); }

/// act[r,f] = weight[r] · silu(gate[r,f]) · up[r,f].
inline Expected swiglu_forward(const HostTensor& gate_up, const HostTensor& weight) {
  const std::int64_t r_count = gate_up.shape()[0], f = gate_up.shape()[1] / 2;
  Expected act(r_count * f);
  for (std::int64_t r = 0; r < r_count; ++r) {
    const Real w = weight.absent() ? 1 : weight[r];
    for (std::int64_t c = 0; c < f; ++c) {
      const Real g = gate_up[r * 2 * f + c], u = gate_up[r * 2 * f + f + c];
      act.add(r * f + c, w * (g * sigmoid(g)) * u);
    }
  }
  return act;
}

struct SwigluGradients {
  Expected dgate_up, dweight;
};

/// dgate = weight · dact · up · s · (1 + gate · (1 - s)),  dup = weight · dact · silu(gate),
/// dweight[r] = Σ_f dact · silu(gate) · up.
inline SwigluGradients swiglu_backward(const HostTensor& gate_up, const HostTensor& weight,
                                       const HostTensor& dact) {
  const std::int64_t r_count = gate_up.shape()[0], f = gate_up.shape()[1] / 2;
  SwigluGradients e{Expected(gate_up.count()), Expected(r_count, static_cast<double>(f))};
  for (std::int64_t r = 0; r < r_count; ++r) {
    const Real w = weight.absent() ? 1 : weight[r];
    for (std::int64_t c = 0; c < f; ++c) {
      const std::int64_t gate = r * 2 * f + c, up = gate + f;
      const Real g = gate_up[gate], u = gate_up[up], d = dact[r * f + c], s = sigmoid(g);
      const Real outer = w * d * u;
      e.dgate_up.add(gate, outer * s * (1 + g * (1 - s)),
                     std::fabs(outer) * s * (1 + std::fabs(g) * (1 + s)));
      e.dgate_up.add(up, w * d * (g * s));
      e.dweight.add(r, d * (g * s) * u);
    }
  }
  return e;
}

}  // namespace triptych::testing::oracle

/// \file
/// The formulas of triptych/adamw.h.
#pragma once

#include <algorithm>

#include "support/oracle.h"
#include "triptych/adamw.h"

namespace triptych::testing::oracle {

/// squared_sum += Σ grad².
inline Expected grad_norm(const HostTensor& grad, const HostTensor& squared_sum) {
  Expected e = starting_from(squared_sum, static_cast<double>(grad.count()));
  for (std::int64_t i = 0; i < grad.count(); ++i) e.add(0, static_cast<Real>(grad[i]) * grad[i]);
  return e;
}

/// The numbers of AdamWStep, and its tensors as they were before the step.
struct AdamWInputs {
  HostTensor grad, master, first, second, scalars, squared_sum;
  AdamWStep rule;  ///< clip, beta1, beta2, epsilon, weight_decay
};
struct AdamWOutputs {
  Expected master, first, second;
};

/// g = grad · min(1, clip / (√squared_sum + 1e-6));  m = β1·m + (1-β1)·g;  v = β2·v + (1-β2)·g²;
/// master -= lr · (m·c1 / (√(v·c2) + ε) + weight_decay · master), with the moments before rounding.
inline AdamWOutputs adamw_step(const AdamWInputs& in) {
  const std::int64_t n = in.grad.count();
  const AdamWStep& r = in.rule;
  AdamWOutputs e{Expected(n), Expected(n), Expected(n)};
  Real factor = 1;
  if (!in.squared_sum.absent()) {
    factor = std::min<Real>(1, r.clip / (std::sqrt(static_cast<Real>(in.squared_sum[0])) + 1e-6L));
  }
  const Real rate = in.scalars[0], c1 = in.scalars[1], c2 = in.scalars[2];
  for (std::int64_t i = 0; i < n; ++i) {
    const Real g = in.grad[i] * factor, master = in.master[i];
    e.first.add(i, static_cast<Real>(r.beta1) * in.first[i]);
    e.first.add(i, (1 - static_cast<Real>(r.beta1)) * g);
    e.second.add(i, static_cast<Real>(r.beta2) * in.second[i]);
    e.second.add(i, (1 - static_cast<Real>(r.beta2)) * g * g);
    const Real denominator = std::sqrt(e.second[i] * c2) + r.epsilon;
    e.master.add(i, master);
    e.master.add(i, -rate * e.first[i] * c1 / denominator, rate * e.first.size(i) * c1 / denominator);
    e.master.add(i, -rate * r.weight_decay * master);
  }
  return e;
}

}  // namespace triptych::testing::oracle

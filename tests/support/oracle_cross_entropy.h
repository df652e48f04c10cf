/// \file
/// The formulas of triptych/cross_entropy.h.
#pragma once

#include <algorithm>

#include "support/oracle.h"

namespace triptych::testing::oracle {

struct CrossEntropy {
  Expected loss_sum, dlogits;
};

/// loss_sum += Σ_t log Σ_v e^logits[t,v] - logits[t,target];
/// dlogits = grad_scale · (softmax - 1[v = target]). Targets below zero are left out.
inline CrossEntropy cross_entropy(const HostTensor& logits, const HostTensor& targets,
                                  double grad_scale, const HostTensor& loss_sum) {
  const std::int64_t t_count = logits.shape()[0], v = logits.shape()[1];
  double widest = 0;  // tolerance.h: exponentials feel |logit - max| roundings
  for (std::int64_t t = 0; t < t_count; ++t) {
    const auto [low, high] = std::minmax_element(logits.values().begin() + t * v,
                                                 logits.values().begin() + (t + 1) * v);
    widest = std::max(widest, *high - *low);
  }
  const double k = static_cast<double>(v) + (widest > 8 ? widest : 0);
  CrossEntropy e{starting_from(loss_sum, k + static_cast<double>(t_count)), Expected(logits.count(), k)};
  for (std::int64_t t = 0; t < t_count; ++t) {
    if (targets[t] < 0) continue;
    const std::int64_t target = t * v + static_cast<std::int64_t>(targets[t]);
    Real sum = 0;
    for (std::int64_t c = t * v; c < (t + 1) * v; ++c) sum += std::exp(static_cast<Real>(logits[c]));
    e.loss_sum.add(0, std::log(sum));
    e.loss_sum.add(0, -static_cast<Real>(logits[target]));
    for (std::int64_t c = t * v; c < (t + 1) * v; ++c) {
      e.dlogits.add(c, grad_scale * (std::exp(static_cast<Real>(logits[c])) / sum));
    }
    e.dlogits.add(target, -grad_scale);
  }
  return e;
}

}  // namespace triptych::testing::oracle

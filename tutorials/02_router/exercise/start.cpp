#include "route.h"

#include <cmath>

std::optional<Route> route(std::span<const double> logits, std::span<const double> bias,
                           const Rule& rule) {
  const int experts = static_cast<int>(logits.size());
  Route result;

  // 1. Scores, and biased scores.
  std::vector<double> s(logits.size()), c(logits.size());
  for (int e = 0; e < experts; ++e) {
    s[e] = 1 / (1 + std::exp(-logits[e]));
    c[e] = s[e] + bias[e];
  }

  // 2. Groups: which stay?

  // 3. Experts: the K largest c.
  result.experts.assign(rule.choices, 0);

  // 4. Gates.
  result.gates.assign(rule.choices, 0);

  return result;
}

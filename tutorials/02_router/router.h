/// \file
/// The router in plain loops, each of its steps a function, so that a step can be done wrongly.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "triptych/router.h"

namespace triptych::tutorial {

using Numbers = std::vector<double>;
using Experts = std::vector<int>;

constexpr double infinity = std::numeric_limits<double>::infinity();

inline int count_of(const Numbers& numbers) { return static_cast<int>(numbers.size()); }

/// s of every expert.
inline Numbers scores_of(const Numbers& logits) {
  Numbers s;
  for (const double logit : logits) s.push_back(1 / (1 + std::exp(-logit)));
  return s;
}

/// c = s + bias.
inline Numbers biased(const Numbers& s, const Numbers& bias) {
  Numbers c;
  for (int e = 0; e < count_of(s); ++e) c.push_back(s[e] + bias[e]);
  return c;
}

// [largest]
/// The places of the k largest numbers, the largest first.
inline Experts largest(Numbers c, int k,
                       std::function<bool(double, double)> beats = std::greater<>()) {
  Experts chosen;
  while (count_of(c) > 0 && k-- > 0) {
    int best = 0;
    for (int e = 1; e < count_of(c); ++e) {
      if (beats(c[e], c[best])) best = e;
    }
    chosen.push_back(best);
    c[best] = -infinity;  // taken
  }
  return chosen;
}
// [/largest]

/// What each group is worth.
inline Numbers group_scores(const Numbers& c, const RouterRule& rule) {
  const int size = count_of(c) / rule.groups;
  Numbers worth;
  for (int g = 0; g < rule.groups; ++g) {
    const Numbers members(c.begin() + g * size, c.begin() + (g + 1) * size);
    worth.push_back(0);
    for (const int e : largest(members, std::min(2, size))) worth[g] += members[e];
  }
  return worth;
}

/// c, with `mask` in place of the experts of all groups but the best.
inline Numbers within_groups(const Numbers& c, const RouterRule& rule, double mask = -infinity) {
  // [mask]
  Numbers masked(c.size(), mask);
  const int size = count_of(c) / rule.groups;
  for (const int g : largest(group_scores(c, rule), rule.groups_per_token)) {
    std::copy_n(c.begin() + g * size, size, masked.begin() + g * size);
  }
  // [/mask]
  return masked;
}

/// The weights of the chosen, from their scores.
inline Numbers gates_of(const Numbers& s, const Experts& chosen, const RouterRule& rule) {
  // [gates]
  double sum = 1e-20;  // scores may all be zero
  for (const int e : chosen) sum += s[e];
  Numbers gates;
  for (const int e : chosen) gates.push_back(rule.gate_scale * s[e] / sum);
  // [/gates]
  return gates;
}

/// The sequence-wise balance loss of T tokens, before α.
struct Balance {
  Numbers f, p;
  double loss = 0;
};
inline Balance balance_of(const std::vector<Numbers>& scores, int choices) {
  const double tokens = static_cast<double>(scores.size());
  const int experts = count_of(scores[0]);
  Balance b{Numbers(experts), Numbers(experts)};
  // [balance]
  for (const Numbers& s : scores) {
    for (const int e : largest(s, choices)) b.f[e] += experts / (choices * tokens);
    double sum = 0;
    for (const double score : s) sum += score;
    for (int e = 0; e < experts; ++e) b.p[e] += s[e] / sum / tokens;
  }
  for (int e = 0; e < experts; ++e) b.loss += b.f[e] * b.p[e];
  // [/balance]
  return b;
}

}  // namespace triptych::tutorial

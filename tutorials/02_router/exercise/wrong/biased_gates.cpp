// verdict: gates[0] is 1.26137, wanted 1.61584
// The gates come from the biased scores: the bias, which was to move the choice alone, is in the
// model's output.
#include <algorithm>
#include <cmath>
#include <limits>

#include "route.h"

namespace {

constexpr double nothing = -std::numeric_limits<double>::infinity();

/// The place of the first of the largest numbers.
int first_largest(std::span<const double> c) {
  return static_cast<int>(std::max_element(c.begin(), c.end()) - c.begin());
}

/// The sum of the two largest numbers, or the only one.
double worth(std::span<const double> c) {
  if (c.size() == 1) return c[0];
  std::vector<double> sorted(c.begin(), c.end());
  std::sort(sorted.rbegin(), sorted.rend());
  return sorted[0] + sorted[1];
}

}  // namespace

std::optional<Route> route(std::span<const double> logits, std::span<const double> bias,
                           const Rule& rule) {
  const int experts = static_cast<int>(logits.size()), size = experts / rule.groups;
  Route result;

  // 1. Scores, and biased scores.
  std::vector<double> s(logits.size()), c(logits.size());
  for (int e = 0; e < experts; ++e) {
    if (!std::isfinite(logits[e])) return {};
    s[e] = 1 / (1 + std::exp(-logits[e]));
    c[e] = s[e] + bias[e];
  }

  // 2. Groups: the best stay, and the experts of the others can no longer win.
  std::vector<double> groups, left(logits.size(), nothing);
  for (int g = 0; g < rule.groups; ++g) {
    groups.push_back(worth(std::span(c).subspan(g * size, size)));
  }
  for (int i = 0; i < rule.kept; ++i) {
    const int g = first_largest(groups);
    groups[g] = nothing;
    std::copy_n(c.begin() + g * size, size, left.begin() + g * size);
  }

  // 3. Experts: the K largest c.
  double sum = 1e-20;
  for (int k = 0; k < rule.choices; ++k) {
    const int e = first_largest(left);
    left[e] = nothing;
    result.experts.push_back(e);
    sum += c[e];
  }

  // 4. Gates.
  for (const int e : result.experts) result.gates.push_back(rule.scale * c[e] / sum);
  return result;
}

/// \file
/// What the exercise asks for.
#pragma once

#include <optional>
#include <span>
#include <vector>

/// How experts are chosen and weighted. E experts lie in `groups` equal groups, one after another.
struct Rule {
  int choices = 1;   ///< K: experts a token; there are as many in the groups that stay
  int groups = 1;    ///< G, divides E
  int kept = 1;      ///< how many groups stay
  double scale = 1;  ///< multiplies the gates
};

/// Where one token goes.
struct Route {
  std::vector<int> experts;   ///< [K]: distinct, the largest biased score first
  std::vector<double> gates;  ///< [K]: in the order of `experts`
};

/// Routes a token by its logits [E] and the balancing bias [E]:
///
///  1. s = sigmoid(logit), c = s + bias.
///  2. A group is worth the sum of its two largest c, or its only one. The `kept` best groups stay.
///  3. Of their experts, the K with the largest c are chosen.
///  4. gate = scale · s / (Σ of the chosen experts' s + 1e-20).
///
/// Of equals the one with the lower index is taken, groups and experts alike. Nothing comes back if
/// a logit is not finite.
std::optional<Route> route(std::span<const double> logits, std::span<const double> bias,
                           const Rule& rule);

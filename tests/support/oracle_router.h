/// \file
/// The formulas of triptych/router.h.
#pragma once

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "support/oracle.h"
#include "triptych/router.h"

namespace triptych::testing::oracle {

/// s = sigmoid(x · weightᵀ).
inline Expected router_scores(const HostTensor& x, const HostTensor& weight) {
  const std::int64_t t_count = x.shape()[0], d = x.shape()[1], e_count = weight.shape()[0];
  Expected s(t_count * e_count, static_cast<double>(d));
  for (std::int64_t t = 0; t < t_count; ++t) {
    for (std::int64_t e = 0; e < e_count; ++e) {
      Real logit = 0, size = 0;
      for (std::int64_t c = 0; c < d; ++c) {
        const Real term = static_cast<Real>(x[t * d + c]) * weight[e * d + c];
        logit += term;
        size += std::fabs(term);
      }
      const Real score = 1 / (1 + std::exp(-logit));
      s.set(t * e_count + e, score, std::max(score, size));
    }
  }
  return s;
}

/// Indices in the order of their values, the largest first; equal ones in their own order.
inline std::vector<std::int64_t> ranking(const std::vector<double>& values) {
  std::vector<std::int64_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return values[static_cast<std::size_t>(a)] > values[static_cast<std::size_t>(b)];
  });
  return order;
}

/// What a token chooses, and how close the decision was: the smallest distance between two values whose
/// order mattered.
struct Choice {
  std::vector<std::int64_t> experts;
  double margin = std::numeric_limits<double>::infinity();
};

/// Chooses from one token's biased scores c.
inline Choice router_choose(const std::vector<double>& c, const RouterRule& rule) {
  const std::size_t size = c.size() / static_cast<std::size_t>(rule.groups);
  const auto kept = static_cast<std::size_t>(rule.groups_per_token);
  const auto wanted = static_cast<std::size_t>(rule.experts_per_token);
  Choice choice;
  const auto between = [&](double a, double b) { choice.margin = std::min(choice.margin, std::fabs(a - b)); };
  std::vector<double> group_scores;
  for (std::size_t g = 0; g * size < c.size(); ++g) {
    std::vector<double> members(c.begin() + static_cast<std::ptrdiff_t>(g * size),
                                c.begin() + static_cast<std::ptrdiff_t>((g + 1) * size));
    std::sort(members.rbegin(), members.rend());
    group_scores.push_back(size == 1 ? members[0] : members[0] + members[1]);
  }
  const std::vector<std::int64_t> groups = ranking(group_scores);
  if (kept < groups.size()) {
    between(group_scores[static_cast<std::size_t>(groups[kept - 1])],
            group_scores[static_cast<std::size_t>(groups[kept])]);
  }
  // The other groups' experts are not there at all: no number that a bias could undercut stands for them.
  std::vector<std::int64_t> left;
  for (const std::int64_t e : ranking(c)) {
    if (std::find(groups.begin(), groups.begin() + static_cast<std::ptrdiff_t>(kept),
                  e / static_cast<std::int64_t>(size)) !=
        groups.begin() + static_cast<std::ptrdiff_t>(kept)) {
      left.push_back(e);
    }
  }
  for (std::size_t k = 0; k < wanted && k + 1 < left.size(); ++k) {
    between(c[static_cast<std::size_t>(left[k])], c[static_cast<std::size_t>(left[k + 1])]);
  }
  choice.experts.assign(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(wanted));
  return choice;
}

/// gate_k = gate_scale · s_k / (Σ_chosen s + 1e-20), or gate_scale · s_k; from the stored scores.
inline Expected router_gates(const HostTensor& scores, const HostTensor& experts,
                             const RouterRule& rule) {
  const std::int64_t t_count = scores.shape()[0], e_count = scores.shape()[1], k_count = experts.shape()[1];
  Expected gates(experts.count(), static_cast<double>(k_count));
  for (std::int64_t t = 0; t < t_count; ++t) {
    Real sum = 1e-20L;
    for (std::int64_t k = t * k_count; k < (t + 1) * k_count; ++k) {
      sum += scores[t * e_count + static_cast<std::int64_t>(experts[k])];
    }
    for (std::int64_t k = t * k_count; k < (t + 1) * k_count; ++k) {
      const Real s = scores[t * e_count + static_cast<std::int64_t>(experts[k])];
      gates.add(k, rule.gate_scale * (rule.normalize_gates ? s / sum : s));
    }
  }
  return gates;
}

struct Balance {
  Expected fraction, loss;
};

/// f_i = E/(K·S) · Σ_t 1[s_i,t is among the K largest of t];  loss += weight · Σ_sequences Σ_i f_i · P_i.
inline Balance router_balance(const HostTensor& scores, int k_count, std::int64_t sequence,
                              double weight, const HostTensor& loss) {
  const std::int64_t t_count = scores.shape()[0], e_count = scores.shape()[1];
  const std::int64_t sequences = t_count / sequence;
  Balance b{Expected(sequences * e_count), starting_from(loss, static_cast<double>(sequence + e_count + sequences))};
  std::vector<Real> mean(static_cast<std::size_t>(sequences * e_count));
  for (std::int64_t t = 0; t < t_count; ++t) {
    const std::vector<double> s(scores.values().begin() + t * e_count,
                                scores.values().begin() + (t + 1) * e_count);
    const std::vector<std::int64_t> order = ranking(s);
    for (int k = 0; k < k_count; ++k) {
      b.fraction.add(t / sequence * e_count + order[static_cast<std::size_t>(k)],
                     static_cast<Real>(e_count) / static_cast<Real>(k_count * sequence));
    }
    const Real sum = std::accumulate(s.begin(), s.end(), Real(0));
    for (std::int64_t e = 0; e < e_count; ++e) {
      mean[static_cast<std::size_t>(t / sequence * e_count + e)] +=
          s[static_cast<std::size_t>(e)] / sum / static_cast<Real>(sequence);
    }
  }
  for (std::int64_t i = 0; i < sequences * e_count; ++i) {
    b.loss.add(0, weight * b.fraction[i] * mean[static_cast<std::size_t>(i)]);
  }
  return b;
}

struct RouterGradients {
  Expected dx, dweight;
};

/// Through the gates and the balance loss to x and weight, the choice and f being constants; from the
/// stored scores, experts and fractions.
inline RouterGradients router_backward(const HostTensor& x, const HostTensor& weight,
                                       const RouterRule& rule, std::int64_t sequence,
                                       double balance_weight, const HostTensor& scores,
                                       const HostTensor& experts, const HostTensor& fraction,
                                       const HostTensor& dgates, const HostTensor& dweight) {
  const std::int64_t t_count = x.shape()[0], d = x.shape()[1], e_count = weight.shape()[0];
  const std::int64_t k_count = experts.shape()[1];
  RouterGradients out{Expected(x.count(), static_cast<double>(e_count + k_count)),
                      starting_from(dweight, static_cast<double>(t_count + e_count + k_count))};
  for (std::int64_t t = 0; t < t_count; ++t) {
    const auto score = [&](std::int64_t e) { return static_cast<Real>(scores[t * e_count + e]); };
    const auto chosen = [&](std::int64_t k) { return static_cast<std::int64_t>(experts[t * k_count + k]); };
    Expected ds(e_count);
    Real gate_sum = 1e-20L, all = 0;
    for (std::int64_t k = 0; k < k_count; ++k) gate_sum += score(chosen(k));
    for (std::int64_t e = 0; e < e_count; ++e) all += score(e);
    for (std::int64_t k = 0; k < k_count; ++k) {
      const Real dgate = dgates[t * k_count + k] * static_cast<Real>(rule.gate_scale);
      if (!rule.normalize_gates) {
        ds.add(chosen(k), dgate);
        continue;
      }
      // gate_k = scale · s_k / Σ: its own score raises it, every chosen score lowers it.
      ds.add(chosen(k), dgate / gate_sum);
      for (std::int64_t j = 0; j < k_count; ++j) {
        ds.add(chosen(j), -dgate * score(chosen(k)) / (gate_sum * gate_sum));
      }
    }
    for (std::int64_t i = 0; i < e_count; ++i) {
      // loss = weight · Σ_i f_i · mean_t s_i / Σ_j s_j.
      const Real f = fraction[t / sequence * e_count + i] * static_cast<Real>(balance_weight) /
                     static_cast<Real>(sequence);
      ds.add(i, f / all);
      for (std::int64_t j = 0; j < e_count; ++j) ds.add(j, -f * score(i) / (all * all));
    }
    for (std::int64_t e = 0; e < e_count; ++e) {
      const Real slope = score(e) * (1 - score(e));
      for (std::int64_t c = 0; c < d; ++c) {
        const Real w = weight[e * d + c], value = x[t * d + c];
        out.dx.add(t * d + c, ds[e] * slope * w, ds.size(e) * slope * std::fabs(w));
        out.dweight.add(e * d + c, ds[e] * slope * value, ds.size(e) * slope * std::fabs(value));
      }
    }
  }
  return out;
}

}  // namespace triptych::testing::oracle

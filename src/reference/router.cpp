// The router. A tile of tokens is a task: its logits and its dx are one small product each (gemm.h), and
// between them every token is on its own.
#include <algorithm>
#include <cmath>
#include <limits>

#include "reference/exponential.h"
#include "reference/first_index.h"
#include "reference/gemm.h"
#include "reference/numeric.h"
#include "reference/reference.h"

namespace triptych::reference {
namespace {

constexpr std::int64_t token_tile = 64;
constexpr std::int64_t column_slice = 64;

/// Writes the indices of the k largest of n values, the largest first. Of equal values the lower index
/// comes first, and the indices are distinct whatever the values are.
template <class A>
void largest(const A* values, std::int64_t n, int k, std::int32_t* chosen) {
  int count = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    // Value i belongs behind all that are not smaller.
    int at = count;
    while (at > 0 && values[i] > values[chosen[at - 1]]) --at;
    if (at == k) continue;
    count = std::min(count + 1, k);
    for (int j = count - 1; j > at; --j) chosen[j] = chosen[j - 1];
    chosen[at] = static_cast<std::int32_t>(i);
  }
}

/// A group's score: the sum of its two largest biased scores, or the only one.
template <class A>
A group_score(const A* c, std::int64_t size) {
  A first = -std::numeric_limits<A>::infinity(), second = first;
  for (std::int64_t i = 0; i < size; ++i) {
    if (c[i] > first) {
      second = first;
      first = c[i];
    } else if (c[i] > second) {
      second = c[i];
    }
  }
  return size > 1 ? first + second : first;
}

/// Rows of x as A: the memory itself, or a widened copy of columns begin … begin + count - 1.
template <class S, class A>
GemmOperand<A> rows_as(const S* x, std::int64_t d, std::int64_t rows, std::int64_t begin,
                       std::int64_t count, Workspace& work) {
  if constexpr (std::is_same_v<S, A>) {
    return {x + begin, d, 1};
  } else {
    A* copy = work.take<A>(rows * count);
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < count; ++c) copy[r * count + c] = load(x[r * d + begin + c]);
    }
    return {copy, count, 1};
  }
}

/// What the choice of one token's experts is worked out in.
template <class A>
struct Choice {
  A* c;                // [E] biased scores
  A* group;            // [G] groups' scores
  std::int32_t* kept;  // [G] the best groups
};

/// Masks with -∞ the experts of all groups but the best. (A mask of zero would beat an expert whose
/// biased score is negative.)
template <class A>
void mask_groups(const RouterRule& rule, std::int64_t group_size, const Choice<A>& choice) {
  for (int g = 0; g < rule.groups; ++g) {
    choice.group[g] = group_score(choice.c + g * group_size, group_size);
  }
  largest(choice.group, rule.groups, rule.groups_per_token, choice.kept);
  const std::int32_t* end = choice.kept + rule.groups_per_token;
  for (int g = 0; g < rule.groups; ++g) {
    if (std::find<const std::int32_t*>(choice.kept, end, g) != end) continue;
    std::fill_n(choice.c + g * group_size, group_size, -std::numeric_limits<A>::infinity());
  }
}

/// One token: its scores (in place of its logits), experts and gates; false for a fault.
template <class A>
bool route(const RouterRule& rule, std::int64_t e_count, const A* bias, const Choice<A>& choice, A* s,
           std::int32_t* chosen, A* gates) {
  const int k_count = rule.experts_per_token;
  // 2. s = sigmoid(logit); the biased score c takes part in the choice alone.
  A* c = choice.c;
  bool finite = true;
  for (std::int64_t e = 0; e < e_count; ++e) finite = finite && std::isfinite(s[e]) && std::isfinite(bias[e]);
  for (std::int64_t e = 0; e < e_count; e += lanes) {
    const Chunk<A> score = sigmoid<A>(load_chunk<A>(s, e, e_count));
    store_chunk(s, e, e_count, score);
    store_chunk<A, A>(c, e, e_count, score + load_chunk<A>(bias, e, e_count));
  }
  if (!finite) {
    std::fill_n(s, e_count, A(0));
    for (int k = 0; k < k_count; ++k) chosen[k] = k;
    std::fill_n(gates, k_count, A(0));
    return false;
  }
  // 3. The best groups stay, then the K best experts of those.
  if (rule.groups_per_token < rule.groups) {
    mask_groups(rule, e_count / rule.groups, choice);
  }
  largest(c, e_count, k_count, chosen);
  // 4. Gates, from the unbiased scores.
  A sum = 0;
  for (int k = 0; k < k_count; ++k) sum += s[chosen[k]];
  const A divisor = rule.normalize_gates ? sum + A(1e-20) : A(1);
  for (int k = 0; k < k_count; ++k) gates[k] = s[chosen[k]] / divisor * static_cast<A>(rule.gate_scale);
  return true;
}

/// f and Σ_i f_i · P_i of one sequence.
template <class A>
A balance_of(const A* scores, std::int64_t tokens, std::int64_t e_count, int k_count, A* f,
             Workspace& work) {
  A* p = work.take<A>(e_count);
  auto* best = work.take<std::int32_t>(k_count);
  std::fill_n(f, e_count, A(0));
  std::fill_n(p, e_count, A(0));
  for (std::int64_t t = 0; t < tokens; ++t) {
    const A* s = scores + t * e_count;
    largest(s, e_count, k_count, best);
    for (int k = 0; k < k_count; ++k) f[best[k]] += 1;
    A sum = 0;
    for (std::int64_t e = 0; e < e_count; ++e) sum += s[e];
    if (sum == A(0)) continue;  // a faulty token: all its scores are zero
    for (std::int64_t e = 0; e < e_count; ++e) p[e] += s[e] / sum;
  }
  A loss = 0;
  for (std::int64_t e = 0; e < e_count; ++e) {
    f[e] *= static_cast<A>(e_count) / static_cast<A>(k_count * tokens);
    loss += f[e] * (p[e] / static_cast<A>(tokens));
  }
  return loss;
}

/// One token's gradient by its logits.
template <class A>
void logit_gradient(const RouterBackward& a, std::int64_t t, A* dlogits) {
  const std::int64_t e_count = a.weight.shape[0];
  const int k_count = a.rule.experts_per_token;
  const A *s = a.scores.as<A>() + t * e_count, *dgate = a.dgates.as<A>() + t * k_count;
  const A* f = a.fraction.as<A>() + t / a.sequence * e_count;
  const std::int32_t* chosen = a.experts.as<std::int32_t>() + t * k_count;
  const A scale = static_cast<A>(a.rule.gate_scale);
  std::fill_n(dlogits, e_count, A(0));
  // 1. Through the gates, g_k = scale · s_k / Σ:  ds_k = scale / Σ · (dg_k - Σ_j dg_j · s_j / Σ).
  A sum = A(1e-20), inner = 0;
  for (int k = 0; k < k_count; ++k) sum += s[chosen[k]];
  for (int k = 0; k < k_count; ++k) inner += dgate[k] * (s[chosen[k]] / sum);
  for (int k = 0; k < k_count; ++k) {
    dlogits[chosen[k]] = a.rule.normalize_gates ? scale / sum * (dgate[k] - inner) : scale * dgate[k];
  }
  // 2. Through the balance loss, P_i = mean_t s_i / Σ_j s_j with f a constant:
  //    ds_i += weight / S · (f_i - Σ_j f_j · s_j / Σ) / Σ.
  const A balance = static_cast<A>(a.balance_weight / static_cast<double>(a.sequence));
  A total = 0, mean = 0;
  for (std::int64_t e = 0; e < e_count; ++e) total += s[e];
  if (total > 0) {
    for (std::int64_t e = 0; e < e_count; ++e) mean += f[e] * (s[e] / total);
    for (std::int64_t e = 0; e < e_count; ++e) dlogits[e] += balance * ((f[e] - mean) / total);
  }
  // 3. Through the sigmoid: dlogit = ds · s · (1 - s).
  for (std::int64_t e = 0; e < e_count; ++e) dlogits[e] *= s[e] * (A(1) - s[e]);
}

}  // namespace

void ReferenceTier::do_router_forward(const RouterForward& a) {
  with_storage(a.x.dtype, [&]<class S, class A>() {
    const std::int64_t t_count = a.x.shape[0], d = a.x.shape[1], e_count = a.weight.shape[0];
    const int k_count = a.rule.experts_per_token;
    const A *weight = a.weight.as<A>(), *bias = a.bias.as<A>();
    A *scores = a.scores.as<A>(), *gates = a.gates.as<A>();
    auto* experts = a.experts.as<std::int32_t>();
    FirstIndex faulty;
    pool_.run(tiles(t_count, token_tile), [&](std::int64_t task, int thread) {
      const std::int64_t begin = task * token_tile, rows = std::min(token_tile, t_count - begin);
      Workspace& work = workspace(thread);
      // 1. logits = x · weightᵀ in A.
      const GemmOperand<A> x = rows_as<S, A>(a.x.as<S>() + begin * d, d, rows, 0, d, work);
      A* packed = work.take<A>(gemm_workspace<A>(rows, e_count, d));
      const Choice<A> choice{work.take<A>(e_count), work.take<A>(a.rule.groups),
                             work.take<std::int32_t>(a.rule.groups)};
      gemm<A, A>(rows, e_count, d, x, {weight, d, 1}, scores + begin * e_count, e_count, false, packed);
      for (std::int64_t t = begin; t < begin + rows; ++t) {
        if (!route(a.rule, e_count, bias, choice, scores + t * e_count, experts + t * k_count,
                   gates + t * k_count)) {
          faulty.note(t);
        }
      }
    });
    if (faulty.any()) set_fault(Fault::router_not_finite, faulty.index());
    // 5. Load: tokens of each expert.
    auto* load_of = a.load.as<std::int32_t>();
    for (std::int64_t i = 0; i < t_count * k_count; ++i) ++load_of[experts[i]];
    // 6. Balance loss: f and Σ f · P of each sequence, added in the order of sequences.
    const std::int64_t sequences = t_count / a.sequence;
    A* losses = between_loops().take<A>(sequences);
    pool_.run(sequences, [&](std::int64_t b, int thread) {
      losses[b] = balance_of(scores + b * a.sequence * e_count, a.sequence, e_count, k_count,
                             a.fraction.as<A>() + b * e_count, workspace(thread));
    });
    A sum = 0;
    for (std::int64_t b = 0; b < sequences; ++b) sum += losses[b];
    a.balance_loss.as<A>()[0] += static_cast<A>(a.balance_weight) * sum;
  });
}

void ReferenceTier::do_router_backward(const RouterBackward& a) {
  with_storage(a.x.dtype, [&]<class S, class A>() {
    const std::int64_t t_count = a.x.shape[0], d = a.x.shape[1], e_count = a.weight.shape[0];
    const S* x = a.x.as<S>();
    const A* weight = a.weight.as<A>();
    A* dlogits = between_loops().take<A>(t_count * e_count);
    pool_.run(tiles(t_count, token_tile), [&](std::int64_t task, int thread) {
      const std::int64_t begin = task * token_tile, rows = std::min(token_tile, t_count - begin);
      for (std::int64_t t = begin; t < begin + rows; ++t) logit_gradient(a, t, dlogits + t * e_count);
      // 4. dx = dlogits · weight, rounded once.
      Workspace& work = workspace(thread);
      A* packed = work.take<A>(gemm_workspace<A>(rows, d, e_count));
      A* dx = work.take<A>(rows * d);
      gemm<A, A>(rows, d, e_count, {dlogits + begin * e_count, e_count, 1}, {weight, 1, d}, dx, d,
                 false, packed);
      S* to = a.dx.as<S>() + begin * d;
      for (std::int64_t i = 0; i < rows * d; ++i) to[i] = store<S>(dx[i]);
    });
    // 5. dweight += dlogitsᵀ · x: partial sums of token_chunk rows, added in order. A task owns some
    //    columns.
    pool_.run(tiles(d, column_slice), [&](std::int64_t task, int thread) {
      const std::int64_t c0 = task * column_slice, columns = std::min(column_slice, d - c0);
      for (std::int64_t begin = 0; begin < t_count; begin += token_chunk) {
        const std::int64_t rows = std::min(token_chunk, t_count - begin);
        Workspace& work = workspace(thread);
        const GemmOperand<A> tokens = rows_as<S, A>(x + begin * d, d, rows, c0, columns, work);
        A *part = work.take<A>(e_count * columns);
        A* packed = work.take<A>(gemm_workspace<A>(e_count, columns, rows));
        gemm<A, A>(e_count, columns, rows, {dlogits + begin * e_count, 1, e_count},
                   {tokens.data, 1, tokens.stride_i}, part, columns, false, packed);
        for (std::int64_t e = 0; e < e_count; ++e) {
          A* to = a.dweight.as<A>() + e * d + c0;
          for (std::int64_t c = 0; c < columns; ++c) to[c] += part[e * columns + c];
        }
      }
    });
  });
}

void ReferenceTier::do_router_update_bias(const RouterUpdateBias& a) {
  with_storage(a.bias.dtype, [&]<class S, class A>() {
    const std::int64_t e_count = a.load.count();
    const auto* load_of = a.load.as<std::int32_t>();
    S* bias = a.bias.as<S>();
    const S speed = a.speed.as<S>()[0];
    // 1. The mean load is compared as total against load · E: exact in integers.
    std::int64_t total = 0;
    for (std::int64_t e = 0; e < e_count; ++e) total += load_of[e];
    // 2. bias += speed · sign(mean - load).
    for (std::int64_t e = 0; e < e_count; ++e) {
      const std::int64_t own = load_of[e] * e_count;
      if (own < total) bias[e] = store<S>(load(bias[e]) + load(speed));
      if (own > total) bias[e] = store<S>(load(bias[e]) - load(speed));
    }
  });
}

}  // namespace triptych::reference

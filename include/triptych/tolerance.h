/// \file
/// The error bounds of the contract, each with its derivation: the one home of every tolerance.
///
/// A result `got` agrees with the oracle's `want` (computed in f64 from the same stored inputs) if
///
///     |got - want| ≤ storage · u_S · |want|  +  operand · u_S · M  +  (accumulation + depth · k) · u_A · M
///
/// u_S and u_A are the unit roundoffs of the storage and accumulation dtypes (2^-8 for bf16, 2^-24
/// for f32), k is the length of the sum, and M ≥ |want| the element's *magnitude*: the same formula
/// with every term replaced by its absolute value, which the oracle computes beside the result.
///
/// The terms are worst cases (Higham, "Accuracy and Stability of Numerical Algorithms", ch. 3): a sum
/// of k products errs by at most k·u·Σ|terms| in any order (γ_k to first order), and each rounding of
/// the result to S adds u_S·|want|. Second-order terms are covered by rounding every count up.
#pragma once

#include "triptych/dtype.h"

namespace triptych {

/// Coefficients of the bound above.
struct Bound {
  double storage = 0;       ///< roundings of the result to S
  double operand = 0;       ///< roundings of intermediates to S, felt in proportion to M
  double accumulation = 0;  ///< roundings in A, apart from the sum's length
  double depth = 0;         ///< roundings in A for each term of the sum

  /// The largest error allowed. `k` is the sum's length, `storage_type` S, `accumulate_type` A.
  constexpr double allowed(double want, double magnitude, double k, DType storage_type,
                           DType accumulate_type) const {
    const double value = want < 0 ? -want : want;
    const double us = unit_roundoff(storage_type), ua = unit_roundoff(accumulate_type);
    return storage * us * value + operand * us * magnitude +
           (accumulation + depth * k) * ua * magnitude;
  }
};

/// One constant an operation.
namespace tolerance {

/// A sum in A of k terms; the result stays in A: one rounding a term.
inline constexpr Bound embedding_backward{.accumulation = 1, .depth = 1};

/// Mean square: D products and sums (k = D), division, ε, root, division: 5, at half weight under the
/// root but felt twice (x·ρ·γ): (D + 5)/2 + 2 products, rounded up to D + 6; then once to S. M = |y|.
inline constexpr Bound rms_norm_forward{.storage = 1, .accumulation = 6, .depth = 1};
/// Two sums of D terms (ρ² and the mean of g·x), their product and the difference; dgamma's sum has
/// k = T terms on top of ρ's D: callers pass k = D + T for it.
inline constexpr Bound rms_norm_backward{.storage = 1, .accumulation = 12, .depth = 2};

/// Scores: k = N+P products with an error ε_s = (N+P+3)·u_A·M_s, which the exponential turns into a
/// relative error of the probability; a tier may round probabilities to S before they meet v
/// (operand 1); the sum over j ≤ S keys and the division add S + 3. Callers pass
/// k = S + (N+P)·M_s, M_s the largest magnitude of the row's scaled scores: e^ε ≈ 1 + ε, for the
/// numerator and the normaliser alike (depth 2). The rotation rounds q_P and k_P in A: 4.
inline constexpr Bound attention_forward{.storage = 1, .operand = 1, .accumulation = 10, .depth = 2};
/// As forward, felt in P, in dout·v (Vd terms) and in δ (Vd terms, out rounded to S), then summed over
/// S queries or keys: operand 3 (P, out in δ, dscore), depth 4.
inline constexpr Bound attention_backward{.storage = 1, .operand = 3, .accumulation = 24, .depth = 4};

/// Logit: D products in A (k = D); sigmoid has slope ≤ 1/4 and four roundings; the gate divides by a
/// sum of K and multiplies: K + 3. M = Σ_d |x·w| for scores; relative to the gate for gates.
inline constexpr Bound router_forward{.accumulation = 8, .depth = 1};
/// dgate → dscore: a sum of K and four products; dlogit: two more; the sum over experts or tokens has
/// k terms, and scores carry the forward's error.
inline constexpr Bound router_backward{.storage = 1, .accumulation = 24, .depth = 2};

/// k products in A (the inner dimension), one rounding of the result. FP8: codes multiply exactly in
/// f32 (4 × 4 significand bits); promotion adds one product and one sum each 128 of K: covered by
/// depth 1 (1 + 2/128) rounded up with the constant.
inline constexpr Bound grouped_gemm{.storage = 1, .accumulation = 8, .depth = 1.0 + 2.0 / 128};
/// Hopper's FP8 accumulation: an instruction aligns 32 products and the accumulator to the largest
/// exponent and truncates each at 13 fractional bits, then truncates the sum likewise: at most
/// (33 + 1)·2^-13 of the largest term, 4 times within a promotion block, of which M sees at most the
/// sum: 2^-13 · 34 · 4 relative to the block's M, felt as `accumulation` in units of u_A = 2^-24.
inline constexpr Bound grouped_gemm_hopper{.storage = 1, .accumulation = 136.0 * 2048, .depth = 1.1};

/// silu: exponential (2 ulp in the approximate units), sum, division (2 ulp), then two products: 8; one
/// rounding to S.
inline constexpr Bound swiglu_forward{.storage = 1, .accumulation = 8};
/// dgate has up to 8 further products and sums; dweight sums F terms (k = F).
inline constexpr Bound swiglu_backward{.storage = 1, .accumulation = 16, .depth = 1};

/// K sums in A and one partial rounding to S for each block: operand 1, then one final rounding.
inline constexpr Bound combine{.storage = 1, .operand = 1, .accumulation = 1, .depth = 1};

/// exp (2 ulp) and log of a sum of V terms (k = V), and the subtraction; the gradient's softmax the same.
/// Loss: M = Σ_t (|lse| + |logit|), callers pass k = V + T. Exponentials see (logit - max)'s rounding,
/// relative error |logit - max|·u_A: callers whose logits exceed 8 add it to k.
inline constexpr Bound cross_entropy{.storage = 1, .accumulation = 16, .depth = 1};

/// n squares summed through partials: depth 1 covers any order.
inline constexpr Bound grad_norm{.accumulation = 2, .depth = 1};
/// Moments: 3 roundings each; quotient, root, products, decay, difference: 16 relative to
/// M = |master| + lr·(|update| + decay·|master|); bf16 moments: their own storage roundings, judged on
/// the moments.
inline constexpr Bound adamw_step{.storage = 1, .accumulation = 24};

/// One sum in A, one rounding.
inline constexpr Bound add{.storage = 1, .accumulation = 1};

/// The layer: rounding points of bf16 are gate_up, act, expert output, partial, y: five, the first two
/// felt in proportion to the products' M; k = the longest sum. Judged relative to the row's magnitude.
inline constexpr Bound moe_layer{.storage = 1, .operand = 8, .accumulation = 32, .depth = 4};

}  // namespace tolerance
}  // namespace triptych

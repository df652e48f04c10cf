/// \file
/// The router: which experts see a token, with which weight, and how load stays balanced.
#pragma once

#include "triptych/tensor.h"

namespace triptych {

/// How experts are chosen and weighted.
struct RouterRule {
  int experts_per_token = 1;   ///< K
  int groups = 1;              ///< G: experts are cut in G equal groups (V3: one a node)
  int groups_per_token = 1;    ///< how many groups a token may reach
  bool normalize_gates = true; ///< divide a token's gates by their sum
  double gate_scale = 1;       ///< multiplies the gates (V3: 2.5)
};

/// Arguments of Router::router_forward. T tokens of width D in sequences of S, E experts.
struct RouterForward {
  ConstTensor x;       ///< [T,D] S
  ConstTensor weight;  ///< [E,D] A: the centroids
  ConstTensor bias;    ///< [E] A: the balancing bias, used for selection only
  RouterRule rule;     ///< how to choose
  std::int64_t sequence = 0;  ///< S: tokens of one sequence, for the balance loss; divides T
  double balance_weight = 0;  ///< factor of the balance loss (α over the number of sequences)
  Tensor scores;       ///< [T,E] A, overwritten: sigmoid(logits)
  Tensor experts;      ///< [T,K] i32, overwritten: the chosen, the highest biased score first
  Tensor gates;        ///< [T,K] A, overwritten
  Tensor load;         ///< [E] i32, accumulated (+=): tokens of each expert
  Tensor fraction;     ///< [T/S,E] A, overwritten: f of the balance loss
  Tensor balance_loss; ///< [1] A, accumulated (+=)
};

/// Arguments of Router::router_backward.
struct RouterBackward {
  ConstTensor x;         ///< [T,D] S
  ConstTensor weight;    ///< [E,D] A
  RouterRule rule;       ///< the forward's
  std::int64_t sequence = 0;  ///< the forward's
  double balance_weight = 0;  ///< the forward's
  ConstTensor scores;    ///< [T,E] A: the forward's
  ConstTensor experts;   ///< [T,K] i32: the forward's
  ConstTensor fraction;  ///< [T/S,E] A: the forward's
  ConstTensor dgates;    ///< [T,K] A
  Tensor dx;             ///< [T,D] S, overwritten
  Tensor dweight;        ///< [E,D] A, accumulated (+=)
};

/// Arguments of Router::router_update_bias.
struct RouterUpdateBias {
  ConstTensor load;   ///< [E] i32: tokens of each expert in the whole step
  Tensor bias;        ///< [E] A, updated
  ConstTensor speed;  ///< [1] A: γ, on the device so that a captured step can change it
};

/// Auxiliary-loss-free balanced, group-limited, top-K routing.
///
/// logits = x · weightᵀ in A;  s = sigmoid(logits);  c = s + bias.
/// A group's score is the sum of its two largest c (of one, if it has only one expert); the
/// `groups_per_token` best groups stay, all other experts are masked with -∞; the K largest c are
/// chosen. Every tie goes to the lower index. The gates come from the *unbiased* s:
/// gate_k = gate_scale · s_k / (Σ_chosen s + 1e-20), or gate_scale · s_k without normalising.
///
/// Source: DeepSeek-V3 report §2.1.2, eq. 12-20, and its released inference code, which ranks groups
/// by biased scores where the report's text speaks of affinity: the code is followed.
class Router {
 public:
  virtual ~Router() = default;

  /// Chooses. A token with a logit that is not finite sets the fault `router_not_finite`, and gets
  /// the experts 0 … K-1 with gates of zero.
  ///
  /// Balance loss, over each sequence: balance_weight · Σ_i f_i · P_i, with
  /// f_i = E/(K·S) · Σ_t 1[s_i,t is among the K largest s_t] (unbiased and without groups, as eq. 18
  /// prints it) and P_i = mean_t s_i,t / Σ_j s_j,t.
  ///
  /// REQUIRES: K ≤ groups_per_token · E/G; G divides E; sequence divides T.
  /// Error: tolerance::router_forward for scores and gates; `experts` are judged by the margin of c.
  void router_forward(const RouterForward& args);

  /// Gradient through the gates (the choice is a constant) and the balance loss (f is a constant),
  /// to x and weight, in A; dx rounded once; dweight through token_chunk partial sums, in order.
  /// Error: tolerance::router_backward.
  void router_backward(const RouterBackward& args);

  /// bias_i += speed · sign(mean load - load_i), sign(0) = 0. Exact but for the addition's rounding.
  void router_update_bias(const RouterUpdateBias& args);

  /// Bytes of scratch that router_backward needs at these shapes.
  virtual std::size_t router_backward_scratch(const RouterBackward&) const { return 0; }

 protected:
  virtual void do_router_forward(const RouterForward& args) = 0;
  virtual void do_router_backward(const RouterBackward& args) = 0;
  virtual void do_router_update_bias(const RouterUpdateBias& args) = 0;
};

}  // namespace triptych

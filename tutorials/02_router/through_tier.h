/// \file
/// The router of the reference tier, asked about logits of one's choice.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "router.h"
#include "triptych/tier.h"

namespace triptych::tutorial {

/// What the tier answers about T tokens.
struct TierAnswer {
  std::vector<std::int32_t> experts;  // [T,K]
  Numbers gates;                      // [T,K]
  double balance_loss = 0;            // with a weight of 1, all tokens being one sequence
  std::string fault;                  // empty: none
};

/// x is the unit matrix and the weights are the logits, turned: so each logit comes out as it went
/// in.
inline TierAnswer ask_tier(const std::vector<Numbers>& logits, const Numbers& bias,
                           const RouterRule& rule) {
  const auto t = static_cast<std::int64_t>(logits.size()),
             e = static_cast<std::int64_t>(bias.size());
  const std::int64_t k = rule.experts_per_token;
  const auto tier = make_tier({.name = "reference", .threads = 1});
  Arena arena(*tier, std::size_t{1} << 16);
  const auto numbers = [&](Shape shape) { return arena.take(DType::f64, shape); };
  const Tensor x = numbers({t, t}), weight = numbers({e, t}), b = numbers({e});
  const Tensor loss = numbers({1}), load = arena.take(DType::i32, {e});
  const Tensor experts = arena.take(DType::i32, {t, k}), gates = numbers({t, k});
  Numbers unit(static_cast<std::size_t>(t * t)), turned;
  for (std::size_t i = 0; i < unit.size(); i += logits.size() + 1) unit[i] = 1;
  for (std::size_t i = 0; i < bias.size(); ++i) {
    for (const Numbers& token : logits) turned.push_back(token[i]);
  }
  tier->upload(x, unit.data());
  tier->upload(weight, turned.data());
  tier->upload(b, bias.data());
  tier->zero(load);
  tier->zero(loss);
  tier->router_forward({.x = x,
                        .weight = weight,
                        .bias = b,
                        .rule = rule,
                        .sequence = t,
                        .balance_weight = 1,
                        .scores = numbers({t, e}),
                        .experts = experts,
                        .gates = gates,
                        .load = load,
                        .fraction = numbers({1, e}),
                        .balance_loss = loss});
  TierAnswer answer;
  answer.fault = tier->take_fault().str();
  answer.experts.resize(static_cast<std::size_t>(t * k));
  answer.gates.resize(answer.experts.size());
  tier->download(answer.experts.data(), experts);
  tier->download(answer.gates.data(), gates);
  tier->download(&answer.balance_loss, loss);
  return answer;
}

}  // namespace triptych::tutorial

// ctest: timeout=20 labels=sanitize
// What router_forward, router_backward and router_update_bias refuse.
#include "support/refusals.h"
#include "triptych/router.h"

namespace triptych::testing {
namespace {

// T = 6 in sequences of 3, D = 5, E = 8, K = 2.
using RouterRefusals = RefusalTest;
const RouterRule rule_of_two{.experts_per_token = 2, .groups = 4, .groups_per_token = 2};

TEST_F(RouterRefusals, Forward) {
  using Args = RouterForward;
  const Refusals r("router_forward",
                   Args{take(DType::bf16, {6, 5}), take(DType::f32, {8, 5}), take(DType::f32, {8}), rule_of_two, 3, 0,
                        take(DType::f32, {6, 8}), take(DType::i32, {6, 2}), take(DType::f32, {6, 2}),
                        take(DType::i32, {8}), take(DType::f32, {2, 8}), take(DType::f32, {1})},
                   [&](const Args& a) { tier().router_forward(a); });
  r.tensor(&Args::x, "x");
  r.tensor(&Args::weight, "weight");
  r.tensor(&Args::bias, "bias");
  r.tensor(&Args::scores, "scores");
  r.tensor(&Args::experts, "experts");
  r.tensor(&Args::gates, "gates");
  r.tensor(&Args::load, "load");
  r.tensor(&Args::fraction, "fraction");
  r.tensor(&Args::balance_loss, "balance_loss");
  r.when([](Args& a) { a.rule.experts_per_token = 0; }, {"0 experts a token of 8; wanted 1 … E"});
  r.when([](Args& a) { a.rule.groups = 3; }, {"3 groups do not divide 8 experts"});
  r.when([](Args& a) { a.rule.groups_per_token = 5; }, {"5 groups a token of 4; wanted 1 … G"});
  r.when([](Args& a) { a.rule.experts_per_token = 5; },
         {"5 experts a token do not fit in 2 groups of 2; keep more groups"});
  for (const std::int64_t sequence : {0, 4}) {
    r.when([&](Args& a) { a.sequence = sequence; }, {"do not divide 6 tokens"});
  }
}

TEST_F(RouterRefusals, Backward) {
  using Args = RouterBackward;
  const Refusals r("router_backward",
                   Args{take(DType::bf16, {6, 5}), take(DType::f32, {8, 5}), rule_of_two, 3, 0,
                        take(DType::f32, {6, 8}), take(DType::i32, {6, 2}), take(DType::f32, {2, 8}),
                        take(DType::f32, {6, 2}), take(DType::bf16, {6, 5}), take(DType::f32, {8, 5})},
                   [&](const Args& a) { tier().router_backward(a); });
  r.tensor(&Args::weight, "weight");
  r.tensor(&Args::scores, "scores");
  r.tensor(&Args::experts, "experts");
  r.tensor(&Args::fraction, "fraction");
  r.tensor(&Args::dgates, "dgates");
  r.tensor(&Args::dx, "dx");
  r.tensor(&Args::dweight, "dweight");
  r.overlap(&Args::dx, &Args::x, "dx overlaps x");
  r.when([](Args& a) { a.sequence = 4; }, {"sequences of 4 tokens do not divide 6 tokens"});
}

TEST_F(RouterRefusals, UpdateBias) {
  using Args = RouterUpdateBias;
  const Refusals r("router_update_bias",
                   Args{take(DType::i32, {8}), take(DType::f32, {8}), take(DType::f32, {1})},
                   [&](const Args& a) { tier().router_update_bias(a); });
  r.tensor(&Args::load, "load");
  r.tensor(&Args::bias, "bias");
  r.tensor(&Args::speed, "speed");
}

}  // namespace
}  // namespace triptych::testing

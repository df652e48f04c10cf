// The router of the layer: a product with few columns, then every token's choice. E is so small that
// reading x takes about as long as the product.
#include "bench/support.h"

namespace triptych::bench {
namespace {

/// FLOPs of one product of x with the centroids, or of its transposes.
double product_flops(const Sizes& n) { return 2.0 * static_cast<double>(n.tokens * n.width * n.experts); }

/// A forward, whose outputs the backward reads.
RouterForward forward_args(Case& c) {
  const Sizes& n = c.sizes;
  return {.x = c.read(c.s, {n.tokens, n.width}),
          .weight = c.read(c.a, {n.experts, n.width}, 0.03),
          .bias = c.read(c.a, {n.experts}, 0.01),
          .rule = {.experts_per_token = n.choices},
          .sequence = n.tokens,
          .balance_weight = 1e-4,
          .scores = c.written(c.a, {n.tokens, n.experts}),
          .experts = c.written(DType::i32, {n.tokens, n.choices}),
          .gates = c.written(c.a, {n.tokens, n.choices}),
          .load = c.uncounted(DType::i32, {n.experts}),
          .fraction = c.uncounted(c.a, {1, n.experts}),
          .balance_loss = c.uncounted(c.a, {1})};
}

void forward(Case& c) {
  const RouterForward args = forward_args(c);
  c.tier->zero(args.load);
  c.flops(product_flops(c.sizes));
  c.measure([&] { c.tier->router_forward(args); });
}

void backward(Case& c) {
  const RouterForward f = forward_args(c);
  c.tier->zero(f.load);
  c.tier->router_forward(f);
  const RouterBackward args{.x = f.x,
                            .weight = f.weight,
                            .rule = f.rule,
                            .sequence = f.sequence,
                            .balance_weight = f.balance_weight,
                            .scores = f.scores,
                            .experts = f.experts,
                            .fraction = f.fraction,
                            .dgates = c.read(c.a, {c.sizes.tokens, c.sizes.choices}),
                            .dx = c.written(c.s, {c.sizes.tokens, c.sizes.width}),
                            .dweight = c.updated(c.a, {c.sizes.experts, c.sizes.width})};
  c.flops(2 * product_flops(c.sizes));
  c.measure([&] { c.tier->router_backward(args); });
}

const bool registered = add("router_forward", forward) && add("router_backward", backward);

}  // namespace
}  // namespace triptych::bench

/// \file
/// The chapter's layer through the interface that the trainer uses.
#pragma once

#include "layer.h"
#include "triptych/tier.h"

namespace triptych::tutorial {

/// What the tier makes of a layer, and of the gradient of its output.
struct TierResult {
  Table y{tokens, width};
  Table drouter{experts, width};
};

/// Every tensor of one forward and backward.
struct TierTensors {
  MoeLayerSaved saved;
  MoeLayerScratch scratch;
  MoeLayerGradients gradients;
  Tensor x, dy, router, bias, gate_up, down, load, balance_loss, y, dx;
};

inline TierTensors take_tensors(Arena& arena, const MoeLayerShape& s) {
  const auto numbers = [&](Shape shape) { return arena.take(DType::f64, shape); };
  const Shape gate_up{s.experts, 2 * s.inner, s.width}, down{s.experts, s.width, s.inner};
  TierTensors t;
  t.saved = take_moe_layer_saved(arena, s);
  t.scratch = take_moe_layer_scratch(arena, s);
  t.gradients = {numbers({s.experts, s.width}), numbers(gate_up), numbers(down)};
  t.x = numbers({s.tokens, s.width}), t.dy = numbers({s.tokens, s.width});
  t.y = numbers({s.tokens, s.width}), t.dx = numbers({s.tokens, s.width});
  t.router = numbers({s.experts, s.width}), t.bias = numbers({s.experts});
  t.gate_up = numbers(gate_up), t.down = numbers(down);
  t.load = arena.take(DType::i32, {s.experts}), t.balance_loss = numbers({1});
  return t;
}

/// The layer forward and backward in f64.
inline TierResult through_tier(const Layer& layer, const Table& dy) {
  const auto tier = make_tier({.name = "reference", .threads = 1});
  const MoeLayerShape shape{.tokens = tokens,
                            .sequence = tokens,
                            .width = width,
                            .inner = inner,
                            .experts = experts,
                            .rule = {.experts_per_token = choices},
                            .precision = Precision::f64};
  Arena plan;  // counts what the second one allocates
  take_tensors(plan, shape);
  Arena arena(*tier, plan.used());
  const TierTensors t = take_tensors(arena, shape);
  tier->reserve_scratch(std::size_t{1} << 16);
  tier->upload(t.x, layer.x.values.data());
  tier->upload(t.dy, dy.values.data());
  tier->upload(t.router, layer.router.values.data());
  tier->upload(t.gate_up, layer.gate_up.values.data());
  tier->upload(t.down, layer.down.values.data());
  for (const Tensor& zeros : {t.bias, t.load, t.balance_loss, t.gradients.router,
                              t.gradients.gate_up, t.gradients.down}) {
    tier->zero(zeros);
  }
  const MoeLayerWeights weights{
      .router = t.router, .router_bias = t.bias, .gate_up = t.gate_up, .down = t.down};
  tier->moe_layer_forward({.shape = shape,
                           .x = t.x,
                           .weights = weights,
                           .saved = t.saved,
                           .scratch = t.scratch,
                           .load = t.load,
                           .balance_loss = t.balance_loss,
                           .y = t.y});
  tier->moe_layer_backward({.shape = shape,
                            .x = t.x,
                            .dy = t.dy,
                            .weights = weights,
                            .saved = t.saved,
                            .scratch = t.scratch,
                            .gradients = t.gradients,
                            .dx = t.dx});
  TierResult result;
  tier->download(result.y.values.data(), t.y);
  tier->download(result.drouter.values.data(), t.gradients.router);
  return result;
}

}  // namespace triptych::tutorial

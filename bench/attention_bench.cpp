// Causal attention: sequences of S, H heads of 64 + 32 columns (64 of a value). Compute-bound. FLOPs are
// those of the pairs j ≤ i. attention_cached is one new token at the end of a sequence.
#include <cmath>

#include "bench/support.h"

namespace triptych::bench {
namespace {

constexpr std::int64_t no_position = 64, rotary = 32, value = 64, latent = 256;
constexpr std::int64_t key = no_position + rotary;

/// Cosines and sines of some angles.
struct Angles {
  Tensor cos, sin;
};
Angles angles(Case& c) {
  const Shape shape{c.sizes.sequence, rotary / 2};
  const Angles table{c.read(c.a, shape), c.read(c.a, shape)};
  for (std::int64_t i = 0; i < shape.count(); ++i) {
    table.cos.as<float>()[i] = std::cos(static_cast<float>(i));
    table.sin.as<float>()[i] = std::sin(static_cast<float>(i));
  }
  return table;
}

AttentionForward forward_args(Case& c) {
  const std::int64_t s = c.sizes.sequence, h = c.sizes.heads, b = c.sizes.tokens / s;
  const Angles table = angles(c);
  return {.q = c.read(c.s, {b, s, h, key}),
          .kv = c.read(c.s, {b, s, h, no_position + value}),
          .k_rope = c.read(c.s, {b, s, rotary}),
          .cos = table.cos,
          .sin = table.sin,
          .scale = 1 / std::sqrt(static_cast<double>(key)),
          .out = c.written(c.s, {b, s, h, value}),
          .lse = c.written(c.a, {b, h, s})};
}

/// FLOPs of one product over all pairs j ≤ i, for each column of a key or value.
double pair_flops(const Sizes& n) {
  return 2.0 * static_cast<double>(n.tokens * n.heads * (n.sequence + 1) / 2);
}

void forward(Case& c) {
  const AttentionForward args = forward_args(c);
  c.flops(pair_flops(c.sizes) * (key + value));
  c.measure([&] { c.tier->attention_forward(args); });
}

void backward(Case& c) {
  const AttentionForward f = forward_args(c);
  c.tier->attention_forward(f);
  const AttentionBackward args{.q = f.q, .kv = f.kv, .k_rope = f.k_rope, .cos = f.cos, .sin = f.sin,
                               .scale = f.scale, .out = f.out, .lse = f.lse,
                               .dout = c.read(c.s, f.out.shape),
                               .dq = c.written(c.s, f.q.shape),
                               .dkv = c.written(c.s, f.kv.shape),
                               .dk_rope = c.written(c.s, f.k_rope.shape)};
  // Scores again, dP and dV; dQ and dK.
  c.flops(pair_flops(c.sizes) * (3 * key + 2 * value));
  c.measure([&] { c.tier->attention_backward(args); });
}

void cached(Case& c) {
  const std::int64_t s = c.sizes.sequence, h = c.sizes.heads;
  const Angles table = angles(c);
  const AttentionCached args{.q = c.read(c.s, {1, h, key}),
                             .latent = c.read(c.s, {s, latent}),
                             .k_rope = c.read(c.s, {s, rotary}),
                             .kv_weight = c.read(c.s, {h * (no_position + value), latent}, 0.06),
                             .cos = table.cos,
                             .sin = table.sin,
                             .scale = 1 / std::sqrt(static_cast<double>(key)),
                             .position = s - 1,
                             .out = c.written(c.s, {1, h, value})};
  // q · W_K and mean · W_V; scores and mean over the cache.
  c.flops(2.0 * static_cast<double>(h * ((no_position + value) * latent + s * (2 * latent + rotary))));
  c.measure([&] { c.tier->attention_cached(args); });
}

const bool registered = add("attention_forward", forward) && add("attention_backward", backward) &&
                        add("attention_cached", cached);

}  // namespace
}  // namespace triptych::bench

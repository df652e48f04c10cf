#include "model/block.h"

#include <fmt/format.h>

#include <algorithm>

namespace triptych {

BlockScratch take_block_scratch(Arena& arena, const BlockShape& s) {
  const DType store = s.store();
  const std::int64_t t = s.tokens(), heads = s.heads;
  const std::int64_t inner = std::max(s.dense_inner, s.shared_inner);
  BlockScratch scratch;
  for (Tensor* wide : {&scratch.normed, &scratch.dnormed, &scratch.dnormed2, &scratch.branch,
                       &scratch.dbranch}) {
    *wide = arena.take(store, {t, s.width});
  }
  for (Tensor* q : {&scratch.q, &scratch.dq}) *q = arena.take(store, {t, heads * (s.nope + s.rope)});
  for (Tensor* kv : {&scratch.kv, &scratch.dkv}) {
    *kv = arena.take(store, {t, heads * (s.nope + s.value)});
  }
  for (Tensor* out : {&scratch.attn, &scratch.dattn}) *out = arena.take(store, {t, heads * s.value});
  for (Tensor* key : {&scratch.k_rope, &scratch.dk_rope}) *key = arena.take(store, {t, s.rope});
  for (Tensor* latent : {&scratch.q_normed, &scratch.dq_latent, &scratch.q_latent}) {
    *latent = arena.take(store, {t, s.q_rank});
  }
  for (Tensor* latent : {&scratch.kv_normed, &scratch.dkv_latent, &scratch.kv_latent}) {
    *latent = arena.take(store, {t, s.kv_rank});
  }
  scratch.lse = arena.take(accumulation_dtype(s.precision), {s.batch, heads, s.sequence});
  scratch.kv_down = arena.take(store, {t, s.kv_rank + s.rope});
  scratch.gate_up = arena.take(store, {t, 2 * inner});
  scratch.act = arena.take(store, {t, inner});
  scratch.dact = arena.take(store, {t, inner});
  scratch.moe = take_moe_layer_scratch(arena, s.moe);
  if (s.precision == Precision::fp8) {
    const std::int64_t widest =
        std::max({2 * s.width, 2 * inner, heads * (s.nope + s.rope), heads * (s.nope + s.value),
                  heads * s.value, s.q_rank, s.kv_rank + s.rope});
    const std::int64_t wide = (widest + fp8_block - 1) / fp8_block * fp8_block;
    const std::int64_t padded = (t + fp8_block - 1) / fp8_block * fp8_block;
    scratch.codes = arena.take_quantized_rows(t, wide);
    scratch.columns = arena.take_quantized_columns(wide, padded);
    scratch.dcolumns = arena.take_quantized_columns(wide, padded);
  }
  return scratch;
}

Block::Block(Parameters& parameters, const BlockShape& s, int index, bool moe)
    : shape_(s), moe_(moe) {
  const std::string layer = fmt::format("model.layers.{}.", index);
  const auto linear = [&](const char* name, std::int64_t n, std::int64_t k) {
    return &parameters.add(layer + name, ParameterKind::linear, {1, n, k});
  };
  const auto norm = [&](const char* name, std::int64_t d) {
    return &parameters.add(layer + name, ParameterKind::vector, {d});
  };
  const std::int64_t q_width = s.heads * (s.nope + s.rope);
  attn_norm_ = norm("input_layernorm.weight", s.width);
  if (s.q_rank > 0) {
    q_down_ = linear("self_attn.q_a_proj.weight", s.q_rank, s.width);
    q_norm_ = norm("self_attn.q_a_layernorm.weight", s.q_rank);
    q_up_ = linear("self_attn.q_b_proj.weight", q_width, s.q_rank);
  } else {
    q_up_ = linear("self_attn.q_proj.weight", q_width, s.width);
  }
  kv_down_ = linear("self_attn.kv_a_proj_with_mqa.weight", s.kv_rank + s.rope, s.width);
  kv_norm_ = norm("self_attn.kv_a_layernorm.weight", s.kv_rank);
  Parameter* kv_up = linear("self_attn.kv_b_proj.weight", s.heads * (s.nope + s.value), s.kv_rank);
  kv_up->keep_copy = true;  // generation multiplies with it in latent space
  kv_up_ = kv_up;
  out_ = linear("self_attn.o_proj.weight", s.width, s.heads * s.value);
  ffn_norm_ = norm("post_attention_layernorm.weight", s.width);
  if (!moe) {
    gate_up_ = linear("mlp.gate_up_proj.weight", 2 * s.dense_inner, s.width);
    down_ = linear("mlp.down_proj.weight", s.width, s.dense_inner);
    return;
  }
  const std::int64_t e = s.moe.experts, f = s.moe.inner;
  router_ = &parameters.add(layer + "mlp.gate.weight", ParameterKind::router, {e, s.width});
  router_bias_ =
      &parameters.add(layer + "mlp.gate.e_score_correction_bias", ParameterKind::bias, {e});
  expert_gate_up_ = &parameters.add(layer + "mlp.experts.gate_up_proj", ParameterKind::linear,
                                    {e, 2 * f, s.width});
  expert_down_ =
      &parameters.add(layer + "mlp.experts.down_proj", ParameterKind::linear, {e, s.width, f});
  if (s.shared_inner > 0) {
    gate_up_ = linear("mlp.shared_experts.gate_up_proj.weight", 2 * s.shared_inner, s.width);
    down_ = linear("mlp.shared_experts.down_proj.weight", s.width, s.shared_inner);
  }
}

FeedForwardSaved Block::take_feed_forward(Arena& arena, const BlockShape& s) const {
  FeedForwardSaved saved;
  if (gate_up_ != nullptr) {
    const std::int64_t f2 = gate_up_->shape[1];
    if (s.precision == Precision::fp8 && f2 % fp8_block == 0) {
      saved.fp8_gate_up = arena.take_quantized_rows(s.tokens(), f2);
    } else {
      saved.gate_up = arena.take(s.store(), {s.tokens(), f2});
    }
  }
  if (moe_) saved.moe = take_moe_layer_saved(arena, s.moe);
  return saved;
}

void Block::take_saved(Arena& arena, const Tensor& load) {
  const BlockShape& s = shape_;
  const DType store = s.store();
  const std::int64_t t = s.tokens(), attn_width = s.heads * s.value;
  q_latent_ = arena.take(store, {t, s.q_rank});
  kv_latent_ = arena.take(store, {t, s.kv_rank});
  k_rope_ = arena.take(store, {t, s.rope});
  lse_ = arena.take(accumulation_dtype(s.precision), {s.batch, s.heads, s.sequence});
  if (s.precision == Precision::fp8) {
    fp8_attn_ = arena.take_quantized_rows(t, attn_width, DType::e5m6);
  } else {
    attn_ = arena.take(store, {t, attn_width});
  }
  middle_ = arena.take(store, {t, s.width});
  ffn_ = take_feed_forward(arena, s);
  ffn_.load = load;
}

MoeLayerWeights Block::moe_weights() const {
  MoeLayerWeights w;
  w.router = router_->master;
  w.router_bias = router_bias_->master;
  if (expert_gate_up_->quantized()) {
    w.fp8_gate_up = expert_gate_up_->fp8;
    w.fp8_down = expert_down_->fp8;
  } else {
    w.gate_up = expert_gate_up_->value();
    w.down = expert_down_->value();
  }
  return w;
}

/// q from the normed input, through the latent where there is one (which is kept in `latent`).
void Block::queries(const BlockContext& c, const ConstTensor& normed, const Tensor& latent) const {
  if (q_down_ == nullptr) {
    linear_forward(c, *q_up_, normed, c.scratch.q);
    return;
  }
  linear_forward(c, *q_down_, normed, latent);
  c.tier.rms_norm_forward({.x = latent, .gamma = q_norm_->master, .epsilon = latent_epsilon,
                           .y = c.scratch.q_normed});
  linear_forward(c, *q_up_, c.scratch.q_normed, c.scratch.q);
}

void Block::feed_forward(const BlockContext& c, const ConstTensor& middle,
                         const FeedForwardSaved& saved, const Tensor& out) const {
  const BlockScratch& tmp = c.scratch;
  c.tier.rms_norm_forward({.x = middle, .gamma = ffn_norm_->master, .epsilon = c.shape.epsilon,
                           .y = tmp.normed});
  if (!moe_) {
    dense_forward(c, *gate_up_, *down_, tmp.normed, saved, tmp.branch);
  } else {
    c.tier.moe_layer_forward({.shape = c.shape.moe, .x = tmp.normed, .weights = moe_weights(),
                              .balance_weight = c.balance_weight, .saved = saved.moe,
                              .scratch = tmp.moe, .load = saved.load,
                              .balance_loss = c.balance_loss, .y = tmp.branch});
    if (gate_up_ != nullptr) {
      dense_forward(c, *gate_up_, *down_, tmp.normed, saved, tmp.dbranch);
      c.tier.add({.a = tmp.branch, .b = tmp.dbranch, .out = tmp.branch});
    }
  }
  c.tier.add({.a = middle, .b = tmp.branch, .out = out});
}

void Block::forward(const BlockContext& c, const ConstTensor& x, const Tensor& out) {
  const BlockShape& s = c.shape;
  const BlockScratch& tmp = c.scratch;
  const Tensor attn = attn_.absent() ? tmp.attn : attn_;
  // 1. Norm, and the two low-rank down-projections, whose results are kept.
  c.tier.rms_norm_forward({.x = x, .gamma = attn_norm_->master, .epsilon = s.epsilon, .y = tmp.normed});
  queries(c, tmp.normed, q_latent_);
  linear_forward(c, *kv_down_, tmp.normed, tmp.kv_down);
  c.tier.split_columns({.whole = tmp.kv_down, .left = kv_latent_, .right = k_rope_});
  c.tier.rms_norm_forward({.x = kv_latent_, .gamma = kv_norm_->master, .epsilon = latent_epsilon,
                           .y = tmp.kv_normed});
  linear_forward(c, *kv_up_, tmp.kv_normed, tmp.kv);
  // 2. Attention over each sequence.
  c.tier.attention_forward({.q = tmp.q.reshape({s.batch, s.sequence, s.heads, s.nope + s.rope}),
                            .kv = tmp.kv.reshape({s.batch, s.sequence, s.heads, s.nope + s.value}),
                            .k_rope = k_rope_.reshape({s.batch, s.sequence, s.rope}),
                            .cos = c.cos, .sin = c.sin, .scale = s.scale,
                            .out = attn.reshape({s.batch, s.sequence, s.heads, s.value}),
                            .lse = lse_});
  if (!fp8_attn_.q.absent()) {
    c.tier.quantize_rows({.x = attn, .out = fp8_attn_, .rule = ScaleRule::power_of_two});
  }
  // 3. Output projection and residual.
  linear_forward(c, *out_, attn, tmp.branch);
  c.tier.add({.a = x, .b = tmp.branch, .out = middle_});
  // 4. Norm, feed-forward, residual.
  feed_forward(c, middle_, ffn_, out);
}

Block::Cache Block::take_cache(Arena& arena, const BlockShape& s, std::int64_t capacity) const {
  Cache cache;
  cache.latent = arena.take(s.store(), {capacity, s.kv_rank});
  cache.k_rope = arena.take(s.store(), {capacity, s.rope});
  cache.saved = take_feed_forward(arena, s);
  if (moe_) cache.saved.load = arena.take(DType::i32, {s.moe.experts});
  return cache;
}

void Block::forward_cached(const BlockContext& c, const Cache& cache, std::int64_t position,
                           const ConstTensor& x, const Tensor& out) const {
  const BlockShape& s = c.shape;
  const BlockScratch& tmp = c.scratch;
  const std::int64_t t = s.tokens();
  // 1. As in training, but the new latents and rotary keys go to the cache.
  c.tier.rms_norm_forward({.x = x, .gamma = attn_norm_->master, .epsilon = s.epsilon, .y = tmp.normed});
  queries(c, tmp.normed, tmp.q_latent);
  linear_forward(c, *kv_down_, tmp.normed, tmp.kv_down);
  c.tier.split_columns({.whole = tmp.kv_down, .left = tmp.kv_latent,
                        .right = cache.k_rope.rows(position, t)});
  c.tier.rms_norm_forward({.x = tmp.kv_latent, .gamma = kv_norm_->master, .epsilon = latent_epsilon,
                           .y = cache.latent.rows(position, t)});
  // 2. Attention in latent space: nothing of the past is up-projected.
  const ConstTensor up = kv_up_->value();
  c.tier.attention_cached({.q = tmp.q.reshape({t, s.heads, s.nope + s.rope}), .latent = cache.latent,
                           .k_rope = cache.k_rope, .kv_weight = up.reshape({up.shape[1], up.shape[2]}),
                           .cos = c.cos, .sin = c.sin, .scale = s.scale, .position = position,
                           .out = tmp.attn.reshape({t, s.heads, s.value})});
  // 3. Output projection and residual.
  linear_forward(c, *out_, tmp.attn, tmp.branch);
  c.tier.add({.a = x, .b = tmp.branch, .out = tmp.dnormed});
  // 4. Norm, feed-forward, residual.
  feed_forward(c, tmp.dnormed, cache.saved, out);
}

}  // namespace triptych

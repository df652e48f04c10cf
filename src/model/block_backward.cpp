// The block's backward pass: the forward's steps in reverse, with norms and up-projections computed
// again instead of kept (DeepSeek-V3 report §3.2.3).
#include "model/block.h"

namespace triptych {

/// dmiddle = dout + the gradient that comes back through the feed-forward branch.
void Block::feed_forward_backward(const BlockContext& c, const ConstTensor& dout,
                                  const Tensor& dmiddle) const {
  const BlockScratch& tmp = c.scratch;
  const double epsilon = c.shape.epsilon;
  c.tier.rms_norm_forward({.x = middle_, .gamma = ffn_norm_->master, .epsilon = epsilon,
                           .y = tmp.normed});
  if (!moe_) {
    dense_backward(c, *gate_up_, *down_, tmp.normed, ffn_, dout, tmp.dnormed);
  } else {
    c.tier.moe_layer_backward({.shape = c.shape.moe, .x = tmp.normed, .dy = dout,
                               .weights = moe_weights(), .balance_weight = c.balance_weight,
                               .saved = ffn_.moe, .scratch = tmp.moe,
                               .gradients = {.router = router_->grad,
                                             .gate_up = expert_gate_up_->grad,
                                             .down = expert_down_->grad},
                               .dx = tmp.dnormed});
    if (gate_up_ != nullptr) {
      dense_backward(c, *gate_up_, *down_, tmp.normed, ffn_, dout, tmp.dnormed2);
      c.tier.add({.a = tmp.dnormed, .b = tmp.dnormed2, .out = tmp.dnormed});
    }
  }
  c.tier.rms_norm_backward({.x = middle_, .gamma = ffn_norm_->master, .epsilon = epsilon,
                            .dy = tmp.dnormed, .dx = tmp.dnormed, .dgamma = ffn_norm_->grad});
  c.tier.add({.a = dout, .b = tmp.dnormed, .out = dmiddle});
}

/// dx = dmiddle + the gradient that comes back through the attention branch.
void Block::attention_backward(const BlockContext& c, const ConstTensor& x,
                               const ConstTensor& dmiddle, const Tensor& dx) const {
  const BlockShape& s = c.shape;
  const BlockScratch& tmp = c.scratch;
  const Tensor attn = attn_.absent() ? tmp.attn : attn_;
  if (attn_.absent()) c.tier.dequantize_rows({.in = fp8_attn_, .x = attn});
  // 3'. Output projection.
  linear_backward(c, *out_, attn, dmiddle, tmp.dattn, true);
  // The forward's operands again, from the kept latents.
  c.tier.rms_norm_forward({.x = x, .gamma = attn_norm_->master, .epsilon = s.epsilon, .y = tmp.normed});
  if (q_down_ != nullptr) {
    c.tier.rms_norm_forward({.x = q_latent_, .gamma = q_norm_->master, .epsilon = latent_epsilon,
                             .y = tmp.q_normed});
  }
  const ConstTensor q_input = q_down_ != nullptr ? tmp.q_normed : tmp.normed;
  linear_forward(c, *q_up_, q_input, tmp.q);
  c.tier.rms_norm_forward({.x = kv_latent_, .gamma = kv_norm_->master, .epsilon = latent_epsilon,
                           .y = tmp.kv_normed});
  linear_forward(c, *kv_up_, tmp.kv_normed, tmp.kv);
  // 2'. Attention.
  const Shape q_shape{s.batch, s.sequence, s.heads, s.nope + s.rope};
  const Shape kv_shape{s.batch, s.sequence, s.heads, s.nope + s.value};
  const Shape out_shape{s.batch, s.sequence, s.heads, s.value};
  const Shape rope_shape{s.batch, s.sequence, s.rope};
  c.tier.attention_backward({.q = tmp.q.reshape(q_shape), .kv = tmp.kv.reshape(kv_shape),
                             .k_rope = k_rope_.reshape(rope_shape), .cos = c.cos, .sin = c.sin,
                             .scale = s.scale, .out = attn.reshape(out_shape), .lse = lse_,
                             .dout = tmp.dattn.reshape(out_shape), .dq = tmp.dq.reshape(q_shape),
                             .dkv = tmp.dkv.reshape(kv_shape),
                             .dk_rope = tmp.dk_rope.reshape(rope_shape)});
  // 1'. Keys and values to the normed input …
  linear_backward(c, *kv_up_, tmp.kv_normed, tmp.dkv, tmp.dkv_latent);
  c.tier.rms_norm_backward({.x = kv_latent_, .gamma = kv_norm_->master, .epsilon = latent_epsilon,
                            .dy = tmp.dkv_latent, .dx = tmp.dkv_latent, .dgamma = kv_norm_->grad});
  c.tier.concat_columns({.left = tmp.dkv_latent, .right = tmp.dk_rope, .whole = tmp.kv_down});
  linear_backward(c, *kv_down_, tmp.normed, tmp.kv_down, tmp.dnormed);
  // … and queries.
  if (q_down_ != nullptr) {
    linear_backward(c, *q_up_, tmp.q_normed, tmp.dq, tmp.dq_latent);
    c.tier.rms_norm_backward({.x = q_latent_, .gamma = q_norm_->master, .epsilon = latent_epsilon,
                              .dy = tmp.dq_latent, .dx = tmp.dq_latent, .dgamma = q_norm_->grad});
    linear_backward(c, *q_down_, tmp.normed, tmp.dq_latent, tmp.dnormed2);
  } else {
    linear_backward(c, *q_up_, tmp.normed, tmp.dq, tmp.dnormed2);
  }
  c.tier.add({.a = tmp.dnormed, .b = tmp.dnormed2, .out = tmp.dnormed});
  c.tier.rms_norm_backward({.x = x, .gamma = attn_norm_->master, .epsilon = s.epsilon,
                            .dy = tmp.dnormed, .dx = tmp.dnormed, .dgamma = attn_norm_->grad});
  c.tier.add({.a = dmiddle, .b = tmp.dnormed, .out = dx});
}

void Block::backward(const BlockContext& c, const ConstTensor& x, const ConstTensor& dout,
                     const Tensor& dx) {
  feed_forward_backward(c, dout, c.scratch.branch);
  attention_backward(c, x, c.scratch.branch, dx);
}

}  // namespace triptych

/// \file
/// One transformer block: latent attention, then a dense or a Mixture-of-Experts feed-forward layer,
/// each behind a norm and beside a residual.
#pragma once

#include <memory>
#include <string>

#include "model/config.h"
#include "model/parameters.h"

namespace triptych {

/// ε of the norms of the two latents, whatever the config says of the others: so it is in DeepSeek's own
/// code and in transformers.
inline constexpr double latent_epsilon = 1e-6;

/// Extents and rules that all blocks of a model share.
struct BlockShape {
  std::int64_t batch = 1, sequence = 1;     ///< B, S
  std::int64_t width = 0;                   ///< D
  std::int64_t heads = 0, nope = 0, rope = 0, value = 0;  ///< H, N, P, Vd
  std::int64_t q_rank = 0, kv_rank = 0;     ///< widths of the latents; q_rank 0: none
  double epsilon = 1e-6;                    ///< of the norms, the latents' apart
  double scale = 1;                         ///< of the attention scores
  Precision precision = Precision::f32;     ///< the policy
  ScaleRule scale_rule = ScaleRule::exact;  ///< fp8
  Fp8Accumulation accumulation = Fp8Accumulation::promoted;  ///< fp8
  double balance_alpha = 0;                 ///< α of the balance loss
  std::int64_t dense_inner = 0;             ///< F of a dense layer
  std::int64_t shared_inner = 0;            ///< F of the shared experts together; 0: none
  MoeLayerShape moe;                        ///< of the routed experts

  std::int64_t tokens() const { return batch * sequence; }
  DType store() const { return storage_dtype(precision); }
};

/// Memory whose contents die with a block's pass, shared by all blocks. Widths are the widest that
/// any block needs.
struct BlockScratch {
  Tensor normed, dnormed, dnormed2;                   ///< [T,D] S
  Tensor branch, dbranch;                             ///< [T,D] S: what a branch adds, its gradient
  Tensor q, dq, kv, dkv, dk_rope, attn, dattn;        ///< attention's operands, S
  Tensor q_normed, dq_latent, kv_normed, dkv_latent;  ///< normalised latents and gradients, S
  Tensor q_latent, kv_latent, k_rope, lse;            ///< for generation, which keeps nothing
  Tensor kv_down;                                     ///< [T,C+P] S, or its gradient
  Tensor gate_up, act, dact;                          ///< a dense layer's, S
  MoeLayerScratch moe;                                ///< the routed experts'
  QuantizedRows codes;                                ///< fp8: of a linear layer's operand
  QuantizedColumns columns, dcolumns;                 ///< fp8: its transposed operands
};

/// Takes the scratch of a model's blocks.
BlockScratch take_block_scratch(Arena& arena, const BlockShape& shape);

/// What a pass works with, besides the activations.
struct BlockContext {
  Tier& tier;
  const BlockShape& shape;
  const BlockScratch& scratch;
  ConstTensor cos, sin;      ///< rotary tables
  double balance_weight = 0; ///< α over the number of sequences of the step
  Tensor balance_loss;       ///< [1] A, accumulated
};

/// A linear layer y = x · Wᵀ under the policy: in FP8 where the parameter has codes.
void linear_forward(const BlockContext& context, const Parameter& w, const ConstTensor& x,
                    const Tensor& y);
/// dx = dy · W (absent: not wanted) and grad += dyᵀ · x. In FP8, x is transposed from its codes, as
/// the recipe caches it, or, with `exact_x`, from its values.
void linear_backward(const BlockContext& context, const Parameter& w, const ConstTensor& x,
                     const ConstTensor& dy, const Tensor& dx, bool exact_x = false);

/// What a feed-forward layer keeps for its backward.
struct FeedForwardSaved {
  Tensor gate_up;             ///< [T,2F] S of the dense or shared layer; under fp8 absent
  QuantizedRows fp8_gate_up;  ///< fp8: its codes
  MoeLayerSaved moe;          ///< of the routed experts
  Tensor load;                ///< [E] i32: tokens of each expert, accumulated
};

/// y = W_down · swiglu(W_gate_up · x): a dense layer, or the shared experts.
void dense_forward(const BlockContext& context, const Parameter& gate_up, const Parameter& down,
                   const ConstTensor& x, const FeedForwardSaved& saved, const Tensor& y);
/// Its backward: dx = …, gradients +=.
void dense_backward(const BlockContext& context, const Parameter& gate_up, const Parameter& down,
                    const ConstTensor& x, const FeedForwardSaved& saved, const ConstTensor& dy,
                    const Tensor& dx);

/// One block. It declares its parameters, takes what it keeps for the backward, and runs both ways.
class Block {
 public:
  /// Declares the parameters `model.layers.<index>.…`. A moe block has routed (and shared) experts.
  Block(Parameters& parameters, const BlockShape& shape, int index, bool moe);

  /// Takes what the forward keeps for the backward; `load` ([E] i32) counts the experts' tokens.
  void take_saved(Arena& arena, const Tensor& load);
  /// out = x + branches; x must stay as it is until the backward.
  void forward(const BlockContext& context, const ConstTensor& x, const Tensor& out);
  /// dx from dout, and all parameters' gradients (+=). dx may be the same memory as dout.
  void backward(const BlockContext& context, const ConstTensor& x, const ConstTensor& dout,
                const Tensor& dx);

  /// A sequence's past, for generation.
  struct Cache {
    Tensor latent;           ///< [capacity,C] S: normalised latents
    Tensor k_rope;           ///< [capacity,P] S: rotary keys, not rotated
    FeedForwardSaved saved;  ///< what the feed-forward layer writes and nobody reads
  };
  /// Takes a cache; `shape` is of the new tokens of one call.
  Cache take_cache(Arena& arena, const BlockShape& shape, std::int64_t capacity) const;
  /// Forward of the new tokens at `position` …, whose past is in the cache; appends their own.
  void forward_cached(const BlockContext& context, const Cache& cache, std::int64_t position,
                      const ConstTensor& x, const Tensor& out) const;

  bool moe() const { return moe_; }
  const Parameter& router_bias() const { return *router_bias_; }

 private:
  FeedForwardSaved take_feed_forward(Arena& arena, const BlockShape& shape) const;
  void queries(const BlockContext& c, const ConstTensor& normed, const Tensor& latent) const;
  void feed_forward(const BlockContext& c, const ConstTensor& middle, const FeedForwardSaved& saved,
                    const Tensor& out) const;
  void feed_forward_backward(const BlockContext& c, const ConstTensor& dout,
                             const Tensor& dmiddle) const;
  void attention_backward(const BlockContext& c, const ConstTensor& x, const ConstTensor& dmiddle,
                          const Tensor& dx) const;
  MoeLayerWeights moe_weights() const;

  BlockShape shape_;
  bool moe_;
  const Parameter *attn_norm_, *ffn_norm_, *q_down_ = nullptr, *q_norm_ = nullptr, *q_up_;
  const Parameter *kv_down_, *kv_norm_, *kv_up_, *out_;
  const Parameter *gate_up_ = nullptr, *down_ = nullptr;  // of the dense layer or the shared experts
  const Parameter *router_ = nullptr, *router_bias_ = nullptr;
  const Parameter *expert_gate_up_ = nullptr, *expert_down_ = nullptr;
  // Kept for the backward; what is cheap (norms, up-projections) is computed again.
  Tensor q_latent_, kv_latent_, k_rope_, lse_, attn_, middle_;
  QuantizedRows fp8_attn_;
  FeedForwardSaved ffn_;
};

}  // namespace triptych

/// \file
/// Causal multi-head attention with decoupled rotary positions, as DeepSeek's multi-head latent
/// attention (MLA) uses it: in training on up-projected keys and values, in generation on the
/// cached latents.
#pragma once

#include "triptych/tensor.h"

namespace triptych {

/// Arguments of Attention::attention_forward. B sequences of S tokens, H heads; N the width of a
/// query's and key's part without position, P of the rotary part (even), Vd of a value.
struct AttentionForward {
  ConstTensor q;       ///< [B,S,H,N+P] S: the rotary part last, not yet rotated
  ConstTensor kv;      ///< [B,S,H,N+Vd] S: each head's key without position, then its value
  ConstTensor k_rope;  ///< [B,S,P] S: the rotary key, shared by the heads, not yet rotated
  ConstTensor cos;     ///< [≥S,P/2] A: cosine of position · frequency (times YaRN's factor, if any)
  ConstTensor sin;     ///< [≥S,P/2] A
  double scale = 1;    ///< multiplies the scores; 1/√(N+P) unless YaRN changes it
  Tensor out;          ///< [B,S,H,Vd] S, overwritten
  Tensor lse;          ///< [B,H,S] A, overwritten: log Σ exp of each query's scaled scores
};

/// Arguments of Attention::attention_backward.
struct AttentionBackward {
  ConstTensor q;       ///< [B,S,H,N+P] S
  ConstTensor kv;      ///< [B,S,H,N+Vd] S
  ConstTensor k_rope;  ///< [B,S,P] S
  ConstTensor cos;     ///< [≥S,P/2] A
  ConstTensor sin;     ///< [≥S,P/2] A
  double scale = 1;    ///< the forward's
  ConstTensor out;     ///< [B,S,H,Vd] S: the forward's output
  ConstTensor lse;     ///< [B,H,S] A: the forward's
  ConstTensor dout;    ///< [B,S,H,Vd] S
  Tensor dq;           ///< [B,S,H,N+P] S, overwritten
  Tensor dkv;          ///< [B,S,H,N+Vd] S, overwritten
  Tensor dk_rope;      ///< [B,S,P] S, overwritten
};

/// Arguments of Attention::attention_cached: T new tokens of one sequence at positions
/// `position` … `position`+T-1, whose latents are in the cache already. C is the latents' width.
struct AttentionCached {
  ConstTensor q;            ///< [T,H,N+P] S: not yet rotated
  ConstTensor latent;       ///< [≥position+T,C] S: normalised latents of the whole sequence
  ConstTensor k_rope;       ///< [≥position+T,P] S: the rotary keys, not yet rotated
  ConstTensor kv_weight;    ///< [H·(N+Vd),C] S: the up-projection that kv would come from
  ConstTensor cos;          ///< [≥position+T,P/2] A
  ConstTensor sin;          ///< [≥position+T,P/2] A
  double scale = 1;         ///< multiplies the scores
  std::int64_t position = 0;  ///< tokens before the first new one
  Tensor out;               ///< [T,H,Vd] S, overwritten
};

/// score[h,i,j] = scale · (q_N[i,h] · k_N[j,h] + rope_i(q_P[i,h]) · rope_j(k_P[j])),  j ≤ i;
/// out[i,h] = Σ_j softmax_j(score[h,i,:]) · v[j,h].
///
/// rope_i rotates each pair (z[2m], z[2m+1]) by the angle of row i of cos and sin: "interleaved",
/// as the released DeepSeek-V3 weights expect.
/// Source: DeepSeek-V3 report (arXiv 2412.19437) §2.1.1, eq. 1-11; RoPE: arXiv 2104.09864.
class Attention {
 public:
  virtual ~Attention() = default;

  /// Scores, softmax and sums in A, out rounded once. Probabilities may be rounded to S before they
  /// meet v (docs/rounding.md). No B·H·S·S array is stored. Error: tolerance::attention_forward.
  void attention_forward(const AttentionForward& args);
  /// Probabilities are computed again from lse. With δ[i,h] = Σ dout · out and
  /// dscore = softmax · (dout · v - δ):  dq, dk and dv are the products' transposes, rotated back
  /// where they were rotated; dk_rope sums over the heads in their order.
  /// Error: tolerance::attention_backward.
  void attention_backward(const AttentionBackward& args);
  /// The same function of the same sequence, for queries at the end of it, computed in latent
  /// space: score = scale · ((q_N[i,h] · W_K,h) · latent[j] + …), out = (Σ_j p_j latent[j]) · W_V,hᵀ,
  /// so that nothing is up-projected for the tokens of the past.
  /// Error: tolerance::attention_forward against the definition above.
  void attention_cached(const AttentionCached& args);
  /// Bytes of scratch that attention_backward needs at these shapes.
  virtual std::size_t attention_backward_scratch(const AttentionBackward&) const { return 0; }
  /// Bytes of scratch that attention_cached needs at these shapes.
  virtual std::size_t attention_cached_scratch(const AttentionCached&) const { return 0; }

 protected:
  virtual void do_attention_forward(const AttentionForward& args) = 0;
  virtual void do_attention_backward(const AttentionBackward& args) = 0;
  virtual void do_attention_cached(const AttentionCached& args) = 0;
};

}  // namespace triptych

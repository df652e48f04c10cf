/// \file
/// The DeepSeek-V3 language model: forward and backward, composed of a tier's operations.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/block.h"
#include "model/config.h"
#include "model/parameters.h"
#include "triptych/tier.h"

namespace triptych {

/// How a model computes and what it is built for.
struct ModelOptions {
  Precision precision = Precision::f32;
  std::int64_t batch = 1;      ///< B: sequences of one micro-batch
  std::int64_t sequence = 64;  ///< S: tokens of each
  bool training = true;        ///< false: no gradients, no moments, no backward
  bool bf16_moments = false;   ///< optimizer moments in bf16
  ScaleRule scale_rule = ScaleRule::exact;                   ///< fp8
  Fp8Accumulation accumulation = Fp8Accumulation::promoted;  ///< fp8
  double balance_alpha = 1e-4; ///< α of the sequence-wise balance loss
  double mtp_weight = 0.3;     ///< λ of the multi-token-prediction loss
};

/// One micro-batch in the tier's memory.
struct Batch {
  ConstTensor tokens;       ///< [B·S] i32
  ConstTensor targets;      ///< [B·S] i32: the next token
  ConstTensor mtp_targets;  ///< [B·S] i32: the one after; negative: none
  std::int64_t mtp_count = 0;  ///< how many of mtp_targets are not negative
};

/// Sums of a step, as read back from the device.
struct StepSums {
  double loss = 0;     ///< Σ over micro-batches of Σ_t loss_t, in nats
  double mtp_loss = 0; ///< the same of the second-next token
  double balance = 0;  ///< Σ of weighted balance losses, all layers
};

/// Parameters, activations and the passes over them. All memory is taken when it is built; a step
/// allocates nothing and waits for nothing but read_sums() and take_fault().
///
/// h⁰ = Emb(t); block l: m = h + Attn(RMSNorm(h)), h' = m + FFN(RMSNorm(m)); logits = W_head ·
/// RMSNorm(h^L). FFN is a SwiGLU layer in the first first_k_dense_replace blocks, then the routed
/// experts plus the shared ones. MTP (depth 1): h' = W_eh · [RMSNorm(Emb(t_{i+1})); RMSNorm(h_i)]
/// with h_i after the final norm, one block, its own norm, the shared head: the order and the state
/// of the published weights, where the report's eq. 21 prints the concatenation the other way round.
/// Source: DeepSeek-V3 report §2.
class Model {
 public:
  /// Throws Error (usage) for a config or options that make no sense, Error (environment) if the
  /// memory is not there.
  Model(Tier& tier, const ModelConfig& config, const ModelOptions& options);

  /// Bytes that the constructor allocates, computed by the same code without allocating.
  static std::size_t planned_bytes(const ModelConfig& config, const ModelOptions& options);

  const ModelConfig& config() const { return config_; }
  const ModelOptions& options() const { return options_; }
  Parameters& parameters() { return parameters_; }
  const Parameters& parameters() const { return parameters_; }
  Tier& tier() const { return *tier_; }
  /// Extents and rules of the blocks; of `tokens` tokens of one sequence instead, for generation.
  const BlockShape& shape() const { return shape_; }
  BlockShape shape_for(std::int64_t tokens) const;

  /// Zeroes gradients, loads and sums.
  void begin_step();
  /// Forward and backward of one micro-batch. `weight` is 1 over the number of micro-batches:
  /// gradients are of weight · (mean loss + λ · mean MTP loss + balance loss).
  void forward_backward(const Batch& batch, double weight);
  /// Forward alone, adding to the sums. logits() and mtp_logits() hold the result until the next pass.
  void forward(const Batch& batch);
  /// [B·S,V] A: of the last forward().
  ConstTensor logits() const { return logits_; }
  /// [B·S,V] A: of the last forward(), if the config has an MTP module.
  ConstTensor mtp_logits() const { return mtp_logits_; }

  /// Waits, and reads the sums since begin_step().
  StepSums read_sums();
  /// Tokens of each expert since begin_step(): one [E] i32 tensor for each MoE layer in order, the
  /// MTP module's last.
  const std::vector<Tensor>& loads() const { return loads_; }
  /// The balancing biases, in the order of loads().
  const std::vector<Tensor>& router_biases() const { return biases_; }
  /// Names of the MoE layers, in the order of loads(): "layer 1", …, "mtp".
  const std::vector<std::string>& moe_names() const { return moe_names_; }

  /// The blocks, embedding, final norm and head: for generation from cached latents.
  const std::vector<std::unique_ptr<Block>>& blocks() const { return blocks_; }
  const Parameter& embedding() const { return *embedding_; }
  const Parameter& final_norm() const { return *final_norm_; }
  const Parameter& head() const { return *head_; }

 private:
  Model(Tier* tier, const ModelConfig& config, const ModelOptions& options);
  BlockShape block_shape() const;
  void declare();
  void take(Arena& arena);
  void upload_tables();
  BlockContext context(double balance_weight);
  void pass(const Batch& batch, double weight, bool backward);
  void output(const ConstTensor& stream, const Parameter& norm, const Tensor& normed,
              const Tensor& logits);
  void output_backward(const ConstTensor& stream, const Parameter& norm, const ConstTensor& normed,
                       const Tensor& logits, const ConstTensor& dnormed_too, const Tensor& dstream);
  void mtp_forward(const BlockContext& c, const Batch& batch);
  void mtp_backward(const BlockContext& c, const Batch& batch);
  void embed(const ConstTensor& tokens, const Tensor& out);

  Tier* tier_;  // nullptr while a plan is measured
  ModelConfig config_;
  ModelOptions options_;
  BlockShape shape_;
  Parameters parameters_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::unique_ptr<Block> mtp_block_;
  Parameter *embedding_ = nullptr, *final_norm_ = nullptr, *head_ = nullptr;
  Parameter *enorm_ = nullptr, *hnorm_ = nullptr, *eh_proj_ = nullptr, *mtp_norm_ = nullptr;
  std::vector<std::string> moe_names_;

  std::unique_ptr<Arena> arena_;
  std::vector<Tensor> hidden_;  // [T,D] S: the residual stream before each block and after the last
  std::vector<Tensor> loads_, biases_;
  Tensor load_all_;             // [layers,E] i32: what loads_ are rows of
  Tensor sums_;                 // [3] A: loss, MTP loss, balance loss
  Tensor cos_, sin_;            // [S,P/2] A
  Tensor logits_, mtp_logits_;  // [T,V] A; after a backward their gradients
  Tensor dlogits_;              // [T,V] S: the gradient as the head's products read it
  Tensor normed_;               // [T,D] S: after the final norm: what the head and MTP read
  Tensor dstream_, dnormed_;    // [T,D] S: gradients
  Tensor mtp_embedded_, mtp_pair_, mtp_dpair_;         // [T,D], [T,2D], [T,2D] S
  Tensor mtp_left_, mtp_right_;                        // [T,D] S: the two normed halves, or gradients
  Tensor mtp_in_, mtp_out_, mtp_normed_, mtp_dstream_; // [T,D] S
  BlockScratch scratch_;
};

}  // namespace triptych

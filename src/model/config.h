/// \file
/// The model's configuration: transformers' DeepseekV3Config, field by field.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace triptych {

/// YaRN (arXiv 2309.00071): how rotary positions stretch to a longer context.
struct YarnConfig {
  double factor = 1;  ///< > 1: longer by this much
  std::int64_t original_max_position_embeddings = 4096;
  double beta_fast = 32;      ///< rotations above which a pair is left alone
  double beta_slow = 1;       ///< rotations below which it is interpolated
  double mscale = 0;          ///< 0: not given
  double mscale_all_dim = 0;  ///< 0: not given
  bool operator==(const YarnConfig&) const = default;
};

/// Names and meanings as in transformers' DeepseekV3Config.
struct ModelConfig {
  std::int64_t vocab_size = 256;              ///< V
  std::int64_t hidden_size = 128;             ///< D
  std::int64_t intermediate_size = 256;       ///< F of the dense layers
  std::int64_t moe_intermediate_size = 128;   ///< F of an expert
  std::int64_t num_hidden_layers = 2;         ///< blocks, the MTP module's not counted
  std::int64_t num_nextn_predict_layers = 1;  ///< MTP modules: 0 or 1
  std::int64_t num_attention_heads = 2;       ///< H
  std::int64_t n_shared_experts = 1;          ///< shared experts, run as one dense layer; may be 0
  std::int64_t n_routed_experts = 8;          ///< E
  double routed_scaling_factor = 2.5;         ///< multiplies the gates
  std::int64_t kv_lora_rank = 96;             ///< C
  std::int64_t q_lora_rank = 128;             ///< width of the queries' latent; 0: none
  std::int64_t qk_rope_head_dim = 32;         ///< P
  std::int64_t v_head_dim = 64;               ///< Vd
  std::int64_t qk_nope_head_dim = 32;         ///< N
  std::int64_t n_group = 4;                   ///< G
  std::int64_t topk_group = 2;                ///< groups a token may reach
  std::int64_t num_experts_per_tok = 2;       ///< K
  std::int64_t first_k_dense_replace = 1;     ///< leading dense layers
  bool norm_topk_prob = true;                 ///< gates divided by their sum
  std::int64_t max_position_embeddings = 64;  ///< longest sequence
  double initializer_range = 0.02;            ///< standard deviation of a fresh matrix
  double rms_norm_eps = 1e-6;                 ///< ε of the norms over D (of the latents': 1e-6)
  double rope_theta = 10000;                  ///< base of the rotary frequencies
  std::optional<YarnConfig> rope_scaling;     ///< YaRN, if any

  bool operator==(const ModelConfig&) const = default;
};

/// Every width, count and relation between them. Throws Error (usage), one line that names `where`,
/// the field, its value and the remedy.
void validate(const ModelConfig& config, const std::string& where);

/// "nano", "tiny" or "mini"; throws Error (usage) for any other name.
ModelConfig preset_config(const std::string& name);

/// Reads a config.json's text, as transformers 4 and 5 write it or config_json does, and validates
/// it.
///
/// Every field of ModelConfig must be there but num_nextn_predict_layers and q_lora_rank (0 where
/// they are absent or null) and rope_scaling; rope_theta and rope_scaling may also stand in
/// transformers 5's rope_parameters. Fields that have one implemented value (hidden_act "silu", …)
/// or follow from others (num_key_value_heads, …) must have it; fields that do not change the
/// model's function are passed over; any other field is an error, and so is one that stands there
/// twice. docs/files.md lists them. Throws Error (usage), one line that names `where`, the field,
/// its value and the remedy.
ModelConfig parse_config(const std::string& text, const std::string& where);

/// The text of a config.json that transformers 4 and 5 load as DeepseekV3ForCausalLM. parse_config
/// gives the same ModelConfig back.
std::string config_json(const ModelConfig& config);

/// How many parameters a model has: balancing biases counted, embedding and head too.
struct ParameterCount {
  std::int64_t total = 0;   ///< all, the MTP module's included
  std::int64_t active = 0;  ///< those that one token's forward uses, without MTP
};
/// REQUIRES: a config that validate() passes.
ParameterCount parameter_count(const ModelConfig& config);

}  // namespace triptych

/// \file
/// The fields of ModelConfig as a table, for the code that checks, reads and writes all of them.
#pragma once

#include <array>

#include "model/config.h"

namespace triptych {

/// A whole number and the least value that it may have; the most is config_limit.
struct IntegerField {
  const char* name;
  std::int64_t ModelConfig::*member;
  std::int64_t least;
};

/// No count or width is larger: products of a few of them stay far below 2^63.
inline constexpr std::int64_t config_limit = std::int64_t{1} << 24;

inline constexpr std::array integer_fields{
    IntegerField{"vocab_size", &ModelConfig::vocab_size, 1},
    IntegerField{"hidden_size", &ModelConfig::hidden_size, 1},
    IntegerField{"intermediate_size", &ModelConfig::intermediate_size, 1},
    IntegerField{"moe_intermediate_size", &ModelConfig::moe_intermediate_size, 1},
    IntegerField{"num_hidden_layers", &ModelConfig::num_hidden_layers, 1},
    IntegerField{"num_nextn_predict_layers", &ModelConfig::num_nextn_predict_layers, 0},
    IntegerField{"num_attention_heads", &ModelConfig::num_attention_heads, 1},
    IntegerField{"n_shared_experts", &ModelConfig::n_shared_experts, 0},
    IntegerField{"n_routed_experts", &ModelConfig::n_routed_experts, 1},
    IntegerField{"kv_lora_rank", &ModelConfig::kv_lora_rank, 1},
    IntegerField{"q_lora_rank", &ModelConfig::q_lora_rank, 0},
    IntegerField{"qk_rope_head_dim", &ModelConfig::qk_rope_head_dim, 2},
    IntegerField{"v_head_dim", &ModelConfig::v_head_dim, 1},
    IntegerField{"qk_nope_head_dim", &ModelConfig::qk_nope_head_dim, 1},
    IntegerField{"n_group", &ModelConfig::n_group, 1},
    IntegerField{"topk_group", &ModelConfig::topk_group, 1},
    IntegerField{"num_experts_per_tok", &ModelConfig::num_experts_per_tok, 1},
    IntegerField{"first_k_dense_replace", &ModelConfig::first_k_dense_replace, 0},
    IntegerField{"max_position_embeddings", &ModelConfig::max_position_embeddings, 1}};

/// A positive, finite number.
struct RealField {
  const char* name;
  double ModelConfig::*member;
};

inline constexpr std::array real_fields{
    RealField{"routed_scaling_factor", &ModelConfig::routed_scaling_factor},
    RealField{"initializer_range", &ModelConfig::initializer_range},
    RealField{"rms_norm_eps", &ModelConfig::rms_norm_eps},
    RealField{"rope_theta", &ModelConfig::rope_theta}};

/// A number of YaRN.
struct YarnField {
  const char* name;
  double YarnConfig::*member;
};

inline constexpr std::array yarn_fields{
    YarnField{"factor", &YarnConfig::factor}, YarnField{"beta_fast", &YarnConfig::beta_fast},
    YarnField{"beta_slow", &YarnConfig::beta_slow}, YarnField{"mscale", &YarnConfig::mscale},
    YarnField{"mscale_all_dim", &YarnConfig::mscale_all_dim}};

}  // namespace triptych

#include "model/config.h"

#include <fmt/format.h>

#include <cmath>

#include "model/config_fields.h"
#include "triptych/error.h"

namespace triptych {
namespace {

/// A model of more parameters than this is refused (DeepSeek-V3 has 2^39.3).
constexpr double parameter_limit = 0x1p44;

Error field_error(const std::string& where, const char* field, const std::string& rest) {
  return usage_error(fmt::format("{}: {} {}", where, field, rest));
}

/// Counts in `Number`: std::int64_t, or double where the sum may be too large for it.
template <class Number>
struct Count {
  Number total, active;

  explicit Count(const ModelConfig& c) {
    const auto n = [](std::int64_t value) { return static_cast<Number>(value); };
    const Number d = n(c.hidden_size), heads = n(c.num_attention_heads);
    const Number q_width = heads * n(c.qk_nope_head_dim + c.qk_rope_head_dim);
    const Number q = c.q_lora_rank > 0 ? n(c.q_lora_rank) * (d + 1 + q_width) : d * q_width;
    const Number kv = d * n(c.kv_lora_rank + c.qk_rope_head_dim) + n(c.kv_lora_rank) +
                      n(c.kv_lora_rank) * heads * n(c.qk_nope_head_dim + c.v_head_dim);
    const Number attention = q + kv + heads * n(c.v_head_dim) * d + 2 * d;  // and the two norms
    const Number dense = 3 * d * n(c.intermediate_size);
    const Number expert = 3 * d * n(c.moe_intermediate_size);
    const Number around = n(c.n_shared_experts) * expert + n(c.n_routed_experts) * (d + 1);
    const Number moe = n(c.n_routed_experts) * expert + around;
    const Number moe_active = n(c.num_experts_per_tok) * expert + around;
    const Number dense_layers = n(c.first_k_dense_replace);
    const Number moe_layers = n(c.num_hidden_layers) - dense_layers;
    const Number common =
        2 * n(c.vocab_size) * d + d + n(c.num_hidden_layers) * attention + dense_layers * dense;
    // The MTP layer comes after num_hidden_layers >= first_k_dense_replace others: it has experts.
    const Number mtp = n(c.num_nextn_predict_layers) * (2 * d * d + 3 * d + attention + moe);
    total = common + moe_layers * moe + mtp;
    active = common + moe_layers * moe_active;
  }
};

void check_ranges(const ModelConfig& c, const std::string& where) {
  for (const IntegerField& f : integer_fields) {
    const std::int64_t value = c.*f.member;
    if (value < f.least || value > config_limit) {
      throw field_error(where, f.name,
                        fmt::format("is {}, wanted {} to {}", value, f.least, config_limit));
    }
  }
  for (const RealField& f : real_fields) {
    const double value = c.*f.member;
    if (!(value > 0) || !std::isfinite(value)) {
      throw field_error(where, f.name, fmt::format("is {}, wanted a positive number", value));
    }
  }
}

void check_yarn(const YarnConfig& y, const ModelConfig& c, const std::string& where) {
  const auto relation = [&](bool holds, const char* field, const std::string& rest) {
    if (!holds) throw field_error(where, field, rest);
  };
  relation(y.factor >= 1 && std::isfinite(y.factor), "rope_scaling.factor",
           fmt::format("is {}, wanted 1 or more", y.factor));
  relation(
      y.original_max_position_embeddings >= 1 && y.original_max_position_embeddings <= config_limit,
      "rope_scaling.original_max_position_embeddings",
      fmt::format("is {}, wanted 1 to {}", y.original_max_position_embeddings, config_limit));
  relation(y.beta_slow > 0 && y.beta_fast >= y.beta_slow && std::isfinite(y.beta_fast),
           "rope_scaling.beta_fast",
           fmt::format("is {} beside beta_slow = {}, wanted beta_fast >= beta_slow > 0",
                       y.beta_fast, y.beta_slow));
  relation(y.mscale >= 0 && y.mscale_all_dim >= 0 && std::isfinite(y.mscale + y.mscale_all_dim),
           "rope_scaling.mscale",
           fmt::format("is {} beside mscale_all_dim = {}, wanted both finite and 0 or more",
                       y.mscale, y.mscale_all_dim));
  relation(c.rope_theta > 1, "rope_theta",
           fmt::format("is {}, and YaRN needs a base above 1", c.rope_theta));
}

}  // namespace

void validate(const ModelConfig& c, const std::string& where) {
  check_ranges(c, where);
  const auto relation = [&](bool holds, const char* field, const std::string& rest) {
    if (!holds) throw field_error(where, field, rest);
  };
  relation(c.num_nextn_predict_layers <= 1, "num_nextn_predict_layers",
           fmt::format("is {}, only 0 and 1 are implemented", c.num_nextn_predict_layers));
  relation(c.qk_rope_head_dim % 2 == 0, "qk_rope_head_dim",
           fmt::format("is {}, wanted an even number: rotations need pairs", c.qk_rope_head_dim));
  relation(c.n_routed_experts % c.n_group == 0, "n_group",
           fmt::format("is {}, which does not divide n_routed_experts = {}; choose a divisor",
                       c.n_group, c.n_routed_experts));
  const std::int64_t in_group = c.n_routed_experts / c.n_group;
  relation(c.topk_group <= c.n_group, "topk_group",
           fmt::format("is {}, more than n_group = {}; lower it", c.topk_group, c.n_group));
  relation(c.num_experts_per_tok <= c.topk_group * in_group, "num_experts_per_tok",
           fmt::format("is {}, more than the {} experts of topk_group = {} groups; lower it, or "
                       "raise topk_group",
                       c.num_experts_per_tok, c.topk_group * in_group, c.topk_group));
  relation(c.first_k_dense_replace <= c.num_hidden_layers, "first_k_dense_replace",
           fmt::format("is {}, more than num_hidden_layers = {}; lower it", c.first_k_dense_replace,
                       c.num_hidden_layers));
  if (c.rope_scaling) check_yarn(*c.rope_scaling, c, where);
  const double parameters = Count<double>(c).total;
  if (parameters > parameter_limit) {
    throw usage_error(
        fmt::format("{}: the model has {:.3g} parameters, more than the {:.3g} that "
                    "are taken; lower its widths",
                    where, parameters, parameter_limit));
  }
}

ModelConfig preset_config(const std::string& name) {
  ModelConfig c;  // nano: a step on a software device in seconds
  if (name == "nano") return c;
  c.v_head_dim = 64;
  c.qk_nope_head_dim = 64;
  if (name == "tiny") {  // the main job: minutes on two cores
    c.num_hidden_layers = 4;
    c.hidden_size = c.moe_intermediate_size = 256;
    c.intermediate_size = 768;
    c.n_routed_experts = 16;
    c.num_experts_per_tok = 4;
    c.num_attention_heads = 4;
    c.max_position_embeddings = 128;
    return c;
  }
  if (name == "mini") {  // one GPU
    c.num_hidden_layers = 12;
    c.hidden_size = 1024;
    c.moe_intermediate_size = 512;
    c.intermediate_size = 3072;
    c.n_routed_experts = 64;
    c.num_experts_per_tok = 6;
    c.n_group = 8;
    c.topk_group = 4;
    c.num_attention_heads = 16;
    c.q_lora_rank = 512;
    c.kv_lora_rank = 256;
    c.qk_rope_head_dim = 64;
    c.max_position_embeddings = 1024;
    return c;
  }
  throw usage_error(
      fmt::format("preset: none is called '{}'; there are nano, tiny and mini", name));
}

ParameterCount parameter_count(const ModelConfig& c) {
  const Count<std::int64_t> count(c);
  return {count.total, count.active};
}

}  // namespace triptych

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "model/config.h"
#include "model/config_fields.h"
#include "model/file_io.h"
#include "model/strict_json.h"

namespace triptych {
namespace {

using nlohmann::json;

/// Fields whose only value that means the model implemented here is this one.
const json& fixed_fields() {
  static const json fields = {{"model_type", "deepseek_v3"},  {"hidden_act", "silu"},
                              {"tie_word_embeddings", false}, {"attention_bias", false},
                              {"scoring_func", "sigmoid"},    {"topk_method", "noaux_tc"},
                              {"moe_layer_freq", 1},          {"rope_interleave", true},
                              {"attention_dropout", 0.0},     {"pretraining_tp", 1}};
  return fields;
}

/// Fields that say nothing about the model's function.
const std::set<std::string>& passed_over() {
  static const std::set<std::string> fields = {"_name_or_path",
                                               "architectures",
                                               "auto_map",
                                               "aux_loss_alpha",
                                               "bos_token_id",
                                               "chunk_size_feed_forward",
                                               "dtype",
                                               "eos_token_id",
                                               "ep_size",
                                               "id2label",
                                               "is_encoder_decoder",
                                               "label2id",
                                               "output_attentions",
                                               "output_hidden_states",
                                               "output_router_logits",
                                               "pad_token_id",
                                               "problem_type",
                                               "return_dict",
                                               "seq_aux",
                                               "torch_dtype",
                                               "transformers_version",
                                               "use_cache"};
  return fields;
}

/// Reads a config.json's object field by field; every error names the file, the field and its
/// value.
class ConfigReader {
 public:
  explicit ConfigReader(const std::string& where) : where_(where) {}

  ModelConfig read(const json& object) {
    config_.num_nextn_predict_layers = 0;
    config_.q_lora_rank = 0;
    seen_ = {"num_nextn_predict_layers", "q_lora_rank"};
    for (const auto& [name, value] : object.items()) read_field(name, value);
    for (const IntegerField& f : integer_fields) demand(f.name);
    for (const RealField& f : real_fields) demand(f.name);
    demand("norm_topk_prob");
    validate(config_, where_);
    check_derived(object);
    return config_;
  }

 private:
  Error error(const std::string& field, const std::string& rest) const {
    return usage_error(fmt::format("{}: {} {}", where_, quoted_text(field), rest));
  }

  void demand(const char* field) const {
    if (!seen_.contains(field)) throw error(field, "is missing; give it");
  }

  std::int64_t integer(const std::string& field, const json& value) const {
    if (!value.is_number_integer()) {
      throw error(field, fmt::format("is {}, wanted a whole number", shown(value)));
    }
    if (value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t{1} << 40) {
      throw error(field, fmt::format("is {}, wanted at most {}", shown(value), config_limit));
    }
    return value.get<std::int64_t>();
  }

  double real(const std::string& field, const json& value) const {
    if (!value.is_number()) {
      throw error(field, fmt::format("is {}, wanted a number", shown(value)));
    }
    return value.get<double>();
  }

  void read_field(const std::string& name, const json& value) {
    const auto integer_field = std::ranges::find(integer_fields, name, &IntegerField::name);
    const auto real_field = std::ranges::find(real_fields, name, &RealField::name);
    if (integer_field != integer_fields.end()) {
      const bool none = name == "q_lora_rank" && value.is_null();
      config_.*integer_field->member = none ? 0 : integer(name, value);
    } else if (real_field != real_fields.end()) {
      set_real(*real_field, real(name, value), name);
    } else if (name == "norm_topk_prob") {
      if (!value.is_boolean()) {
        throw error(name, fmt::format("is {}, wanted true or false", shown(value)));
      }
      config_.norm_topk_prob = value.get<bool>();
    } else if (name == "rope_scaling" || name == "rope_parameters") {
      read_rope(name, value);
    } else if (name == "quantization_config") {
      throw error(name,
                  "is there, and quantised weights are not read; convert the model to bf16 "
                  "and remove the field");
    } else if (const auto fixed = fixed_fields().find(name); fixed != fixed_fields().end()) {
      if (value != *fixed) {
        throw error(name,
                    fmt::format("is {}, only {} is implemented", shown(value), shown(*fixed)));
      }
    } else if (!passed_over().contains(name) && !derived_fields.contains(name)) {
      throw error(name, "is not a field of a DeepSeek-V3 config; check its spelling, or remove it");
    }
    seen_.insert(name);
  }

  /// rope_theta may stand in two places, which must then agree.
  void set_real(const RealField& field, double value, const std::string& name) {
    if (seen_.contains(field.name) && config_.*field.member != value) {
      throw error(name, fmt::format("is {}, and {} elsewhere in the file; give it once", value,
                                    config_.*field.member));
    }
    config_.*field.member = value;
    seen_.insert(field.name);
  }

  /// rope_scaling: null or YaRN. rope_parameters: the same and rope_theta, also of the type
  /// "default".
  void read_rope(const std::string& field, const json& value) {
    if (value.is_null()) return;
    if (!value.is_object()) {
      throw error(field, fmt::format("is {}, wanted null or an object", shown(value)));
    }
    if (const auto theta = value.find("rope_theta"); theta != value.end()) {
      const std::string name = field + ".rope_theta";
      set_real(*std::ranges::find(real_fields, std::string("rope_theta"), &RealField::name),
               real(name, *theta), name);
    }
    const bool yarn = rope_type(field, value) == "yarn";
    YarnConfig read;
    for (const auto& [name, entry] : value.items()) {
      const std::string full = field + "." + name;
      const auto number = std::ranges::find(yarn_fields, name, &YarnField::name);
      if (name == "type" || name == "rope_type" || name == "rope_theta") continue;
      if (yarn && number != yarn_fields.end()) {
        read.*number->member = real(full, entry);
      } else if (yarn && name == "original_max_position_embeddings") {
        read.original_max_position_embeddings = integer(full, entry);
      } else if (yarn && name == "truncate" && entry == true) {
        continue;  // transformers' default: the ramp's ends are whole pairs
      } else {
        throw error(full, fmt::format("is {}, and is not implemented; remove it", shown(entry)));
      }
    }
    if (!yarn) return;
    for (const char* name : {"factor", "original_max_position_embeddings"}) {
      if (!value.contains(name)) throw error(field + "." + name, "is missing; give it");
    }
    if (config_.rope_scaling && config_.rope_scaling != read) {
      throw error(field, "differs from the other description of YaRN in the file; give one");
    }
    config_.rope_scaling = read;
  }

  std::string rope_type(const std::string& field, const json& value) const {
    std::string type;
    for (const char* name : {"rope_type", "type"}) {
      const auto found = value.find(name);
      if (found == value.end()) continue;
      if (*found != "yarn" && *found != "default") {
        throw error(field + "." + name,
                    fmt::format("is {}, only 'yarn' and 'default' are implemented", shown(*found)));
      }
      if (!type.empty() && *found != type) {
        throw error(field + "." + name,
                    fmt::format("is {} beside rope_type '{}'; give one", shown(*found), type));
      }
      type = found->get<std::string>();
    }
    if (type.empty()) throw error(field + ".rope_type", "is missing; wanted 'yarn' or 'default'");
    return type;
  }

  /// Fields that repeat others must agree with them.
  void check_derived(const json& object) const {
    const ModelConfig& c = config_;
    const auto agree = [&](const char* field, std::int64_t value, const char* what) {
      const auto found = object.find(field);
      if (found == object.end() || found->is_null() || *found == value) return;
      throw error(field, fmt::format("is {}, and {} is {}; correct it, or remove it", shown(*found),
                                     what, value));
    };
    agree("num_key_value_heads", c.num_attention_heads, "num_attention_heads");
    agree("head_dim", c.qk_rope_head_dim, "qk_rope_head_dim");
    agree("qk_head_dim", c.qk_nope_head_dim + c.qk_rope_head_dim,
          "qk_nope_head_dim + qk_rope_head_dim");
  }

  inline static const std::set<std::string> derived_fields = {"num_key_value_heads", "head_dim",
                                                              "qk_head_dim"};
  const std::string& where_;
  ModelConfig config_;
  std::set<std::string> seen_;
};

}  // namespace

ModelConfig parse_config(const std::string& text, const std::string& where) {
  const json object = parse_strict_json(text, where, ErrorKind::usage,
                                        "give a model's config.json, whole and unchanged");
  if (!object.is_object()) {
    throw usage_error(fmt::format("{}: it is {}, wanted a JSON object; give a model's config.json",
                                  where, shown(object)));
  }
  return ConfigReader(where).read(object);
}

std::string config_json(const ModelConfig& c) {
  json object = fixed_fields();
  object["architectures"] = {"DeepseekV3ForCausalLM"};
  object["torch_dtype"] = "float32";
  object["num_key_value_heads"] = c.num_attention_heads;
  // Nulls, because DeepseekV3Config's defaults name tokens that a byte tokenizer does not have.
  object["bos_token_id"] = nullptr;
  object["eos_token_id"] = nullptr;
  for (const IntegerField& f : integer_fields) object[f.name] = c.*f.member;
  for (const RealField& f : real_fields) object[f.name] = c.*f.member;
  if (c.q_lora_rank == 0) object["q_lora_rank"] = nullptr;
  object["norm_topk_prob"] = c.norm_topk_prob;
  object["rope_scaling"] = nullptr;
  if (c.rope_scaling) {
    json& yarn = object["rope_scaling"];
    // Both names of the type: releases differ in which one they read.
    yarn = {{"type", "yarn"},
            {"rope_type", "yarn"},
            {"original_max_position_embeddings", c.rope_scaling->original_max_position_embeddings}};
    for (const YarnField& f : yarn_fields) yarn[f.name] = (*c.rope_scaling).*f.member;
    for (const char* name : {"mscale", "mscale_all_dim"}) {
      if (yarn[name] == 0.0) yarn.erase(name);
    }
  }
  return object.dump(2) + "\n";
}

}  // namespace triptych

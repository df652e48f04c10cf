// The model's configuration: presets, relations, and config.json both ways.
// ctest: timeout=30 labels=sanitize
#include "model/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "expect_error.h"

namespace triptych {
namespace {

using nlohmann::json;
using testing::expect_error;

const char* const presets[] = {"nano", "tiny", "mini"};

json nano() { return json::parse(config_json(preset_config("nano"))); }

/// The field takes the value, and parsing says why not, naming file, field and the given parts.
void expect_refused(const std::string& field, const json& value,
                    std::initializer_list<std::string_view> parts) {
  SCOPED_TRACE(field + " = " + value.dump());
  json object = nano();
  object[field] = value;
  std::vector<std::string_view> all = {"dir/config.json", field};
  all.insert(all.end(), parts);
  for (const std::string_view part : all) {
    expect_error([&] { parse_config(object.dump(), "dir/config.json"); }, ErrorKind::usage, {part});
  }
}

TEST(Config, PresetsAreValidAndHaveEveryFeature) {
  for (const char* name : presets) {
    const ModelConfig c = preset_config(name);
    EXPECT_NO_THROW(validate(c, name));
    EXPECT_EQ(c.hidden_size % 128, 0) << name;
    EXPECT_EQ(c.intermediate_size % 128, 0) << name;
    EXPECT_EQ(c.moe_intermediate_size % 128, 0) << name;
    EXPECT_EQ(c.num_attention_heads * c.v_head_dim % 128, 0) << name;
    EXPECT_EQ(c.vocab_size, 256) << name;  // bytes
    EXPECT_GT(c.first_k_dense_replace, 0) << name;
    EXPECT_LT(c.first_k_dense_replace, c.num_hidden_layers) << name;
    EXPECT_GT(c.n_shared_experts, 0) << name;
    EXPECT_GT(c.q_lora_rank, 0) << name;
    EXPECT_LT(c.topk_group, c.n_group) << name;
    EXPECT_EQ(c.num_nextn_predict_layers, 1) << name;
  }
  expect_error([] { preset_config("huge"); }, ErrorKind::usage, {"huge", "nano", "tiny", "mini"});
}

TEST(Config, PresetsHaveTheDesignsSizes) {
  const auto sizes = [](const char* name) {
    const ModelConfig c = preset_config(name);
    return std::vector<std::int64_t>{
        c.num_hidden_layers, c.hidden_size,         c.moe_intermediate_size,
        c.n_routed_experts,  c.num_experts_per_tok, c.n_group,
        c.topk_group,        c.num_attention_heads, c.max_position_embeddings};
  };
  EXPECT_EQ(sizes("nano"), (std::vector<std::int64_t>{2, 128, 128, 8, 2, 4, 2, 2, 64}));
  EXPECT_EQ(sizes("tiny"), (std::vector<std::int64_t>{4, 256, 256, 16, 4, 4, 2, 4, 128}));
  EXPECT_EQ(sizes("mini"), (std::vector<std::int64_t>{12, 1024, 512, 64, 6, 8, 4, 16, 1024}));
}

TEST(Config, JsonThereAndBack) {
  for (const char* name : presets) {
    ModelConfig c = preset_config(name);
    EXPECT_EQ(parse_config(config_json(c), name), c);
    c.q_lora_rank = 0;
    c.norm_topk_prob = false;
    c.rope_theta = 1.0 / 3 * 1e5;  // needs all digits
    c.rope_scaling = YarnConfig{.factor = 40,
                                .original_max_position_embeddings = 4096,
                                .beta_fast = 32,
                                .beta_slow = 1,
                                .mscale = 0.1,
                                .mscale_all_dim = 1};
    EXPECT_EQ(parse_config(config_json(c), name), c);
    c.rope_scaling->mscale = c.rope_scaling->mscale_all_dim = 0;
    EXPECT_EQ(parse_config(config_json(c), name), c);
  }
}

TEST(Config, ReadsWhatTransformersWrote) {
  const auto read = [](const std::string& name) {
    const std::string file = TRIPTYCH_SOURCE_DIR "/tests/golden/" + name + "/config.json";
    std::ifstream stream(file);
    return parse_config({std::istreambuf_iterator<char>(stream), {}}, file);
  };
  const ModelConfig base = read("base");
  EXPECT_EQ(base.hidden_size, 24);
  EXPECT_EQ(base.rope_theta, 10000);
  EXPECT_FALSE(base.rope_scaling);
  EXPECT_EQ(base.num_nextn_predict_layers, 0);
  EXPECT_EQ(read("no_q_lora").q_lora_rank, 0);
  EXPECT_EQ(read("mtp").num_nextn_predict_layers, 1);
  EXPECT_EQ(read("no_shared").n_shared_experts, 0);
  const ModelConfig yarn = read("yarn");
  ASSERT_TRUE(yarn.rope_scaling);
  EXPECT_EQ(yarn.rope_theta, 100);
  EXPECT_EQ(*yarn.rope_scaling, (YarnConfig{.factor = 4,
                                            .original_max_position_embeddings = 16,
                                            .beta_fast = 1,
                                            .beta_slow = 0.1,
                                            .mscale = 0.7,
                                            .mscale_all_dim = 1.3}));
}

TEST(Config, EveryFieldIsNeeded) {
  const json whole = nano();
  int needed = 0;
  for (const auto& [name, value] : whole.items()) {
    json object = whole;
    object.erase(name);
    try {
      const ModelConfig c = parse_config(object.dump(), "dir/config.json");
      // What may be left out changes nothing, or says "none" by its absence.
      if (name == "q_lora_rank") {
        EXPECT_EQ(c.q_lora_rank, 0);
      } else if (name == "num_nextn_predict_layers") {
        EXPECT_EQ(c.num_nextn_predict_layers, 0);
      } else {
        EXPECT_EQ(c, preset_config("nano")) << name;
      }
    } catch (const Error& error) {
      ++needed;
      const std::string line = error.what();
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      EXPECT_EQ(line, "dir/config.json: '" + name + "' is missing; give it");
    }
  }
  EXPECT_EQ(needed, 22);  // 17 counts and widths, 4 real numbers, norm_topk_prob
}

TEST(Config, RefusesWrongValues) {
  expect_refused("hidden_size", -128, {"-128"});
  expect_refused("hidden_size", 0, {"is 0", "1 to"});
  expect_refused("hidden_size", 128.5, {"128.5", "whole number"});
  expect_refused("hidden_size", "128", {"'128'", "whole number"});
  expect_refused("hidden_size", nullptr, {"null"});
  expect_refused("hidden_size", std::int64_t{1} << 25, {"33554432"});
  expect_refused("hidden_size", UINT64_MAX, {"18446744073709551615"});
  expect_refused("hidden_size", json::array({1, 2, 3}), {"an array of 3"});
  expect_refused("rms_norm_eps", 0, {"positive"});
  expect_refused("rope_theta", "big", {"'big'", "number"});
  expect_refused("norm_topk_prob", 1, {"true or false"});
  expect_refused("qk_rope_head_dim", 31, {"31", "even"});
  expect_refused("n_group", 3, {"is 3", "n_routed_experts = 8"});
  expect_refused("topk_group", 5, {"is 5", "n_group = 4"});
  expect_refused("num_experts_per_tok", 5, {"is 5", "4 experts"});
  expect_refused("first_k_dense_replace", 3, {"is 3", "num_hidden_layers = 2"});
  expect_refused("num_nextn_predict_layers", 2, {"is 2", "0 and 1"});
}

TEST(Config, RefusesWhatIsNotImplementedOrUnknown) {
  expect_refused("hidden_act", "gelu", {"'gelu'", "'silu'"});
  expect_refused("tie_word_embeddings", true, {"true", "false"});
  expect_refused("attention_bias", true, {"true"});
  expect_refused("rope_interleave", false, {"false"});
  expect_refused("model_type", "llama", {"'llama'", "'deepseek_v3'"});
  expect_refused("quantization_config", json::object(), {"quantised", "bf16"});
  expect_refused("hiden_size", 128, {"spelling"});
  expect_refused("num_key_value_heads", 1, {"is 1", "num_attention_heads is 2"});
  expect_refused("qk_head_dim", 65, {"is 65", "is 64"});
  json object = nano();
  object["a\nb"] = 1;  // still one line
  expect_error([&] { parse_config(object.dump(), "c"); }, ErrorKind::usage, {"'a?b'"});
}

void expect_rope_refused(const json& value, std::initializer_list<std::string_view> parts) {
  SCOPED_TRACE(value.dump());
  json object = nano();
  object["rope_scaling"] = value;
  for (const std::string_view part : parts) {
    expect_error([&] { parse_config(object.dump(), "c"); }, ErrorKind::usage, {part});
  }
}

TEST(Config, RefusesWrongRope) {
  const json yarn = {{"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 16}};
  const auto with = [&](const char* name, const json& value) {
    json changed = yarn;
    changed[name] = value;
    return changed;
  };
  expect_rope_refused(7, {"rope_scaling", "7"});
  expect_rope_refused(json::object(), {"rope_scaling.rope_type", "missing"});
  expect_rope_refused(with("type", "linear"), {"rope_scaling.type", "'linear'"});
  expect_rope_refused(with("rope_type", "default"), {"'yarn' beside rope_type 'default'"});
  expect_rope_refused(with("factor", 0.5), {"rope_scaling.factor", "0.5"});
  expect_rope_refused(with("factor", nullptr), {"rope_scaling.factor", "null"});
  expect_rope_refused(with("beta_fast", 0.1), {"rope_scaling.beta_fast", "0.1"});
  expect_rope_refused(with("mscale", -1), {"rope_scaling.mscale", "-1"});
  expect_rope_refused(with("original_max_position_embeddings", -1), {"-1"});
  expect_rope_refused(with("attention_factor", 2), {"rope_scaling.attention_factor"});
  expect_rope_refused(with("truncate", false), {"rope_scaling.truncate"});
  expect_rope_refused(with("rope_theta", 5), {"10000"});  // and 5: the file says both
  expect_rope_refused({{"type", "yarn"}, {"factor", 4.0}}, {"original_max_position", "missing"});
}

TEST(Config, RefusesWhatIsNotStrictJson) {
  const auto refused = [](const std::string& text, std::initializer_list<std::string_view> parts) {
    SCOPED_TRACE(text.substr(0, 60));
    expect_error([&] { parse_config(text, "dir/config.json"); }, ErrorKind::usage, {"dir/config"});
    expect_error([&] { parse_config(text, "dir/config.json"); }, ErrorKind::usage, parts);
  };
  refused("", {"not JSON"});
  refused("[]", {"an array of 0"});
  refused("3", {"wanted a JSON object"});
  refused("{\"hidden_size\": 128", {"not JSON at byte 20 of 19"});
  refused(config_json(preset_config("nano")) + "x", {"not JSON"});
  refused("{\"hidden_size\": 128, \"hidden_size\": 64}", {"'hidden_size'", "twice"});
  refused(config_json(preset_config("nano")) + '\0' + "x", {"a NUL"});
  refused("{\"rope_theta\": 1e999}", {"out of range"});
  refused("{\"rope_theta\": NaN}", {"not JSON"});
  refused("{\"a\": \"\xff\"}", {"not JSON"});
  refused(std::string(100000, '['), {"deeper than 16"});
}

TEST(Config, SizesThatOverflowAreRefused) {
  ModelConfig c = preset_config("nano");
  c.hidden_size = c.moe_intermediate_size = c.n_routed_experts = std::int64_t{1} << 24;
  expect_error([&] { validate(c, "c"); }, ErrorKind::usage, {"parameters", "lower its widths"});
}

TEST(Config, CountsDeepSeekV3) {
  ModelConfig c;
  c.vocab_size = 129280;
  c.hidden_size = 7168;
  c.intermediate_size = 18432;
  c.moe_intermediate_size = 2048;
  c.num_hidden_layers = 61;
  c.num_attention_heads = 128;
  c.n_routed_experts = 256;
  c.kv_lora_rank = 512;
  c.q_lora_rank = 1536;
  c.qk_rope_head_dim = 64;
  c.v_head_dim = c.qk_nope_head_dim = 128;
  c.n_group = 8;
  c.topk_group = 4;
  c.num_experts_per_tok = 8;
  c.first_k_dense_replace = 3;
  c.num_nextn_predict_layers = 0;
  EXPECT_NO_THROW(validate(c, "V3"));
  // DeepSeek's report: 671 B parameters, 37 B active. Its README_WEIGHTS gives 11.5 B more to the
  // MTP module.
  const ParameterCount main = parameter_count(c);
  EXPECT_NEAR(static_cast<double>(main.total), 671.0e9, 0.1e9);
  EXPECT_NEAR(static_cast<double>(main.active), 37.0e9, 0.6e9);
  c.num_nextn_predict_layers = 1;
  EXPECT_NEAR(static_cast<double>(parameter_count(c).total - main.total), 11.5e9, 0.15e9);
  EXPECT_EQ(parameter_count(c).active, main.active);
}

}  // namespace
}  // namespace triptych

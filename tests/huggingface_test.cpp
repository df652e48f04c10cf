// ctest: timeout=60 labels=sanitize
// Model folders in transformers' layout: names, round trips, what a wrong file gets, and the golden files.
#include "model/huggingface.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "expect_error.h"
#include "model/safetensors.h"
#include "small_run.h"
#include "temporary_folder.h"
#include "train/initialize.h"

namespace triptych {
namespace {

using testing::expect_error;
using testing::TemporaryFolder;
using testing::values_of;

struct Rig {
  explicit Rig(const ModelConfig& config, Precision precision = Precision::f32, std::uint64_t seed = 1)
      : tier(make_tier({"reference", 1})),
        model(*tier, config, {.precision = precision, .batch = 1, .sequence = 4, .training = false}) {
    initialize_parameters(model, seed);
  }
  std::unique_ptr<Tier> tier;
  Model model;
};

void expect_equal_masters(Rig& a, Rig& b) {
  for (const Parameter& p : a.model.parameters().all()) {
    EXPECT_EQ(values_of(*a.tier, p.master), values_of(*b.tier, b.model.parameters().at(p.name).master))
        << p.name;
  }
}

/// The names and shapes of transformers' DeepseekV3ForCausalLM, written out by hand.
std::set<std::string> expected_tensors(const ModelConfig& c) {
  std::set<std::string> all;
  const auto add = [&](const std::string& name, std::int64_t rows, std::int64_t columns) {
    all.insert(name + " " + std::to_string(rows) + " " + std::to_string(columns));
  };
  const auto mlp = [&](const std::string& p, std::int64_t f) {
    add(p + "gate_proj.weight", f, c.hidden_size);
    add(p + "up_proj.weight", f, c.hidden_size);
    add(p + "down_proj.weight", c.hidden_size, f);
  };
  add("model.embed_tokens.weight", c.vocab_size, c.hidden_size);
  add("lm_head.weight", c.vocab_size, c.hidden_size);
  add("model.norm.weight", c.hidden_size, 1);
  for (std::int64_t l = 0; l <= c.num_hidden_layers; ++l) {
    const std::string p = "model.layers." + std::to_string(l) + ".";
    const std::int64_t q = c.num_attention_heads * (c.qk_nope_head_dim + c.qk_rope_head_dim);
    add(p + "input_layernorm.weight", c.hidden_size, 1);
    add(p + "post_attention_layernorm.weight", c.hidden_size, 1);
    add(p + "self_attn.q_a_proj.weight", c.q_lora_rank, c.hidden_size);
    add(p + "self_attn.q_a_layernorm.weight", c.q_lora_rank, 1);
    add(p + "self_attn.q_b_proj.weight", q, c.q_lora_rank);
    add(p + "self_attn.kv_a_proj_with_mqa.weight", c.kv_lora_rank + c.qk_rope_head_dim, c.hidden_size);
    add(p + "self_attn.kv_a_layernorm.weight", c.kv_lora_rank, 1);
    add(p + "self_attn.kv_b_proj.weight", c.num_attention_heads * (c.qk_nope_head_dim + c.v_head_dim),
        c.kv_lora_rank);
    add(p + "self_attn.o_proj.weight", c.hidden_size, c.num_attention_heads * c.v_head_dim);
    if (l < c.first_k_dense_replace) {
      mlp(p + "mlp.", c.intermediate_size);
      continue;
    }
    add(p + "mlp.gate.weight", c.n_routed_experts, c.hidden_size);
    add(p + "mlp.gate.e_score_correction_bias", c.n_routed_experts, 1);
    mlp(p + "mlp.shared_experts.", c.moe_intermediate_size * c.n_shared_experts);
    for (std::int64_t e = 0; e < c.n_routed_experts; ++e) {
      mlp(p + "mlp.experts." + std::to_string(e) + ".", c.moe_intermediate_size);
    }
  }
  const std::string mtp = "model.layers." + std::to_string(c.num_hidden_layers) + ".";
  add(mtp + "enorm.weight", c.hidden_size, 1);
  add(mtp + "hnorm.weight", c.hidden_size, 1);
  add(mtp + "eh_proj.weight", c.hidden_size, 2 * c.hidden_size);
  add(mtp + "shared_head.norm.weight", c.hidden_size, 1);
  return all;
}

TEST(Huggingface, WritesTheNamesAndShapesOfTransformers) {
  const TemporaryFolder folder;
  Rig rig(testing::small_config());
  save_model(folder.path(), rig.model);
  std::set<std::string> found;
  const SafetensorsReader reader(folder / "model.safetensors");
  for (const StoredTensor& t : reader.tensors()) {
    EXPECT_EQ(t.type, StoredType::f32) << t.name;
    found.insert(t.name + " " + std::to_string(t.shape[0]) + " " +
                 std::to_string(t.shape.size() > 1 ? t.shape[1] : 1));
  }
  EXPECT_EQ(found, expected_tensors(testing::small_config()));
  EXPECT_EQ(read_config(folder.path()), testing::small_config());
}

TEST(Huggingface, AnExpertsMatricesAreItsPartsOfTheFusedOnes) {
  const TemporaryFolder folder;
  Rig rig(testing::small_config());
  save_model(folder.path(), rig.model);
  const std::int64_t d = 24, f = 16;
  const std::string p = "model.layers.1.mlp.experts.";
  const auto fused = values_of(*rig.tier, rig.model.parameters().at(p + "gate_up_proj").master);
  const auto down = values_of(*rig.tier, rig.model.parameters().at(p + "down_proj").master);
  const SafetensorsReader reader(folder / "model.safetensors");
  std::vector<double> one(static_cast<std::size_t>(f * d));
  const auto expect_part = [&](const std::string& name, const std::vector<double>& whole, std::int64_t begin) {
    reader.read(reader.at(name), std::span<double>(one));
    EXPECT_TRUE(std::equal(one.begin(), one.end(), whole.begin() + begin)) << name;
  };
  expect_part(p + "5.gate_proj.weight", fused, 5 * 2 * f * d);
  expect_part(p + "5.up_proj.weight", fused, 5 * 2 * f * d + f * d);
  expect_part(p + "5.down_proj.weight", down, 5 * d * f);
}

TEST(Huggingface, RoundTripsKeepEveryBit) {
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::fp8, Precision::f64}) {
    const TemporaryFolder folder;
    const ModelConfig config = precision == Precision::fp8 ? testing::fp8_config() : testing::small_config();
    Rig from(config, precision), to(config, precision, 2);
    save_model(folder.path(), from.model);
    load_model(folder.path(), to.model);
    expect_equal_masters(from, to);
    for (const Parameter& p : from.model.parameters().all()) {
      const Parameter& q = to.model.parameters().at(p.name);
      EXPECT_EQ(testing::bytes_of(*from.tier, p.copy), testing::bytes_of(*to.tier, q.copy)) << p.name;
      EXPECT_EQ(testing::bytes_of(*from.tier, p.fp8.q), testing::bytes_of(*to.tier, q.fp8.q)) << p.name;
    }
  }
}

TEST(Huggingface, ModelsWithoutSharedExpertsHaveTheirEmptyMatrices) {
  const TemporaryFolder folder;
  ModelConfig config = testing::small_config();
  config.n_shared_experts = 0;
  Rig from(config), to(config, Precision::f32, 2);
  save_model(folder.path(), from.model);
  const SafetensorsReader reader(folder / "model.safetensors");
  const std::string p = "model.layers.1.mlp.shared_experts.";
  EXPECT_EQ(reader.at(p + "up_proj.weight").shape, (std::vector<std::int64_t>{0, 24}));
  EXPECT_EQ(reader.at(p + "down_proj.weight").shape, (std::vector<std::int64_t>{24, 0}));
  load_model(folder.path(), to.model);
  expect_equal_masters(from, to);
}

TEST(Huggingface, AModelWithoutMtpLoadsAFileThatHasIt) {
  const TemporaryFolder folder;
  ModelConfig config = testing::small_config();
  Rig from(config);
  save_model(folder.path(), from.model);
  config.num_nextn_predict_layers = 0;
  Rig to(config, Precision::f32, 2);
  load_model(folder.path(), to.model);
  expect_equal_masters(to, from);
}

/// A file of the small model's tensors after `change`.
void write_changed(const std::filesystem::path& file, Rig& rig,
                   const std::function<void(std::vector<StoredTensor>&)>& change) {
  std::vector<StoredTensor> layout;
  for (const Parameter& p : rig.model.parameters().all()) {
    for (const StoredSlice& s : stored_slices(p)) layout.push_back({s.name, StoredType::bf16, s.shape});
  }
  change(layout);
  SafetensorsWriter writer(file, layout);
  for (const StoredTensor& t : layout) {
    std::int64_t count = 1;
    for (const std::int64_t extent : t.shape) count *= extent;
    const bf16 value(0.15625f);
    writer.append(t.name, std::span<const bf16>(std::vector<bf16>(static_cast<std::size_t>(count), value)));
  }
  writer.finish();
}

TEST(Huggingface, ReadsBf16AndPassesCopiesOfTheTablesOver) {
  const TemporaryFolder folder;
  Rig rig(testing::small_config());
  write_changed(folder / "model.safetensors", rig, [](auto& layout) {
    layout.push_back({"model.layers.2.embed_tokens.weight", StoredType::bf16, {256, 24}});
    layout.push_back({"model.layers.2.shared_head.head.weight", StoredType::bf16, {256, 24}});
  });
  load_model(folder.path(), rig.model);
  for (const Parameter& p : rig.model.parameters().all()) {
    for (const double x : values_of(*rig.tier, p.master)) ASSERT_EQ(x, 0.15625) << p.name;
  }
}

TEST(Huggingface, WrongFilesAreToldInOneLine) {
  const TemporaryFolder folder;
  Rig rig(testing::small_config());
  const auto file = folder / "model.safetensors";
  const auto load = [&] { load_model(folder.path(), rig.model); };
  expect_error(load, ErrorKind::environment, {"model.safetensors"});
  write_changed(file, rig, [](auto& layout) { layout.erase(layout.begin() + 7); });
  expect_error(load, ErrorKind::environment, {"model.safetensors", "model.layers.0."});
  write_changed(file, rig, [](auto& layout) { layout.push_back({"model.extra", StoredType::bf16, {3}}); });
  expect_error(load, ErrorKind::environment, {"'model.extra'", "config.json"});
  write_changed(file, rig, [](auto& layout) {
    for (auto& t : layout) {
      if (t.name == "model.layers.1.mlp.experts.3.up_proj.weight") t.shape = {24, 16};
    }
  });
  expect_error(load, ErrorKind::environment, {"model.layers.1.mlp.experts.3.up_proj.weight", "24", "16"});
  std::filesystem::remove(file);
  folder.write("model.safetensors.index.json", "{}");
  expect_error(load, ErrorKind::environment, {"several files", "max_shard_size"});
}

// What transformers computes with random models: tests/golden/README.md.

class Golden : public ::testing::TestWithParam<const char*> {};

/// [B,S] token ids of a golden file as i32.
std::vector<std::int32_t> tokens_of(const SafetensorsReader& golden, const char* name) {
  const StoredTensor& t = golden.at(name);
  std::vector<std::int32_t> values(static_cast<std::size_t>(t.count()));
  golden.read(t, std::span<std::int32_t>(values));
  return values;
}

std::vector<double> numbers_of(const SafetensorsReader& golden, const std::string& name) {
  const StoredTensor& t = golden.at(name);
  std::vector<double> values(static_cast<std::size_t>(t.count()));
  golden.read(t, std::span<double>(values));
  return values;
}

/// Two correct f64 computations agree to 1e-9 of the tensor's largest element.
void expect_agreement(const std::vector<double>& got, const std::vector<double>& want,
                      const std::string& name) {
  ASSERT_EQ(got.size(), want.size()) << name;
  double largest = 0, error = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_TRUE(std::isfinite(got[i])) << name << " " << i;
    largest = std::max(largest, std::fabs(want[i]));
    error = std::max(error, std::fabs(got[i] - want[i]));
  }
  EXPECT_LE(error, 1e-9 * std::max(largest, 1e-6)) << name;
}

TEST_P(Golden, LogitsLossAndGradientsAgreeWithTransformers) {
  const std::filesystem::path folder = std::filesystem::path("tests/golden") / GetParam();
  const SafetensorsReader golden(folder / "golden.safetensors");
  const std::vector<std::int64_t> shape = golden.at("input_ids").shape;
  const auto tokens = tokens_of(golden, "input_ids"), labels = tokens_of(golden, "labels");
  const auto tier = make_tier({"reference", 2});
  const ModelConfig config = read_config(folder);
  Model model(*tier, config, {.precision = Precision::f64, .batch = shape[0], .sequence = shape[1],
                              .balance_alpha = 0, .mtp_weight = 0.3});
  load_model(folder, model);

  // The target after next: the next one's target, which the last position lacks.
  std::vector<std::int32_t> after(labels.size(), -1);
  for (std::size_t i = 0; i + 1 < labels.size(); ++i) {
    if ((i + 1) % static_cast<std::size_t>(shape[1]) != 0) after[i] = labels[i + 1];
  }
  Arena arena(*tier, 3 * (labels.size() * 4 + 256));
  const auto put = [&](const std::vector<std::int32_t>& values) {
    const Tensor t = arena.take(DType::i32, {static_cast<std::int64_t>(values.size())});
    tier->upload(t, values.data());
    return t;
  };
  const Batch batch{put(tokens), put(labels), put(after), shape[0] * (shape[1] - 1)};

  model.begin_step();
  model.forward(batch);
  std::vector<double> logits(static_cast<std::size_t>(model.logits().count()));
  tier->download(logits.data(), model.logits());
  expect_agreement(logits, numbers_of(golden, "logits"), "logits");
  model.begin_step();
  model.forward_backward(batch, 1);
  const StepSums sums = model.read_sums();
  double loss = sums.loss / static_cast<double>(labels.size());
  if (config.num_nextn_predict_layers > 0) loss += 0.3 * sums.mtp_loss / static_cast<double>(batch.mtp_count);
  expect_agreement({loss}, numbers_of(golden, "loss"), "loss");
  EXPECT_EQ(tier->take_fault().fault, Fault::none);
  for (const Parameter& p : model.parameters().all()) {
    if (!p.trained()) continue;
    const auto grad = values_of(*tier, p.grad);
    for (const StoredSlice& s : stored_slices(p)) {
      expect_agreement({grad.begin() + s.begin, grad.begin() + s.begin + s.count},
                       numbers_of(golden, "grad." + s.name), s.name);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden,
                         ::testing::Values("base", "no_q_lora", "no_groups", "no_shared", "two_shared",
                                           "no_norm_topk", "yarn", "bias", "dense", "norm_eps", "mtp"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace triptych

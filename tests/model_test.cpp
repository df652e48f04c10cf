// ctest: timeout=120 labels=sanitize processors=2
// The whole model: gradients against central differences in f64, and generation from cached latents
// against the forward over the whole sequence.
#include "model/model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "model/generator.h"
#include "triptych/tier.h"

namespace triptych {
namespace {

ModelConfig small_config() {
  ModelConfig c;
  c.vocab_size = 11;
  c.hidden_size = 12;
  c.intermediate_size = 14;
  c.moe_intermediate_size = 10;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 3;
  c.n_routed_experts = 6;
  c.n_group = 3;
  c.topk_group = 2;
  c.num_experts_per_tok = 2;
  c.kv_lora_rank = 9;
  c.q_lora_rank = 8;
  c.qk_rope_head_dim = 4;
  c.qk_nope_head_dim = 5;
  c.v_head_dim = 7;
  c.max_position_embeddings = 16;
  return c;
}

struct Case {
  const char* name;
  void (*change)(ModelConfig&);
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

/// A deterministic value in (-1, 1) for element i of stream s.
double value_of(std::uint64_t stream, std::uint64_t i) {
  std::uint64_t z = (stream * 0x9E3779B97F4A7C15u + i + 1) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1p-52 - 1;
}

class Rig {
 public:
  explicit Rig(const ModelConfig& config, std::int64_t batch = 2, std::int64_t sequence = 7)
      : tier_(make_tier({"reference", 2})),
        model_(*tier_, config,
               {.precision = Precision::f64, .batch = batch, .sequence = sequence, .balance_alpha = 0.3}) {
    const std::int64_t t = batch * sequence;
    std::uint64_t stream = 1;
    for (const Parameter& p : model_.parameters().all()) {
      auto* values = p.master.as<double>();
      for (std::int64_t i = 0; i < p.master.count(); ++i) {
        const double v = value_of(stream, static_cast<std::uint64_t>(i));
        values[i] = p.kind == ParameterKind::vector ? 1 + 0.3 * v
                    : p.kind == ParameterKind::bias ? 0.05 * v
                    : p.kind == ParameterKind::router ? 2 * v
                                                      : 0.5 * v;
      }
      ++stream;
    }
    arena_ = std::make_unique<Arena>(*tier_, 4096 + 16 * static_cast<std::size_t>(t));
    for (Tensor* each : {&tokens_, &targets_, &mtp_targets_}) {
      *each = arena_->take(DType::i32, {t});
      for (std::int64_t i = 0; i < t; ++i) {
        each->as<std::int32_t>()[i] = static_cast<std::int32_t>(
            static_cast<std::int64_t>((value_of(stream, static_cast<std::uint64_t>(i)) + 1) * 1e6) %
            config.vocab_size);
      }
      ++stream;
    }
    std::int64_t missing = 0;
    for (std::int64_t i = sequence - 1; i < t; i += sequence, ++missing) {
      mtp_targets_.as<std::int32_t>()[i] = -1;
    }
    batch_ = {tokens_, targets_, mtp_targets_, t - missing};
    t_ = static_cast<double>(t);
  }

  double loss() {
    model_.begin_step();
    model_.forward(batch_);
    const StepSums sums = model_.read_sums();
    return sums.loss / t_ +
           model_.options().mtp_weight * sums.mtp_loss / static_cast<double>(batch_.mtp_count) +
           sums.balance;
  }
  /// Which experts every token of every layer goes to: must not change between two evaluations.
  std::vector<std::int32_t> loads() {
    std::vector<std::int32_t> all;
    for (const Tensor& load : model_.loads()) {
      all.insert(all.end(), load.as<std::int32_t>(), load.as<std::int32_t>() + load.count());
    }
    return all;
  }
  void backward() {
    model_.begin_step();
    model_.forward_backward(batch_, 1);
    EXPECT_EQ(tier_->take_fault().fault, Fault::none);
  }
  Model& model() { return model_; }
  Tier& tier() { return *tier_; }
  const Batch& batch() const { return batch_; }

 private:
  std::unique_ptr<Tier> tier_;
  Model model_;
  std::unique_ptr<Arena> arena_;
  Tensor tokens_, targets_, mtp_targets_;
  Batch batch_;
  double t_ = 0;
};

class ModelGradient : public testing::TestWithParam<Case> {};

TEST_P(ModelGradient, AgreesWithCentralDifferences) {
  ModelConfig config = small_config();
  GetParam().change(config);
  Rig rig(config);
  for (const Parameter& p : rig.model().parameters().all()) {
    if (!p.trained()) continue;
    rig.backward();  // the losses below zero the gradients
    const auto n = static_cast<std::size_t>(p.master.count());
    auto* values = p.master.as<double>();
    const std::vector<double> kept(values, values + n), grad(p.grad.as<double>(), p.grad.as<double>() + n);
    const double norm = std::sqrt(std::inner_product(grad.begin(), grad.end(), grad.begin(), 0.0));
    ASSERT_GT(norm, 0) << p.name;
    // A random direction: its slope against the gradient's norm.
    std::vector<double> direction(n);
    for (std::size_t i = 0; i < n; ++i) direction[i] = value_of(977, i) + grad[i] / norm;
    const double length =
        std::sqrt(std::inner_product(direction.begin(), direction.end(), direction.begin(), 0.0));
    double slope = 0;
    for (std::size_t i = 0; i < n; ++i) slope += grad[i] * direction[i] / length;
    // Richardson's extrapolation of two central differences: error O(h⁴).
    const auto difference = [&](double h) {
      double side[2];
      std::vector<std::int32_t> routes[2];
      for (const int sign : {0, 1}) {
        for (std::size_t i = 0; i < n; ++i) {
          values[i] = kept[i] + (sign ? h : -h) * direction[i] / length;
        }
        side[sign] = rig.loss();
        routes[sign] = rig.loads();
      }
      EXPECT_EQ(routes[0], routes[1]) << p.name << ": the step changes a route; choose another seed";
      std::copy(kept.begin(), kept.end(), values);
      return (side[1] - side[0]) / (2 * h);
    };
    // The balance loss jumps where the unbiased top K of a token changes: steps are small beside the
    // margins of this seed's scores.
    const double h = 2e-5;
    const double numeric = (4 * difference(h / 2) - difference(h)) / 3;
    EXPECT_NEAR(numeric, slope, 1e-6 * norm) << p.name << ", |grad| = " << norm;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Configs, ModelGradient,
    testing::Values(Case{"all_features", [](ModelConfig&) {}},
                    Case{"no_q_lora", [](ModelConfig& c) { c.q_lora_rank = 0; }},
                    Case{"no_groups", [](ModelConfig& c) { c.n_group = c.topk_group = 1; }},
                    Case{"no_shared_expert", [](ModelConfig& c) { c.n_shared_experts = 0; }},
                    Case{"gates_not_normalised", [](ModelConfig& c) { c.norm_topk_prob = false; }},
                    Case{"no_mtp", [](ModelConfig& c) { c.num_nextn_predict_layers = 0; }},
                    Case{"no_dense_layer", [](ModelConfig& c) { c.first_k_dense_replace = 0; }},
                    Case{"yarn",
                         [](ModelConfig& c) {
                           c.rope_scaling = YarnConfig{.factor = 4, .original_max_position_embeddings = 4,
                                                       .mscale = 1, .mscale_all_dim = 0.7};
                         }}),
    [](const testing::TestParamInfo<Case>& each) { return std::string(each.param.name); });

TEST(Model, GeneratesWhatTheForwardComputes) {
  Rig rig(small_config(), 1, 9);
  rig.loss();
  const ConstTensor logits = rig.model().logits();
  Generator generator(rig.model(), 9);
  for (std::int64_t t = 0; t < 9; ++t) {
    const std::vector<double>& next = generator.append(rig.batch().tokens.as<std::int32_t>()[t]);
    for (std::size_t v = 0; v < next.size(); ++v) {
      EXPECT_NEAR(next[v], logits.as<double>()[static_cast<std::size_t>(t) * next.size() + v], 1e-12)
          << "token " << t << ", logit " << v;
    }
  }
  EXPECT_THROW(generator.append(0), Error);
}

TEST(Model, MicroBatchesAddUp) {
  Rig rig(small_config());
  rig.backward();
  const Tensor all = rig.model().parameters().gradients();
  const std::vector<double> once(all.as<double>(), all.as<double>() + all.count());
  rig.model().begin_step();
  rig.model().forward_backward(rig.batch(), 0.25);
  rig.model().forward_backward(rig.batch(), 0.75);
  for (std::size_t i = 0; i < once.size(); ++i) {
    ASSERT_NEAR(all.as<double>()[i], once[i], 1e-12 * (1 + std::fabs(once[i])));
  }
}

TEST(Model, RefusesWhatMakesNoSense) {
  const auto tier = make_tier({"reference", 1});
  EXPECT_THROW(Model(*tier, small_config(), {.batch = 0}), Error);
  EXPECT_THROW(Model(*tier, small_config(), {.sequence = 17}), Error);
  Model model(*tier, small_config(), {.sequence = 4, .training = false});
  EXPECT_THROW(model.forward_backward({}, 1), Error);
}

}  // namespace
}  // namespace triptych

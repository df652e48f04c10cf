// ctest: timeout=60 labels=sanitize
// The optimizer's step against AdamW written out, and the first values of the parameters.
#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "expect_error.h"
#include "small_run.h"
#include "train/initialize.h"
#include "train/random.h"

namespace triptych {
namespace {

using testing::bytes_of;
using testing::expect_error;
using testing::put_values;
using testing::values_of;

struct Rig {
  explicit Rig(Precision precision = Precision::f64, const ModelConfig& config = testing::small_config(),
               bool bf16_moments = false)
      : tier(make_tier({"reference", 1})),
        model(*tier, config,
              {.precision = precision, .batch = 1, .sequence = 4, .bf16_moments = bf16_moments}) {
    initialize_parameters(model, 1);
  }
  void random_gradients(std::uint64_t seed, double scale) {
    Random random(seed);
    for (const Parameter& p : model.parameters().all()) {
      if (!p.trained()) continue;
      std::vector<double> g(static_cast<std::size_t>(p.shape.count()));
      for (double& x : g) x = scale * random.normal();
      put_values(*tier, p.grad, g);
    }
  }
  std::unique_ptr<Tier> tier;
  Model model;
};

struct Moments {
  std::vector<double> x, m, v;
};

TEST(Optimizer, IsAdamWWithClippingOfTheWholeGradient) {
  Rig rig;
  const OptimizerOptions o{.weight_decay = 0.3, .clip = 5};
  Optimizer optimizer(rig.model, o);
  std::map<std::string, Moments> want;
  for (const Parameter& p : rig.model.parameters().all()) {
    const auto x = values_of(*rig.tier, p.master);
    want[p.name] = {x, std::vector<double>(x.size()), std::vector<double>(x.size())};
  }
  for (int t = 1; t <= 3; ++t) {
    // Norms of about 0.24, 2.4 and 24: the last one is clipped.
    rig.random_gradients(static_cast<std::uint64_t>(t), 1e-4 * std::pow(10, t));
    double squares = 0;
    for (const Parameter& p : rig.model.parameters().all()) {
      if (!p.trained()) continue;
      for (const double g : values_of(*rig.tier, p.grad)) squares += g * g;
    }
    const double lr = 0.01 * t, scale = std::min(1.0, o.clip / (std::sqrt(squares) + 1e-6));
    EXPECT_EQ(scale < 1, t == 3);
    optimizer.step(t, lr, 0);
    EXPECT_NEAR(optimizer.read_gradient_norm(), std::sqrt(squares), 1e-12 * std::sqrt(squares));
    for (const Parameter& p : rig.model.parameters().all()) {
      Moments& w = want[p.name];
      const auto got = values_of(*rig.tier, p.master);
      if (!p.trained()) {
        EXPECT_EQ(got, w.x) << p.name;
        continue;
      }
      const auto grad = values_of(*rig.tier, p.grad);
      const double decay = p.kind == ParameterKind::vector ? 0 : o.weight_decay;
      for (std::size_t i = 0; i < got.size(); ++i) {
        const double g = grad[i] * scale;
        w.m[i] = o.beta1 * w.m[i] + (1 - o.beta1) * g;
        w.v[i] = o.beta2 * w.v[i] + (1 - o.beta2) * g * g;
        const double m = w.m[i] / (1 - std::pow(o.beta1, t)), v = w.v[i] / (1 - std::pow(o.beta2, t));
        w.x[i] -= lr * (m / (std::sqrt(v) + o.epsilon) + decay * w.x[i]);
        ASSERT_NEAR(got[i], w.x[i], 1e-13 * (1 + std::fabs(w.x[i]))) << p.name << " " << i << " step " << t;
      }
    }
  }
}

TEST(Optimizer, CopiesAndCodesFollowTheMasters) {
  Rig rig(Precision::fp8, testing::fp8_config(), true);
  Optimizer optimizer(rig.model, {});
  rig.random_gradients(5, 0.1);
  optimizer.step(1, 0.05, 0);
  int codes = 0, copies = 0;
  std::map<std::string, std::string> after;
  for (const Parameter& p : rig.model.parameters().all()) {
    codes += p.quantized();
    copies += !p.copy.absent();
    after[p.name] = bytes_of(*rig.tier, p.copy) + bytes_of(*rig.tier, p.fp8.q) +
                    bytes_of(*rig.tier, p.fp8.qT) + bytes_of(*rig.tier, p.fp8.scale);
    if (!p.trained()) continue;
    EXPECT_EQ(p.first.dtype, DType::bf16) << p.name;
  }
  EXPECT_GT(codes, 5);
  EXPECT_GT(copies, 1);
  // Made anew from the masters they are the same.
  rig.model.parameters().refresh(*rig.tier);
  for (const Parameter& p : rig.model.parameters().all()) {
    EXPECT_EQ(after[p.name], bytes_of(*rig.tier, p.copy) + bytes_of(*rig.tier, p.fp8.q) +
                                 bytes_of(*rig.tier, p.fp8.qT) + bytes_of(*rig.tier, p.fp8.scale))
        << p.name;
  }
}

TEST(Optimizer, BalancingBiasesMoveAgainstTheLoad) {
  Rig rig;
  Optimizer optimizer(rig.model, {});
  const std::vector<std::int32_t> load = {5, 3, 1, 3, 3, 0, 6, 3};  // mean 3
  ASSERT_EQ(rig.model.loads().size(), 2u) << "one MoE layer and the MTP module's";
  for (const Tensor& l : rig.model.loads()) rig.tier->upload(l, load.data());
  rig.tier->zero(rig.model.parameters().gradients());
  optimizer.step(1, 0, 0.25);
  optimizer.step(2, 0, 0.5);
  optimizer.step(3, 0, 0);
  for (const Tensor& bias : rig.model.router_biases()) {
    EXPECT_EQ(values_of(*rig.tier, bias),
              (std::vector<double>{-0.75, 0, 0.75, 0, 0, 0.75, -0.75, 0}));
  }
}

TEST(Optimizer, AGradientThatIsNotFiniteChangesNoParameter) {
  Rig rig(Precision::f32);
  Optimizer optimizer(rig.model, {});
  rig.random_gradients(1, 0.1);
  const Parameter& p = rig.model.parameters().at("lm_head.weight");
  auto g = values_of(*rig.tier, p.grad);
  g[17] = std::numeric_limits<double>::quiet_NaN();
  put_values(*rig.tier, p.grad, g);
  const std::string before = bytes_of(*rig.tier, p.master);
  optimizer.step(1, 0.1, 0);
  EXPECT_EQ(bytes_of(*rig.tier, p.master), before);
  const FaultReport fault = rig.tier->take_fault();
  EXPECT_EQ(fault.fault, Fault::gradient_not_finite);
  EXPECT_EQ(fault.index, 17);
}

TEST(Optimizer, RefusesSenselessOptions) {
  Rig rig;
  const auto refuse = [&](const OptimizerOptions& o, const char* name) {
    expect_error([&] { Optimizer(rig.model, o); }, ErrorKind::usage, {name});
  };
  refuse({.beta1 = 1}, "beta1 is 1");
  refuse({.beta2 = -0.1}, "beta2 is -0.1");
  refuse({.epsilon = 0}, "epsilon is 0");
  refuse({.weight_decay = -1}, "weight_decay is -1");
  refuse({.clip = 0}, "clip is 0");
}

TEST(Initialize, StandardDeviationNormsAndBiases) {
  Rig rig;
  double sum = 0, squares = 0, count = 0;
  for (const Parameter& p : rig.model.parameters().all()) {
    for (const double x : values_of(*rig.tier, p.master)) {
      if (p.kind == ParameterKind::vector) {
        EXPECT_EQ(x, 1) << p.name;
      } else if (p.kind == ParameterKind::bias) {
        EXPECT_EQ(x, 0) << p.name;
      } else {
        sum += x, squares += x * x, ++count;
      }
    }
  }
  EXPECT_NEAR(sum / count, 0, 5 * 0.02 / std::sqrt(count));
  EXPECT_NEAR(std::sqrt(squares / count), 0.02, 5 * 0.02 / std::sqrt(2 * count));
}

TEST(Initialize, DependsOnNameAndSeedAlone) {
  ModelConfig without_mtp = testing::small_config();
  without_mtp.num_nextn_predict_layers = 0;
  Rig f64, f32(Precision::f32), shorter(Precision::f64, without_mtp);
  for (const Parameter& p : shorter.model.parameters().all()) {
    const auto values = values_of(*shorter.tier, p.master);
    EXPECT_EQ(values, values_of(*f64.tier, f64.model.parameters().at(p.name).master)) << p.name;
    EXPECT_EQ(values, values_of(*f32.tier, f32.model.parameters().at(p.name).master)) << p.name;
  }
  const auto& head = f64.model.parameters().at("lm_head.weight").master;
  const auto& table = f64.model.parameters().at("model.embed_tokens.weight").master;
  EXPECT_NE(values_of(*f64.tier, head), values_of(*f64.tier, table));
  initialize_parameters(f32.model, 2);
  EXPECT_NE(values_of(*f64.tier, head),
            values_of(*f32.tier, f32.model.parameters().at("lm_head.weight").master));
}

}  // namespace
}  // namespace triptych

// ctest: timeout=120 labels=sanitize
// The composed MoE layer: its gradients against central differences, its policies against f64, one token
// against the formula, and what a layer of one expert must be.
#include "triptych/moe_layer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/guarded_memory.h"
#include "support/refusals.h"

namespace triptych::testing {
namespace {

/// The parameters and inputs of one layer, in f64, all of them numbers that bf16 has too.
struct Numbers {
  MoeLayerShape shape;
  HostTensor x, dy, router, bias, gate_up, down;
};

HostTensor in_bf16(Shape shape, Values& v, double size) {
  const HostTensor narrow = HostTensor::uniform(DType::bf16, shape, v, -size, size);
  return {DType::f64, shape, narrow.values()};
}

Numbers numbers(std::int64_t t, std::int64_t d, std::int64_t f, std::int64_t e, RouterRule rule,
                std::uint64_t seed = 1) {
  Values v(seed);
  Numbers n;
  n.shape = {.tokens = t, .sequence = std::max<std::int64_t>(t, 1), .width = d, .inner = f, .experts = e, .rule = rule};
  n.x = in_bf16({t, d}, v, 1), n.dy = in_bf16({t, d}, v, 1);
  n.router = in_bf16({e, d}, v, 1), n.bias = in_bf16({e}, v, 0.1);
  n.gate_up = in_bf16({e, 2 * f, d}, v, 2 / std::sqrt(static_cast<double>(d)));
  n.down = in_bf16({e, d, f}, v, 2 / std::sqrt(static_cast<double>(f)));
  return n;
}

struct Results {
  HostTensor y, dx, router, gate_up, down, experts, loss;
};

constexpr double balance = 0.3;

Results run(const Numbers& n, Precision precision, bool backward = true) {
  const auto tier = make_tier({.name = "reference", .threads = 2});
  const DType s = storage_dtype(precision), a = accumulation_dtype(precision);
  MoeLayerShape shape = n.shape;
  shape.precision = precision;
  const std::int64_t t = shape.tokens, d = shape.width, e = shape.experts;
  Arena plan;
  take_moe_layer_saved(plan, shape), take_moe_layer_scratch(plan, shape);
  Arena arena(*tier, plan.used());
  const MoeLayerSaved saved = take_moe_layer_saved(arena, shape);
  const MoeLayerScratch scratch = take_moe_layer_scratch(arena, shape);
  GuardedMemory m(*tier);
  const auto in = [&](const char* name, const HostTensor& v, DType dtype) {
    return m.input(name, HostTensor(dtype, v.shape(), v.values()));
  };
  MoeLayerWeights w;
  w.router = in("router", n.router, a), w.router_bias = in("bias", n.bias, a);
  w.gate_up = in("gate_up", n.gate_up, s), w.down = in("down", n.down, s);
  if (precision == Precision::fp8) {
    const auto quantised = [&](const ConstTensor& from) {
      const std::int64_t rows = from.shape[1], columns = from.shape[2];
      const auto blocks = [](std::int64_t c) { return (c + 127) / 128; };
      const QuantizedWeight q{m.update("q", HostTensor(DType::e4m3, {e, rows, columns})),
                              m.update("qT", HostTensor(DType::e4m3, {e, columns, rows})),
                              m.update("scale", HostTensor(DType::f32, {e, blocks(rows), blocks(columns)}))};
      tier->quantize_weight({from, q, ScaleRule::exact});
      return q;
    };
    w.fp8_gate_up = quantised(w.gate_up), w.fp8_down = quantised(w.down);
  }
  const Tensor x = in("x", n.x, s), y = m.output("y", s, {t, d}), dx = m.output("dx", s, {t, d});
  const Tensor load = m.update("load", HostTensor(DType::i32, {e})), loss = m.update("loss", HostTensor(a, {1}));
  tier->moe_layer_forward({.shape = shape, .x = x, .weights = w, .balance_weight = balance, .saved = saved,
                           .scratch = scratch, .load = load, .balance_loss = loss, .y = y});
  const MoeLayerGradients g{m.update("drouter", HostTensor(a, n.router.shape())),
                            m.update("dgate_up", HostTensor(a, n.gate_up.shape())),
                            m.update("ddown", HostTensor(a, n.down.shape()))};
  if (backward) {
    tier->reserve_scratch(std::size_t{1} << 20);
    tier->moe_layer_backward({.shape = shape, .x = x, .dy = in("dy", n.dy, s), .weights = w,
                              .balance_weight = balance, .saved = saved, .scratch = scratch, .gradients = g,
                              .dx = dx});
  }
  EXPECT_EQ(tier->take_fault().fault, Fault::none);
  EXPECT_EQ(m.damage(), "");
  return {m.read(y), m.read(dx), m.read(g.router), m.read(g.gate_up), m.read(g.down), m.read(saved.experts),
          m.read(loss)};
}

double inner(const HostTensor& a, const HostTensor& b) {
  double sum = 0;
  for (std::int64_t i = 0; i < a.count(); ++i) sum += a[i] * b[i];
  return sum;
}

void expect_gradients(const Numbers& n) {
  const Results at = run(n, Precision::f64);
  // The backward's dy is r; the balance loss comes with its own weight already.
  const auto value = [&](const Numbers& moved) {
    const Results r = run(moved, Precision::f64, false);
    EXPECT_EQ(r.experts.values(), at.experts.values()) << "the choice moved: take another seed";
    return inner(n.dy, r.y) + r.loss[0];
  };
  Values v(5);
  constexpr double h = 1e-5;
  const auto check = [&](const char* name, HostTensor Numbers::*field, const HostTensor& gradient) {
    for (int direction = 0; direction < 2; ++direction) {
      const HostTensor d = HostTensor::uniform(DType::f64, gradient.shape(), v, -1, 1);
      Numbers up = n, down = n;
      for (std::int64_t i = 0; i < d.count(); ++i) {
        (up.*field).set(i, (up.*field)[i] + h * d[i]);
        (down.*field).set(i, (down.*field)[i] - h * d[i]);
      }
      const double size = std::sqrt(inner(gradient, gradient) * inner(d, d));
      ASSERT_GT(size, 0) << name;
      EXPECT_NEAR(inner(gradient, d) / size, (value(up) - value(down)) / (2 * h) / size, 1e-6) << name;
    }
  };
  check("x", &Numbers::x, at.dx);
  check("router", &Numbers::router, at.router);
  check("gate_up", &Numbers::gate_up, at.gate_up);
  check("down", &Numbers::down, at.down);
}

TEST(MoeLayer, GradientsAreTheDifferences) {
  expect_gradients(numbers(13, 11, 7, 8, {.experts_per_token = 3, .groups = 4, .groups_per_token = 2, .gate_scale = 2.5}));
  expect_gradients(numbers(7, 5, 3, 3, {.experts_per_token = 2}));
  expect_gradients(numbers(1, 3, 2, 4, {.experts_per_token = 2, .normalize_gates = false}));
  // More experts than rows: some are empty.
  expect_gradients(numbers(3, 5, 2, 16, {.experts_per_token = 2}));
}

TEST(MoeLayer, AllTokensOnOneExpert) {
  Numbers n = numbers(13, 5, 3, 4, {.experts_per_token = 1, .normalize_gates = false});
  n.bias.set(2, 5);
  const Results r = run(n, Precision::f64, false);
  for (const double expert : r.experts.values()) ASSERT_EQ(expert, 2);
  expect_gradients(n);
}

TEST(MoeLayer, NoTokensAreNoFault) {
  const Results r = run(numbers(0, 128, 128, 4, {.experts_per_token = 2}), Precision::bf16);
  EXPECT_EQ(r.y.count(), 0);
  for (const HostTensor* gradient : {&r.router, &r.gate_up, &r.down}) {
    for (const double value : gradient->values()) ASSERT_EQ(value, 0);
  }
}

/// |got - want| / |want| of whole tensors.
double distance(const HostTensor& got, const HostTensor& want) {
  double error = 0;
  for (std::int64_t i = 0; i < got.count(); ++i) error += (got[i] - want[i]) * (got[i] - want[i]);
  return std::sqrt(error / inner(want, want));
}

// f32: sums of up to 256 terms, 256 · 2^-24. bf16: five roundings of 2^-9 each, and gradients that meet
// them twice. fp8: two operands of each product with errors of 2^-4 at most, 2^-4/√3 on average, and two
// products one after another, three in the backward.
TEST(MoeLayer, PoliciesStayBesideF64) {
  const Numbers n = numbers(61, 128, 128, 8, {.experts_per_token = 2, .groups = 4, .groups_per_token = 2});
  const Results want = run(n, Precision::f64);
  for (const auto& [precision, limit] :
       {std::pair{Precision::f32, 1e-5}, {Precision::bf16, 0.02}, {Precision::fp8, 0.15}}) {
    const Results got = run(n, precision);
    ASSERT_EQ(got.experts.values(), want.experts.values());
    EXPECT_LT(distance(got.y, want.y), limit) << name_of(precision);
    EXPECT_LT(distance(got.dx, want.dx), limit) << name_of(precision);
    EXPECT_LT(distance(got.router, want.router), limit) << name_of(precision);
    EXPECT_LT(distance(got.gate_up, want.gate_up), limit) << name_of(precision);
    EXPECT_LT(distance(got.down, want.down), limit) << name_of(precision);
    // The policy is really another one.
    EXPECT_GT(distance(got.y, want.y), precision == Precision::f32 ? 1e-9 : limit / 50) << name_of(precision);
  }
}

TEST(MoeLayer, OneTokenIsTheSumOfItsExpertsByTheFormula) {
  const Numbers n = numbers(5, 7, 3, 4, {.experts_per_token = 2, .gate_scale = 2});
  const Results got = run(n, Precision::f64);
  const std::int64_t d = 7, f = 3, e = 4;
  for (std::int64_t t = 0; t < 5; ++t) {
    std::vector<double> score(4), want(7);
    for (std::int64_t i = 0; i < e; ++i) {
      double logit = 0;
      for (std::int64_t c = 0; c < d; ++c) logit += n.x[t * d + c] * n.router[i * d + c];
      score[static_cast<std::size_t>(i)] = 1 / (1 + std::exp(-logit));
    }
    const auto first = static_cast<std::int64_t>(got.experts[t * 2]);
    const auto second = static_cast<std::int64_t>(got.experts[t * 2 + 1]);
    const double sum = score[static_cast<std::size_t>(first)] + score[static_cast<std::size_t>(second)];
    for (const std::int64_t i : {first, second}) {
      const double gate = 2 * score[static_cast<std::size_t>(i)] / sum;
      for (std::int64_t j = 0; j < f; ++j) {
        double g = 0, u = 0;
        for (std::int64_t c = 0; c < d; ++c) {
          g += n.x[t * d + c] * n.gate_up[(i * 2 * f + j) * d + c];
          u += n.x[t * d + c] * n.gate_up[(i * 2 * f + f + j) * d + c];
        }
        const double act = gate * g / (1 + std::exp(-g)) * u;
        for (std::int64_t c = 0; c < d; ++c) {
          want[static_cast<std::size_t>(c)] += act * n.down[(i * d + c) * f + j];
        }
      }
    }
    for (std::int64_t c = 0; c < d; ++c) {
      EXPECT_NEAR(got.y[t * d + c], want[static_cast<std::size_t>(c)], 1e-13) << t << ' ' << c;
    }
  }
}

using MoeLayerRefusals = RefusalTest;

TEST_F(MoeLayerRefusals, Forward) {
  using Args = MoeLayerForward;
  const MoeLayerShape shape{.tokens = 6, .sequence = 3, .width = 5, .inner = 4, .experts = 4,
                            .rule = {.experts_per_token = 2}, .precision = Precision::bf16};
  Arena plan;
  take_moe_layer_saved(plan, shape), take_moe_layer_scratch(plan, shape);
  Arena arena(tier(), plan.used());
  Args good{.shape = shape, .x = take(DType::bf16, {6, 5}), .weights = {}, .balance_weight = 0,
            .saved = take_moe_layer_saved(arena, shape), .scratch = take_moe_layer_scratch(arena, shape),
            .load = take(DType::i32, {4}), .balance_loss = take(DType::f32, {1}), .y = take(DType::bf16, {6, 5})};
  good.weights.router = take(DType::f32, {4, 5}), good.weights.router_bias = take(DType::f32, {4});
  good.weights.gate_up = take(DType::bf16, {4, 8, 5}), good.weights.down = take(DType::bf16, {4, 5, 4});
  const Refusals r("moe_layer_forward", good, [&](const Args& a) { tier().moe_layer_forward(a); });
  r.tensor(&Args::x, "x");
  r.tensor(&Args::load, "load");
  r.tensor(&Args::balance_loss, "balance_loss");
  r.tensor(&Args::y, "y");
  r.overlap(&Args::y, &Args::x, "y overlaps x");
  r.when([](Args& a) { a.weights.down = {}; }, {"weights.down is f32, wanted bf16"});
  r.when([](Args& a) { a.weights.gate_up.shape = {4, 5, 8}; }, {"weights.gate_up is [4, 5, 8]", "[E,2F,D] = [4, 8, 5]"});
  r.when([](Args& a) { a.shape.inner = 0; }, {"F = 0", "wanted positive extents"});
  r.when([](Args& a) { a.shape.sequence = 0; }, {"sequences of 0 tokens do not divide 6 tokens"});
  r.when([](Args& a) { a.shape.rule.groups = 3; }, {"3 groups do not divide 4 experts"});
  r.when([](Args& a) { a.shape.precision = Precision::fp8; }, {"D = 5 and F = 4 must be multiples of 128"});
}

TEST_F(MoeLayerRefusals, MemoryForWhatMakesNoSense) {
  Arena plan;
  MoeLayerShape shape{.tokens = 6, .sequence = 0, .width = 5, .inner = 4, .experts = 4, .rule = {}};
  expect_error([&] { take_moe_layer_saved(plan, shape); }, ErrorKind::usage, {"take_moe_layer_saved: ", "sequences of 0"});
  expect_error([&] { take_moe_layer_scratch(plan, shape); }, ErrorKind::usage, {"take_moe_layer_scratch: "});
  shape.sequence = 6, shape.precision = Precision::fp8;
  expect_error([&] { take_moe_layer_saved(plan, shape); }, ErrorKind::usage, {"multiples of 128"});
}

}  // namespace
}  // namespace triptych::testing

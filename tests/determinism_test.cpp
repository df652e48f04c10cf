// ctest: timeout=300 labels=threads tsan=*Threads* processors=3
// What must not change a bit: the number of threads, the number of rows, and the place of a row.
#include <gtest/gtest.h>

#include <cstring>

#include "small_run.h"
#include "support/guarded_memory.h"
#include "support/op_test.h"
#include "support/oracle_quantize.h"

namespace triptych::testing {
namespace {

/// An operation as a function of rows: it gets rows of each of its inputs, and gives rows of outputs.
struct RowOperation {
  std::string name;
  std::vector<HostTensor> inputs;  // of `all` rows each
  std::function<std::vector<HostTensor>(Tier&, const std::vector<HostTensor>&)> apply;
};

constexpr std::int64_t all_rows = 700;  // over a task's 640 rows, and a token_chunk
constexpr std::int64_t width = 259, inner = 67;

std::unique_ptr<Tier> reference(int threads) { return make_tier({.name = "reference", .threads = threads}); }

/// Attention, forward and backward: what a row is to others is a sequence to it.
template <class Random>
RowOperation attention_over_sequences(DType s, const Random& random) {
  constexpr std::int64_t tokens = 5, heads = 2, n = 3, p = 2, v = 7;
  const DType a = accumulation_of(s);
  const HostTensor cos = random(a, {tokens, p / 2}), sin = random(a, {tokens, p / 2});
  return {"attention",
          {random(s, {all_rows, tokens, heads, n + p}), random(s, {all_rows, tokens, heads, n + v}),
           random(s, {all_rows, tokens, p}), random(s, {all_rows, tokens, heads, v})},
          [=](Tier& tier, const auto& x) {
            GuardedMemory m(tier);
            const Tensor q = m.input("q", x[0]), kv = m.input("kv", x[1]), k_rope = m.input("k_rope", x[2]);
            const Tensor c = m.input("cos", cos), d = m.input("sin", sin), dout = m.input("dout", x[3]);
            const Tensor out = m.output("out", s, dout.shape);
            const Tensor lse = m.output("lse", a, {q.shape[0], heads, tokens});
            tier.attention_forward({q, kv, k_rope, c, d, 0.5, out, lse});
            const Tensor dq = m.output("dq", s, q.shape), dkv = m.output("dkv", s, kv.shape);
            const Tensor dk = m.output("dk_rope", s, k_rope.shape);
            tier.attention_backward({q, kv, k_rope, c, d, 0.5, out, lse, dout, dq, dkv, dk});
            return std::vector{m.read(out), m.read(lse), m.read(dq), m.read(dkv), m.read(dk)};
          }};
}

/// The whole layer: a token's rows lie elsewhere among the experts' when there are other tokens.
template <class Random>
RowOperation moe_layer_over_tokens(DType s, Precision precision, const Random& random) {
  const bool fp8 = precision == Precision::fp8;
  const std::int64_t d = fp8 ? 128 : 37, f = fp8 ? 128 : 11, e = 6;
  const DType a = accumulation_of(s);
  const HostTensor router = random(a, {e, d}), bias = random(a, {e});
  const HostTensor gate_up = random(s, {e, 2 * f, d}), down = random(s, {e, d, f});
  return {fp8 ? "moe_layer, fp8" : "moe_layer", {random(s, {all_rows, d}), random(s, {all_rows, d})},
          [=](Tier& tier, const auto& x) {
            GuardedMemory m(tier);
            const std::int64_t t = x[0].shape()[0];
            const MoeLayerShape shape{.tokens = t, .sequence = 1, .width = d, .inner = f, .experts = e,
                                      .rule = {.experts_per_token = 3, .groups = 3, .groups_per_token = 2},
                                      .precision = precision};
            Arena plan;
            take_moe_layer_saved(plan, shape), take_moe_layer_scratch(plan, shape);
            Arena arena(tier, plan.used());
            const MoeLayerSaved saved = take_moe_layer_saved(arena, shape);
            const MoeLayerScratch scratch = take_moe_layer_scratch(arena, shape);
            MoeLayerWeights w;
            w.router = m.input("router", router), w.router_bias = m.input("bias", bias);
            w.gate_up = m.input("gate_up", gate_up), w.down = m.input("down", down);
            if (fp8) {
              w.fp8_gate_up = {m.output("q", DType::e4m3, {e, 2 * f, d}), m.output("qT", DType::e4m3, {e, d, 2 * f}),
                               m.output("scale", DType::f32, {e, 2, 1})};
              w.fp8_down = {m.output("q", DType::e4m3, {e, d, f}), m.output("qT", DType::e4m3, {e, f, d}),
                            m.output("scale", DType::f32, {e, 1, 1})};
              tier.quantize_weight({w.gate_up, w.fp8_gate_up, ScaleRule::exact});
              tier.quantize_weight({w.down, w.fp8_down, ScaleRule::exact});
            }
            const Tensor in = m.input("x", x[0]), y = m.output("y", s, in.shape), dx = m.output("dx", s, in.shape);
            tier.moe_layer_forward({.shape = shape, .x = in, .weights = w, .balance_weight = 0.1, .saved = saved,
                                    .scratch = scratch, .load = m.update("load", HostTensor(DType::i32, {e})),
                                    .balance_loss = m.update("loss", HostTensor(a, {1})), .y = y});
            const MoeLayerGradients g{m.update("drouter", HostTensor(a, router.shape())),
                                      m.update("dgate_up", HostTensor(a, gate_up.shape())),
                                      m.update("ddown", HostTensor(a, down.shape()))};
            tier.moe_layer_backward({.shape = shape, .x = in, .dy = m.input("dy", x[1]), .weights = w,
                                     .balance_weight = 0.1, .saved = saved, .scratch = scratch, .gradients = g,
                                     .dx = dx});
            return std::vector{m.read(y), m.read(dx)};
          }};
}

/// The operations that treat each row by itself, in one storage type.
std::vector<RowOperation> operations(DType s) {
  Values v(7);
  const DType a = accumulation_of(s);
  const auto random = [&](DType dtype, Shape shape) { return HostTensor::uniform(dtype, shape, v, -1, 1); };
  std::vector<RowOperation> all;
  const HostTensor w = random(s, {1, inner, width});
  all.push_back({"grouped_gemm_forward", {random(s, {all_rows, width})}, [=](Tier& tier, const auto& x) {
                   GuardedMemory m(tier);
                   const Tensor y = m.output("y", s, {x[0].shape()[0], inner});
                   tier.grouped_gemm_forward({.x = m.input("x", x[0]), .w = m.input("w", w), .y = y});
                   return std::vector{m.read(y)};
                 }});
  all.push_back({"grouped_gemm_dgrad", {random(s, {all_rows, inner})}, [=](Tier& tier, const auto& x) {
                   GuardedMemory m(tier);
                   const Tensor dx = m.output("dx", a, {x[0].shape()[0], width});
                   tier.grouped_gemm_dgrad({.dy = m.input("dy", x[0]), .w = m.input("w", w), .dx = dx});
                   return std::vector{m.read(dx)};
                 }});
  const HostTensor gamma = random(a, {width});
  all.push_back({"rms_norm", {random(s, {all_rows, width}), random(s, {all_rows, width})},
                 [=](Tier& tier, const auto& x) {
                   GuardedMemory m(tier);
                   const Tensor y = m.output("y", s, x[0].shape()), dx = m.output("dx", s, x[0].shape());
                   const Tensor in = m.input("x", x[0]), g = m.input("gamma", gamma);
                   const Tensor dgamma = m.update("dgamma", HostTensor(a, {width}));
                   tier.rms_norm_forward({in, g, 1e-6, y});
                   const RmsNormBackward back{in, g, 1e-6, m.input("dy", x[1]), dx, dgamma};
                   tier.rms_norm_backward(back);
                   return std::vector{m.read(y), m.read(dx)};
                 }});
  all.push_back({"swiglu", {random(s, {all_rows, 2 * inner}), random(a, {all_rows}), random(s, {all_rows, inner})},
                 [=](Tier& tier, const auto& x) {
                   GuardedMemory m(tier);
                   const std::int64_t r = x[0].shape()[0];
                   const Tensor act = m.output("act", s, {r, inner}), dx = m.output("dx", s, x[0].shape());
                   const Tensor dw = m.output("dweight", a, {r}), in = m.input("gate_up", x[0]);
                   const Tensor weight = m.input("weight", x[1]);
                   tier.swiglu_forward({.gate_up = in, .weight = weight, .act = act});
                   tier.swiglu_backward({.gate_up = in, .weight = weight, .dact = m.input("dact", x[2]),
                                         .dgate_up = dx, .dweight = dw});
                   return std::vector{m.read(act), m.read(dx), m.read(dw)};
                 }});
  const HostTensor centroids = random(a, {16, width}), bias = random(a, {16});
  all.push_back({"router", {random(s, {all_rows, width}), random(a, {all_rows, 4})}, [=](Tier& tier, const auto& x) {
                   GuardedMemory m(tier);
                   const std::int64_t t = x[0].shape()[0];
                   const RouterForward f{m.input("x", x[0]), m.input("weight", centroids), m.input("bias", bias),
                                         {.experts_per_token = 4, .groups = 4, .groups_per_token = 2}, 1, 0.0,
                                         m.output("scores", a, {t, 16}), m.output("experts", DType::i32, {t, 4}),
                                         m.output("gates", a, {t, 4}), m.update("load", HostTensor(DType::i32, {16})),
                                         m.output("fraction", a, {t, 16}), m.update("loss", HostTensor(a, {1}))};
                   tier.router_forward(f);
                   const Tensor dx = m.output("dx", s, x[0].shape());
                   const Tensor dweight = m.update("dweight", HostTensor(a, centroids.shape()));
                   tier.router_backward({f.x, f.weight, f.rule, 1, 0.1, f.scores, f.experts, f.fraction,
                                         m.input("dgates", x[1]), dx, dweight});
                   return std::vector{m.read(f.scores), m.read(f.experts), m.read(f.gates), m.read(dx)};
                 }});
  all.push_back({"cross_entropy", {random(s, {all_rows, inner})}, [=](Tier& tier, const auto& x) {
                   GuardedMemory m(tier);
                   const std::int64_t t = x[0].shape()[0];
                   const Tensor dz = m.output("dlogits", s, x[0].shape());
                   tier.cross_entropy({m.input("logits", x[0]), m.input("targets", HostTensor(DType::i32, {t})), 1,
                                       m.update("loss", HostTensor(a, {1})), dz});
                   return std::vector{m.read(dz)};
                 }});
  all.push_back(attention_over_sequences(s, random));
  all.push_back(moe_layer_over_tokens(s, s == DType::f64 ? Precision::f64 : s == DType::f32 ? Precision::f32
                                                                                      : Precision::bf16, random));
  if (s != DType::bf16) return all;
  all.push_back(moe_layer_over_tokens(s, Precision::fp8, random));
  const HostTensor square = random(DType::bf16, {1, 256, 128});
  all.push_back({"fp8", {random(s, {all_rows, 128})}, [=](Tier& tier, const auto& x) {
                   GuardedMemory m(tier);
                   const std::int64_t r = x[0].shape()[0];
                   const QuantizedRows q{m.output("q", DType::e4m3, {r, 128}), m.output("scale", DType::f32, {r, 1})};
                   const QuantizedWeight weight{m.output("wq", DType::e4m3, {1, 256, 128}),
                                                m.output("wqT", DType::e4m3, {1, 128, 256}),
                                                m.output("wscale", DType::f32, {1, 2, 1})};
                   const Tensor y = m.output("y", s, {r, 256});
                   tier.quantize_rows({m.input("x", x[0]), q, ScaleRule::exact});
                   tier.quantize_weight({m.input("w", square), weight, ScaleRule::exact});
                   tier.grouped_gemm_fp8_forward({q, weight, {}, y});
                   return std::vector{m.read(q.q), m.read(q.scale), m.read(y)};
                 }});
  return all;
}

/// `count` rows of every input from `begin` on.
std::vector<HostTensor> part(const std::vector<HostTensor>& inputs, std::int64_t begin, std::int64_t count) {
  std::vector<HostTensor> rows;
  for (const HostTensor& each : inputs) rows.push_back(each.rows(begin, count));
  return rows;
}

class Determinism : public ::testing::TestWithParam<DType> {};

TEST_P(Determinism, ARowsBitsDependNeitherOnItsPlaceNorOnTheOtherRows) {
  const auto tier = reference(2);
  for (const RowOperation& op : operations(GetParam())) {
    SCOPED_TRACE(op.name);
    const auto whole = op.apply(*tier, op.inputs);
    for (const std::int64_t count : {1, 2, 3, 5, 7, 11, 12, 13, 16, 17, 31, 64, 127, 639, 641}) {
      for (const std::int64_t begin : {std::int64_t{0}, std::int64_t{1}, all_rows - count}) {
        if (begin + count > all_rows) continue;
        const auto some = op.apply(*tier, part(op.inputs, begin, count));
        for (std::size_t i = 0; i < some.size(); ++i) {
          ASSERT_EQ(some[i].bytes(), whole[i].rows(begin, count).bytes())
              << "output " << i << " of rows " << begin << " … " << begin + count - 1;
        }
      }
    }
  }
}

TEST_P(Determinism, TheNumberOfThreadsChangesNoBit) {
  for (const RowOperation& op : operations(GetParam())) {
    SCOPED_TRACE(op.name);
    const auto one = op.apply(*reference(1), op.inputs);
    for (const int threads : {2, 3}) {
      const auto many = op.apply(*reference(threads), op.inputs);
      for (std::size_t i = 0; i < one.size(); ++i) {
        EXPECT_TRUE(same_bits(op.name, many[i], one[i], Zeros::expected)) << threads << " threads";
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Storage, Determinism, ::testing::Values(DType::f64, DType::f32, DType::bf16),
                         [](const auto& test) { return std::string(name_of(test.param)); });

/// All parameters' bits after a few steps.
std::vector<std::vector<double>> trained(Precision precision, int threads) {
  const ModelConfig config = precision == Precision::fp8 ? fp8_config() : small_config();
  SmallRun run(config, small_options(precision), threads);
  for (int i = 0; i < 4; ++i) run->step();
  std::vector<std::vector<double>> all;
  Tier& tier = run->model().tier();
  for (const Parameter& p : run->model().parameters().all()) {
    std::vector<double> bits(static_cast<std::size_t>(p.master.count()));
    std::vector<std::byte> raw(p.master.bytes());
    tier.download(raw.data(), p.master);
    for (std::size_t i = 0; i < bits.size(); ++i) {
      if (p.master.dtype == DType::f64) {
        std::memcpy(&bits[i], raw.data() + 8 * i, 8);
      } else {
        float value;
        std::memcpy(&value, raw.data() + 4 * i, 4);
        bits[i] = value;
      }
    }
    all.push_back(std::move(bits));
  }
  return all;
}

TEST(Training, TheNumberOfThreadsChangesNoBit) {
  for (const Precision precision : {Precision::f64, Precision::f32, Precision::bf16, Precision::fp8}) {
    const auto one = trained(precision, 1);
    EXPECT_EQ(trained(precision, 2), one) << name_of(precision);
    EXPECT_EQ(trained(precision, 3), one) << name_of(precision);
  }
}

}  // namespace
}  // namespace triptych::testing

// ctest: timeout=60 labels=sanitize
// Linear layers and the dense feed-forward layer quantise where docs/rounding.md says, in bits; and a block keeps
// attention's output for its backward as E5M6.
#include <gtest/gtest.h>

#include "model/block.h"
#include "support/comparator.h"
#include "support/guarded_memory.h"

namespace triptych::testing {
namespace {

constexpr std::int64_t t_count = 37, d = 128, f = 128, heads = 2, nope = 32, rope = 32, value = 64;

struct Policy {
  Precision precision;
  ScaleRule rule = ScaleRule::exact;
  Fp8Accumulation accumulation = Fp8Accumulation::promoted;
};
void PrintTo(const Policy& p, std::ostream* out) { *out << name_of(p.precision); }

BlockShape shape_for(const Policy& policy) {
  BlockShape s;
  s.sequence = t_count, s.width = d, s.heads = heads, s.nope = nope, s.rope = rope, s.value = value;
  s.q_rank = 128, s.kv_rank = 96, s.dense_inner = f, s.scale = 0.125;
  s.precision = policy.precision, s.scale_rule = policy.rule, s.accumulation = policy.accumulation;
  s.moe = {.tokens = t_count, .sequence = t_count, .width = d, .inner = f, .experts = 1, .rule = {},
           .precision = policy.precision};
  return s;
}

class Linear : public ::testing::TestWithParam<Policy> {
 protected:
  Linear()
      : tier_(make_tier({.name = "reference", .threads = 2})),
        m_(*tier_),
        shape_(shape_for(GetParam())),
        parameters_({.precision = GetParam().precision, .scale_rule = GetParam().rule}),
        block_(parameters_, shape_, 0, false),
        wide_(&parameters_.add("wide", ParameterKind::linear, {1, 2 * f, d})) {
    const auto take = [&](Arena& arena) {
      parameters_.take(arena);
      block_.take_saved(arena, {});
      scratch_ = take_block_scratch(arena, shape_);
    };
    Arena plan;
    take(plan);
    arena_ = std::make_unique<Arena>(*tier_, plan.used());
    take(*arena_);
    tier_->zero(parameters_.gradients());
    for (const Parameter& p : parameters_.all()) {
      const bool gain = p.kind == ParameterKind::vector;
      const HostTensor v = HostTensor::uniform(p.master.dtype, p.shape, values_, gain ? 0.5 : -0.2, gain ? 1.5 : 0.2);
      tier_->upload(p.master, v.bytes().data());
    }
    parameters_.refresh(*tier_);
    cos_ = random("cos", accumulation_dtype(shape_.precision), {t_count, rope / 2});
    sin_ = random("sin", accumulation_dtype(shape_.precision), {t_count, rope / 2});
    x_ = random("x", shape_.store(), {t_count, d});
  }
  bool fp8() const { return shape_.precision == Precision::fp8; }
  BlockContext context() const { return {*tier_, shape_, scratch_, cos_, sin_, 0, {}}; }
  Tensor random(const char* name, DType dtype, Shape shape) {
    return m_.input(name, HostTensor::uniform(dtype, shape, values_, -1, 1));
  }
  Tensor out(Shape shape) { return m_.output("an output", shape_.store(), shape); }
  Tensor like(const Tensor& gradient) { return m_.update("a sum", HostTensor(gradient.dtype, gradient.shape)); }
  QuantizedRows codes(const ConstTensor& x, DType dtype, ScaleRule rule) {
    const QuantizedRows q{m_.output("q", dtype, x.shape),
                          m_.output("scale", DType::f32, {x.shape[0], (x.shape[1] + 127) / 128})};
    tier_->quantize_rows({x, q, rule});
    return q;
  }
  QuantizedRows codes(const ConstTensor& x) { return codes(x, DType::e4m3, shape_.scale_rule); }
  QuantizedColumns columns(const ConstTensor& x, const QuantizedRows& q) {
    const std::int64_t c = q.q.absent() ? x.shape[1] : q.q.shape[1];
    QuantizeTranspose args;
    args.x = x, args.quantized = q, args.rule = shape_.scale_rule;
    args.out = {m_.output("qT", DType::e4m3, {c, 128}), m_.output("scale", DType::f32, {c, 1})};
    tier_->quantize_transpose(args);
    return args.out;
  }
  /// The weight gradient by hand: x along its columns from its codes, or from its values.
  Tensor wgrad(const Parameter& w, const ConstTensor& x, const ConstTensor& dy, bool exact_x) {
    const Tensor dw = like(w.grad);
    if (fp8()) {
      tier_->grouped_gemm_fp8_wgrad({columns(dy, {}), exact_x ? columns(x, {}) : columns({}, codes(x)), {}, dw, true,
                                     shape_.accumulation});
    } else {
      tier_->grouped_gemm_wgrad({.dy = dy, .x = x, .dw = dw});
    }
    return dw;
  }

  std::unique_ptr<Tier> tier_;
  GuardedMemory m_;
  Values values_{1};
  BlockShape shape_;
  Parameters parameters_;
  Block block_;
  const Parameter* wide_;
  std::unique_ptr<Arena> arena_;
  BlockScratch scratch_;
  Tensor cos_, sin_, x_;
};

TEST_P(Linear, ForwardAndBackwardInBits) {
  ASSERT_EQ(wide_->quantized(), fp8());
  const Tensor y = out({t_count, 2 * f}), want_y = out({t_count, 2 * f});
  const Tensor dy = random("dy", shape_.store(), {t_count, 2 * f}), dx = out({t_count, d}), want_dx = out({t_count, d});
  linear_forward(context(), *wide_, x_, y);
  if (fp8()) {
    tier_->grouped_gemm_fp8_forward({codes(x_), wide_->fp8, {}, want_y, shape_.accumulation});
    tier_->grouped_gemm_fp8_dgrad({codes(dy), wide_->fp8, {}, want_dx, shape_.accumulation});
  } else {
    tier_->grouped_gemm_forward({.x = x_, .w = wide_->value(), .y = want_y});
    tier_->grouped_gemm_dgrad({.dy = dy, .w = wide_->value(), .dx = want_dx});
  }
  EXPECT_TRUE(same_bits("y", m_.read(y), m_.read(want_y)));
  for (const bool exact_x : {false, true}) {
    tier_->zero(wide_->grad);
    linear_backward(context(), *wide_, x_, dy, dx, exact_x);
    EXPECT_TRUE(same_bits("dx", m_.read(dx), m_.read(want_dx)));
    EXPECT_TRUE(same_bits("dw", m_.read(wide_->grad), m_.read(wgrad(*wide_, x_, dy, exact_x)))) << exact_x;
  }
  tier_->zero(wide_->grad);
  linear_backward(context(), *wide_, x_, dy, {});
  EXPECT_TRUE(same_bits("dw without dx", m_.read(wide_->grad), m_.read(wgrad(*wide_, x_, dy, false))));
  EXPECT_EQ(m_.damage(), "");
}

// Under fp8 gate_up comes back from its codes, and act from that.
TEST_P(Linear, TheDenseLayerIsItsStepsInBits) {
  const BlockContext c = context();
  const Parameter &gate_up = *wide_, &down = parameters_.at("model.layers.0.mlp.down_proj.weight");
  FeedForwardSaved saved;
  if (fp8()) {
    saved.fp8_gate_up = {m_.output("q", DType::e4m3, {t_count, 2 * f}), m_.output("scale", DType::f32, {t_count, 2})};
  } else {
    saved.gate_up = out({t_count, 2 * f});
  }
  const Tensor y = out({t_count, d}), want_y = out({t_count, d}), dx = out({t_count, d}), want_dx = out({t_count, d});
  const Tensor dy = random("dy", shape_.store(), {t_count, d});
  dense_forward(c, gate_up, down, x_, saved, y);
  dense_backward(c, gate_up, down, x_, saved, dy, dx);
  const HostTensor dgate_up = m_.read(gate_up.grad), ddown = m_.read(down.grad);

  const Tensor wide = out({t_count, 2 * f}), act = out({t_count, f}), dact = out({t_count, f});
  const Tensor again = out({t_count, 2 * f}), act_again = out({t_count, f}), dwide = out({t_count, 2 * f});
  linear_forward(c, gate_up, x_, wide);
  tier_->swiglu_forward({.gate_up = wide, .act = act});
  linear_forward(c, down, act, want_y);
  tier_->copy(again, wide);
  if (fp8()) tier_->dequantize_rows({codes(wide), again});
  tier_->swiglu_forward({.gate_up = again, .act = act_again});
  tier_->zero(parameters_.gradients());
  linear_backward(c, down, act_again, dy, dact);
  tier_->swiglu_backward({.gate_up = again, .dact = dact, .dgate_up = dwide});
  linear_backward(c, gate_up, x_, dwide, want_dx);
  EXPECT_TRUE(same_bits("y", m_.read(y), m_.read(want_y)));
  EXPECT_TRUE(same_bits("dx", m_.read(dx), m_.read(want_dx)));
  EXPECT_TRUE(same_bits("dgate_up", dgate_up, m_.read(gate_up.grad)));
  EXPECT_TRUE(same_bits("ddown", ddown, m_.read(down.grad)));
}

// With W_down = 0 the feed-forward part adds nothing, forward or back: so the gradient that reaches the output
// projection is the block's own, and its weight gradient shows what attention's output was kept as.
TEST_P(Linear, ABlockKeepsAttentionsOutputInE5m6) {
  const BlockContext c = context();
  const auto at = [&](const std::string& name) -> const Parameter& { return parameters_.at("model.layers.0." + name); };
  tier_->zero(at("mlp.down_proj.weight").master);
  parameters_.refresh(*tier_);
  const Tensor y = out({t_count, d}), dx = out({t_count, d}), dy = random("dy", shape_.store(), {t_count, d});
  block_.forward(c, x_, y);
  block_.backward(c, x_, dy, dx);

  const auto norm = [&](const ConstTensor& x, const char* gain) {
    const Tensor normed = out(x.shape);
    tier_->rms_norm_forward({x, at(gain).master, 1e-6, normed});
    return normed;
  };
  const auto through = [&](const ConstTensor& x, const char* name) {
    const Tensor to = out({t_count, at(name).shape[1]});
    linear_forward(c, at(name), x, to);
    return to;
  };
  const Tensor normed = norm(x_, "input_layernorm.weight");
  const Tensor q = through(norm(through(normed, "self_attn.q_a_proj.weight"), "self_attn.q_a_layernorm.weight"),
                           "self_attn.q_b_proj.weight");
  const Tensor latent = out({t_count, 96}), key = out({t_count, rope});
  tier_->split_columns({through(normed, "self_attn.kv_a_proj_with_mqa.weight"), latent, key});
  const Tensor kv = through(norm(latent, "self_attn.kv_a_layernorm.weight"), "self_attn.kv_b_proj.weight");
  const Tensor attn = out({t_count, heads * value});
  const Tensor lse = m_.output("lse", accumulation_dtype(shape_.precision), {1, heads, t_count});
  tier_->attention_forward({q.reshape({1, t_count, heads, nope + rope}), kv.reshape({1, t_count, heads, nope + value}),
                            key.reshape({1, t_count, rope}), cos_, sin_, shape_.scale,
                            attn.reshape({1, t_count, heads, value}), lse});
  Tensor kept = attn;
  if (fp8()) {
    kept = out(attn.shape);
    tier_->dequantize_rows({codes(attn, DType::e5m6, ScaleRule::power_of_two), kept});
  }
  const Parameter& projection = at("self_attn.o_proj.weight");
  EXPECT_TRUE(same_bits("do_proj", m_.read(projection.grad), m_.read(wgrad(projection, kept, dy, true))));
  EXPECT_EQ(m_.damage(), "");
}

INSTANTIATE_TEST_SUITE_P(
    Policies, Linear,
    ::testing::Values(Policy{Precision::f64}, Policy{Precision::f32}, Policy{Precision::bf16}, Policy{Precision::fp8},
                      Policy{Precision::fp8, ScaleRule::power_of_two, Fp8Accumulation::promoted},
                      Policy{Precision::fp8, ScaleRule::exact, Fp8Accumulation::hopper}),
    [](const auto& test) { return std::string(name_of(test.param.precision)) + "_" + std::to_string(test.index); });

}  // namespace
}  // namespace triptych::testing

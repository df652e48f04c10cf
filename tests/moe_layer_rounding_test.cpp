// ctest: timeout=60 labels=sanitize
// The composed layer rounds where docs/rounding.md says and nowhere else: its steps are done here once more, one
// after another and each into memory of its own, and all bits must be the same.
#include <gtest/gtest.h>

#include "support/comparator.h"
#include "support/guarded_memory.h"
#include "triptych/moe_layer.h"

namespace triptych::testing {
namespace {

constexpr std::int64_t t_count = 37, d = 128, f = 128, e_count = 8, k_count = 4, r_count = t_count * k_count;
constexpr int groups = 4;  // also the blocks of the combine
constexpr double balance = 0.3;

struct Policy {
  Precision precision;
  ScaleRule rule = ScaleRule::exact;
  Fp8Accumulation accumulation = Fp8Accumulation::promoted;
};
void PrintTo(const Policy& p, std::ostream* out) { *out << name_of(p.precision); }

class MoeLayerRounding : public ::testing::TestWithParam<Policy> {
 protected:
  MoeLayerRounding() : tier_(make_tier({.name = "reference", .threads = 2})), m_(*tier_) {
    shape_ = {.tokens = t_count, .sequence = t_count, .width = d, .inner = f, .experts = e_count,
              .rule = {.experts_per_token = k_count, .groups = groups, .groups_per_token = 2, .gate_scale = 2.5},
              .precision = GetParam().precision, .scale_rule = GetParam().rule,
              .accumulation = GetParam().accumulation};
    x_ = random("x", s(), {t_count, d}, 1), dy_ = random("dy", s(), {t_count, d}, 1);
    w_.router = random("router", a(), {e_count, d}, 0.2), w_.router_bias = random("bias", a(), {e_count}, 0.1);
    w_.gate_up = random("gate_up", s(), {e_count, 2 * f, d}, 0.2);
    w_.down = random("down", s(), {e_count, d, f}, 0.2);
    if (fp8()) w_.fp8_gate_up = both_ways(w_.gate_up), w_.fp8_down = both_ways(w_.down);
  }
  bool fp8() const { return shape_.precision == Precision::fp8; }
  DType s() const { return storage_dtype(shape_.precision); }
  DType a() const { return accumulation_dtype(shape_.precision); }

  Tensor random(const char* name, DType dtype, Shape extents, double size) {
    return m_.input(name, HostTensor::uniform(dtype, extents, values_, -size, size));
  }
  Tensor out(DType dtype, Shape extents) { return m_.output("an output", dtype, extents); }
  Tensor sum(DType dtype, Shape extents) { return m_.update("a sum", HostTensor(dtype, extents)); }

  QuantizedWeight both_ways(const ConstTensor& w) {
    const std::int64_t n = w.shape[1], k = w.shape[2];
    const QuantizedWeight q{out(DType::e4m3, {e_count, n, k}), out(DType::e4m3, {e_count, k, n}),
                            out(DType::f32, {e_count, n / 128, k / 128})};
    tier_->quantize_weight({w, q, shape_.scale_rule});
    return q;
  }
  QuantizedRows codes(const ConstTensor& x) {
    const QuantizedRows q{out(DType::e4m3, x.shape), out(DType::f32, {x.shape[0], x.shape[1] / 128})};
    tier_->quantize_rows({x, q, shape_.scale_rule});
    return q;
  }
  Tensor gathered(const ConstTensor& x) {
    const Tensor rows = out(x.dtype, {r_count, x.shape[1]});
    tier_->dispatch_rows({x, plan_.source_of, k_count, rows});
    return rows;
  }
  QuantizedRows gathered(const QuantizedRows& x) { return {gathered(x.q), gathered(x.scale)}; }
  /// Along the rows of each expert: of values, or of codes.
  QuantizedColumns columns(const ConstTensor& values, const QuantizedRows& of_codes = {}) {
    const std::int64_t c = of_codes.q.absent() ? values.shape[1] : of_codes.q.shape[1];
    const std::int64_t p = padded_rows(r_count, e_count);
    QuantizeTranspose args;
    args.x = values, args.quantized = of_codes, args.rule = shape_.scale_rule;
    args.offsets = plan_.offsets, args.padded_offsets = plan_.padded_offsets;
    args.out = {out(DType::e4m3, {c, p}), out(DType::f32, {c, p / 128})};
    tier_->quantize_transpose(args);
    return args.out;
  }
  /// rows · wᵀ of S, or of E4M3 under fp8.
  Tensor product(const ConstTensor& rows, const ConstTensor& w, const QuantizedRows& q, const QuantizedWeight& wq) {
    const Tensor y = out(s(), {r_count, w.shape[1]});
    if (fp8()) {
      tier_->grouped_gemm_fp8_forward({q, wq, plan_.offsets, y, shape_.accumulation});
    } else {
      tier_->grouped_gemm_forward({rows, w, plan_.offsets, y});
    }
    return y;
  }
  Tensor dgrad(const ConstTensor& dy, const ConstTensor& w, const QuantizedRows& q, const QuantizedWeight& wq) {
    const Tensor dx = out(s(), {r_count, w.shape[2]});
    if (fp8()) {
      tier_->grouped_gemm_fp8_dgrad({q, wq, plan_.offsets, dx, shape_.accumulation});
    } else {
      tier_->grouped_gemm_dgrad({dy, w, plan_.offsets, dx});
    }
    return dx;
  }
  Tensor combined(const ConstTensor& rows) {
    const Tensor y = out(s(), {t_count, d});
    tier_->combine({rows, plan_.row_of, experts_, e_count, groups, y});
    return y;
  }

  void forward_by_hand();
  void backward_by_hand();
  void the_layer();

  std::unique_ptr<Tier> tier_;
  GuardedMemory m_;
  Values values_{1};
  MoeLayerShape shape_;
  Tensor x_, dy_;
  MoeLayerWeights w_;
  // By hand.
  DispatchPlan plan_;
  Tensor scores_, experts_, fraction_, weight_, gate_up_, y_, dx_, loss_, load_;
  QuantizedRows x_codes_, gate_up_codes_;
  MoeLayerGradients g_;
  // The layer's.
  Tensor layer_y_, layer_dx_, layer_loss_, layer_load_;
  MoeLayerGradients layer_g_;
};

void MoeLayerRounding::forward_by_hand() {
  const Tensor gates = out(a(), {t_count, k_count});
  scores_ = out(a(), {t_count, e_count}), experts_ = out(DType::i32, {t_count, k_count});
  fraction_ = out(a(), {1, e_count}), loss_ = sum(a(), {1}), load_ = sum(DType::i32, {e_count});
  tier_->router_forward({x_, w_.router, w_.router_bias, shape_.rule, t_count, balance, scores_, experts_, gates, load_,
                         fraction_, loss_});
  plan_ = {out(DType::i32, {e_count + 1}), out(DType::i32, {e_count + 1}), out(DType::i32, {t_count, k_count}),
           out(DType::i32, {r_count})};
  tier_->dispatch_plan({experts_, plan_});
  weight_ = out(a(), {r_count});
  tier_->dispatch_weights({gates, plan_.source_of, weight_});
  // x is quantised once a token; gate_up is stored in S and, for the backward, as codes; act is an operand in
  // E4M3, made from the gate_up that is in S.
  if (fp8()) x_codes_ = codes(x_);
  gate_up_ = fp8() ? product({}, w_.gate_up, gathered(x_codes_), w_.fp8_gate_up)
                   : product(gathered(x_), w_.gate_up, {}, {});
  const Tensor act = out(s(), {r_count, f});
  tier_->swiglu_forward({.gate_up = gate_up_, .weight = weight_, .act = act});
  y_ = combined(product(act, w_.down, fp8() ? codes(act) : QuantizedRows{}, w_.fp8_down));
}

void MoeLayerRounding::backward_by_hand() {
  // dy is quantised once a token; W_down's weight gradient reads those codes.
  const QuantizedRows dy_codes = fp8() ? gathered(codes(dy_)) : QuantizedRows{};
  const Tensor drows = gathered(dy_), dact = dgrad(drows, w_.down, dy_codes, w_.fp8_down);
  // Under fp8 gate_up comes back from its codes, and act from that.
  Tensor gate_up = gate_up_;
  if (fp8()) {
    gate_up = out(s(), gate_up_.shape);
    tier_->dequantize_rows({codes(gate_up_), gate_up});
  }
  const Tensor dgate_up = out(s(), {r_count, 2 * f}), dweight = out(a(), {r_count}), act = out(s(), {r_count, f});
  tier_->swiglu_backward({.gate_up = gate_up, .weight = weight_, .dact = dact, .dgate_up = dgate_up,
                          .dweight = dweight, .act = act});
  g_ = {sum(a(), {e_count, d}), sum(a(), {e_count, 2 * f, d}), sum(a(), {e_count, d, f})};
  if (fp8()) {
    tier_->grouped_gemm_fp8_wgrad({columns({}, dy_codes), columns(act), plan_.padded_offsets, g_.down, true,
                                   shape_.accumulation});
    tier_->grouped_gemm_fp8_wgrad({columns(dgate_up), columns({}, gathered(x_codes_)), plan_.padded_offsets,
                                   g_.gate_up, true, shape_.accumulation});
  } else {
    tier_->grouped_gemm_wgrad({drows, act, plan_.offsets, g_.down});
    tier_->grouped_gemm_wgrad({dgate_up, gathered(x_), plan_.offsets, g_.gate_up});
  }
  const Tensor through_experts =
      combined(dgrad(dgate_up, w_.gate_up, fp8() ? codes(dgate_up) : QuantizedRows{}, w_.fp8_gate_up));
  const Tensor dgates = out(a(), {t_count, k_count}), through_router = out(s(), {t_count, d});
  tier_->dispatch_weights_backward({dweight, plan_.row_of, dgates});
  tier_->router_backward({x_, w_.router, shape_.rule, t_count, balance, scores_, experts_, fraction_, dgates,
                          through_router, g_.router});
  dx_ = out(s(), {t_count, d});
  tier_->add({through_experts, through_router, dx_});
}

void MoeLayerRounding::the_layer() {
  Arena plan;
  take_moe_layer_saved(plan, shape_), take_moe_layer_scratch(plan, shape_);
  Arena arena(*tier_, plan.used());
  const MoeLayerSaved saved = take_moe_layer_saved(arena, shape_);
  const MoeLayerScratch scratch = take_moe_layer_scratch(arena, shape_);
  layer_y_ = out(s(), {t_count, d}), layer_loss_ = sum(a(), {1}), layer_load_ = sum(DType::i32, {e_count});
  tier_->moe_layer_forward({.shape = shape_, .x = x_, .weights = w_, .balance_weight = balance, .saved = saved,
                            .scratch = scratch, .load = layer_load_, .balance_loss = layer_loss_, .y = layer_y_});
  layer_g_ = {sum(a(), {e_count, d}), sum(a(), {e_count, 2 * f, d}), sum(a(), {e_count, d, f})};
  // dx may take dy's place.
  layer_dx_ = m_.update("dy_and_dx", m_.read(dy_));
  tier_->moe_layer_backward({.shape = shape_, .x = x_, .dy = layer_dx_, .weights = w_, .balance_weight = balance,
                             .saved = saved, .scratch = scratch, .gradients = layer_g_, .dx = layer_dx_});
}

TEST_P(MoeLayerRounding, TheLayerIsItsStepsInBits) {
  forward_by_hand();
  backward_by_hand();
  the_layer();
  EXPECT_EQ(tier_->take_fault().fault, Fault::none);
  EXPECT_EQ(m_.damage(), "");
  EXPECT_TRUE(same_bits("y", m_.read(layer_y_), m_.read(y_)));
  EXPECT_TRUE(same_bits("balance_loss", m_.read(layer_loss_), m_.read(loss_)));
  EXPECT_TRUE(same_bits("load", m_.read(layer_load_), m_.read(load_)));
  EXPECT_TRUE(same_bits("dx", m_.read(layer_dx_), m_.read(dx_)));
  EXPECT_TRUE(same_bits("drouter", m_.read(layer_g_.router), m_.read(g_.router)));
  EXPECT_TRUE(same_bits("dgate_up", m_.read(layer_g_.gate_up), m_.read(g_.gate_up)));
  EXPECT_TRUE(same_bits("ddown", m_.read(layer_g_.down), m_.read(g_.down)));
}

INSTANTIATE_TEST_SUITE_P(
    Policies, MoeLayerRounding,
    ::testing::Values(Policy{Precision::f32}, Policy{Precision::bf16}, Policy{Precision::fp8},
                      Policy{Precision::fp8, ScaleRule::power_of_two, Fp8Accumulation::promoted},
                      Policy{Precision::fp8, ScaleRule::exact, Fp8Accumulation::hopper}),
    [](const auto& test) { return std::string(name_of(test.param.precision)) + "_" + std::to_string(test.index); });

}  // namespace
}  // namespace triptych::testing

#include "triptych/moe_layer.h"

#include "contract/check_rule.h"
#include "triptych/tier.h"

// The layer composed of the fine operations: what a fused one must equal, rounding point by rounding
// point (docs/rounding.md).

namespace triptych {
namespace {

void check_extents(const Check& check, const MoeLayerShape& s) {
  check.that(s.tokens >= 0 && s.width >= 1 && s.inner >= 1 && s.experts >= 1,
             "T = {}, D = {}, F = {}, E = {}; wanted positive extents", s.tokens, s.width, s.inner,
             s.experts);
  check_rule(check, s.rule, s.experts, s.tokens, s.sequence);
}

void check_shape(const Check& check, const MoeLayerShape& s) {
  check_extents(check, s);
  check.that(s.precision != Precision::fp8 ||
                 (s.width % fp8_block == 0 && s.inner % fp8_block == 0),
             "D = {} and F = {} must be multiples of 128 (one FP8 scale block); pad them or use the "
             "bf16 policy", s.width, s.inner);
}

void check_codes(const Check& check, const QuantizedWeight& w, std::int64_t e, std::int64_t n,
                 std::int64_t k) {
  check.tensor(w.q, "weights.fp8 q", DType::e4m3, {e, n, k}, "[E,N,K]");
  check.tensor(w.qT, "weights.fp8 qT", DType::e4m3, {e, k, n}, "[E,K,N]");
  const std::int64_t n_blocks = (n + fp8_block - 1) / fp8_block;
  check.tensor(w.scale, "weights.fp8 scale", DType::f32, {e, n_blocks, k / fp8_block},
               "[E,⌈N/128⌉,⌈K/128⌉]");
}

void check_weights(const Check& check, const MoeLayerShape& s, const MoeLayerWeights& w) {
  const DType acc = accumulation_dtype(s.precision), store = storage_dtype(s.precision);
  check.tensor(w.router, "weights.router", acc, {s.experts, s.width}, "[E,D]");
  check.tensor(w.router_bias, "weights.router_bias", acc, {s.experts}, "[E]");
  if (s.precision == Precision::fp8) {
    check_codes(check, w.fp8_gate_up, s.experts, 2 * s.inner, s.width);
    check_codes(check, w.fp8_down, s.experts, s.width, s.inner);
  } else {
    check.tensor(w.gate_up, "weights.gate_up", store, {s.experts, 2 * s.inner, s.width}, "[E,2F,D]");
    check.tensor(w.down, "weights.down", store, {s.experts, s.width, s.inner}, "[E,D,F]");
  }
}

int blocks_of(const MoeLayerShape& s) {
  return combine_blocks(static_cast<int>(s.experts), s.rule.groups);
}

/// The first rows of a transposed operand's buffer: one buffer serves operands of 2F and of F columns.
QuantizedColumns first_rows(const QuantizedColumns& columns, std::int64_t count) {
  return {columns.q.rows(0, count), columns.scale.rows(0, count)};
}

/// The same memory, seen as codes of a narrower matrix.
QuantizedRows narrowed(const QuantizedRows& rows, std::int64_t columns) {
  const std::int64_t r = rows.q.shape[0];
  return {{rows.q.data, rows.q.dtype, {r, columns}},
          {rows.scale.data, DType::f32, {r, columns / fp8_block}}};
}

}  // namespace

void MoeLayer::moe_layer_forward(const MoeLayerForward& a) {
  const Check check("moe_layer_forward");
  const MoeLayerShape& s = a.shape;
  check_shape(check, s);
  check_weights(check, s, a.weights);
  const DType store = storage_dtype(s.precision), acc = accumulation_dtype(s.precision);
  check.tensor(a.x, "x", store, {s.tokens, s.width}, "[T,D]");
  check.tensor(a.load, "load", DType::i32, {s.experts}, "[E]");
  check.tensor(a.balance_loss, "balance_loss", acc, {1}, "[1]");
  check.tensor(a.y, "y", store, {s.tokens, s.width}, "[T,D]");
  check.apart(a.y, "y", a.x, "x");
  do_moe_layer_forward(a);
}

void MoeLayer::moe_layer_backward(const MoeLayerBackward& a) {
  const Check check("moe_layer_backward");
  const MoeLayerShape& s = a.shape;
  check_shape(check, s);
  check_weights(check, s, a.weights);
  const DType store = storage_dtype(s.precision), acc = accumulation_dtype(s.precision);
  check.tensor(a.x, "x", store, {s.tokens, s.width}, "[T,D]");
  check.tensor(a.dy, "dy", store, {s.tokens, s.width}, "[T,D]");
  check.tensor(a.dx, "dx", store, {s.tokens, s.width}, "[T,D]");
  check.apart(a.dx, "dx", a.x, "x");
  check.apart_or_same(a.dx, "dx", a.dy, "dy");
  check.tensor(a.gradients.router, "gradients.router", acc, {s.experts, s.width}, "[E,D]");
  check.tensor(a.gradients.gate_up, "gradients.gate_up", acc, {s.experts, 2 * s.inner, s.width},
               "[E,2F,D]");
  check.tensor(a.gradients.down, "gradients.down", acc, {s.experts, s.width, s.inner}, "[E,D,F]");
  do_moe_layer_backward(a);
}

MoeLayerSaved take_moe_layer_saved(Arena& arena, const MoeLayerShape& s) {
  check_shape(Check("take_moe_layer_saved"), s);
  const DType store = storage_dtype(s.precision), acc = accumulation_dtype(s.precision);
  const std::int64_t t = s.tokens, k = s.rule.experts_per_token, r = s.rows();
  MoeLayerSaved saved;
  saved.scores = arena.take(acc, {t, s.experts});
  saved.experts = arena.take(DType::i32, {t, k});
  saved.gates = arena.take(acc, {t, k});
  saved.fraction = arena.take(acc, {t / s.sequence, s.experts});
  saved.plan.offsets = arena.take(DType::i32, {s.experts + 1});
  saved.plan.padded_offsets = arena.take(DType::i32, {s.experts + 1});
  saved.plan.row_of = arena.take(DType::i32, {t, k});
  saved.plan.source_of = arena.take(DType::i32, {r});
  saved.row_weight = arena.take(acc, {r});
  if (s.precision == Precision::fp8) {
    saved.fp8_x = arena.take_quantized_rows(t, s.width);
    saved.fp8_gate_up = arena.take_quantized_rows(r, 2 * s.inner);
  } else {
    saved.gate_up = arena.take(store, {r, 2 * s.inner});
  }
  return saved;
}

MoeLayerScratch take_moe_layer_scratch(Arena& arena, const MoeLayerShape& s) {
  check_extents(Check("take_moe_layer_scratch"), s);
  const DType store = storage_dtype(s.precision), acc = accumulation_dtype(s.precision);
  const std::int64_t t = s.tokens, r = s.rows();
  MoeLayerScratch scratch;
  scratch.rows = arena.take(store, {r, s.width});
  scratch.gate_up = arena.take(store, {r, 2 * s.inner});
  scratch.act = arena.take(store, {r, s.inner});
  scratch.dact = arena.take(store, {r, s.inner});
  scratch.dweight = arena.take(acc, {r});
  scratch.dgates = arena.take(acc, {t, s.rule.experts_per_token});
  scratch.dx_router = arena.take(store, {t, s.width});
  if (s.precision == Precision::fp8) {
    const std::int64_t padded = padded_rows(r, s.experts);
    scratch.fp8_tokens = arena.take_quantized_rows(t, s.width);
    scratch.fp8_rows = arena.take_quantized_rows(r, s.width);
    scratch.fp8_inner = arena.take_quantized_rows(r, 2 * s.inner);
    scratch.fp8_columns_d = arena.take_quantized_columns(s.width, padded);
    scratch.fp8_columns_f = arena.take_quantized_columns(2 * s.inner, padded);
  }
  return scratch;
}

void Tier::do_moe_layer_forward(const MoeLayerForward& a) {
  const MoeLayerShape& s = a.shape;
  const MoeLayerSaved& saved = a.saved;
  const MoeLayerScratch& tmp = a.scratch;
  const DispatchPlan& plan = saved.plan;
  const int k = s.rule.experts_per_token;

  // 1. Route: scores, the chosen experts, their gates.
  router_forward({.x = a.x, .weight = a.weights.router, .bias = a.weights.router_bias,
                  .rule = s.rule, .sequence = s.sequence, .balance_weight = a.balance_weight,
                  .scores = saved.scores, .experts = saved.experts, .gates = saved.gates,
                  .load = a.load, .fraction = saved.fraction, .balance_loss = a.balance_loss});
  // 2. Plan: a row for each (token, choice), in expert order, with its weight.
  dispatch_plan({.experts = saved.experts, .plan = plan});
  dispatch_weights({.gates = saved.gates, .source_of = plan.source_of, .weight = saved.row_weight});
  const ConstTensor rows_valid = plan.offsets.rows(s.experts, 1);
  const SwigluForward act{.gate_up = s.precision == Precision::fp8 ? tmp.gate_up : saved.gate_up,
                          .weight = saved.row_weight, .rows = rows_valid, .act = tmp.act};
  if (s.precision == Precision::fp8) {
    // 3. Gather x into expert order: its codes, made once a token.
    quantize_rows({.x = a.x, .out = saved.fp8_x, .rule = s.scale_rule});
    dispatch_rows({saved.fp8_x.q, plan.source_of, k, tmp.fp8_rows.q});
    dispatch_rows({saved.fp8_x.scale, plan.source_of, k, tmp.fp8_rows.scale});
    // 4. gate_up = rows · W_gate_upᵀ; the backward keeps its codes.
    grouped_gemm_fp8_forward({tmp.fp8_rows, a.weights.fp8_gate_up, plan.offsets, tmp.gate_up,
                              s.accumulation});
    quantize_rows({.x = tmp.gate_up, .out = saved.fp8_gate_up, .rule = s.scale_rule});
    // 5. act = weight · silu(gate) · up.
    swiglu_forward(act);
    // 6. rows = act · W_downᵀ.
    const QuantizedRows act_codes = narrowed(tmp.fp8_inner, s.inner);
    quantize_rows({.x = tmp.act, .out = act_codes, .rule = s.scale_rule});
    grouped_gemm_fp8_forward({act_codes, a.weights.fp8_down, plan.offsets, tmp.rows, s.accumulation});
  } else {
    // 3. Gather x into expert order.
    dispatch_rows({a.x, plan.source_of, k, tmp.rows});
    // 4. gate_up = rows · W_gate_upᵀ.
    grouped_gemm_forward({tmp.rows, a.weights.gate_up, plan.offsets, saved.gate_up});
    // 5. act = weight · silu(gate) · up.
    swiglu_forward(act);
    // 6. rows = act · W_downᵀ.
    grouped_gemm_forward({tmp.act, a.weights.down, plan.offsets, tmp.rows});
  }
  // 7. Combine a token's rows.
  combine({.rows = tmp.rows, .row_of = plan.row_of, .experts = saved.experts,
           .expert_count = static_cast<int>(s.experts), .blocks = blocks_of(s), .y = a.y});
}

void Tier::do_moe_layer_backward(const MoeLayerBackward& a) {
  const MoeLayerShape& s = a.shape;
  const MoeLayerSaved& saved = a.saved;
  const MoeLayerScratch& tmp = a.scratch;
  const DispatchPlan& plan = saved.plan;
  const int k = s.rule.experts_per_token;
  const bool fp8 = s.precision == Precision::fp8;
  const ConstTensor rows_valid = plan.offsets.rows(s.experts, 1);
  const SwigluBackward act{.gate_up = fp8 ? tmp.gate_up : saved.gate_up,
                           .weight = saved.row_weight, .rows = rows_valid, .dact = tmp.dact,
                           .dgate_up = tmp.gate_up, .dweight = tmp.dweight, .act = tmp.act};
  if (fp8) {
    // 7'. The combine's transpose: every row gets its token's gradient, as codes.
    quantize_rows({.x = a.dy, .out = tmp.fp8_tokens, .rule = s.scale_rule});
    dispatch_rows({tmp.fp8_tokens.q, plan.source_of, k, tmp.fp8_rows.q});
    dispatch_rows({tmp.fp8_tokens.scale, plan.source_of, k, tmp.fp8_rows.scale});
    // 6'. dact = drows · W_down.
    grouped_gemm_fp8_dgrad({tmp.fp8_rows, a.weights.fp8_down, plan.offsets, tmp.dact, s.accumulation});
    // 5'. Through SwiGLU, whose input comes from its codes; act is made again for W_down's gradient.
    dequantize_rows({.in = saved.fp8_gate_up, .x = tmp.gate_up});
    swiglu_backward(act);
    const QuantizedColumns act_columns = first_rows(tmp.fp8_columns_f, s.inner);
    quantize_transpose({.quantized = tmp.fp8_rows, .offsets = plan.offsets,
                        .padded_offsets = plan.padded_offsets, .out = tmp.fp8_columns_d,
                        .rule = s.scale_rule});
    quantize_transpose({.x = tmp.act, .offsets = plan.offsets,
                        .padded_offsets = plan.padded_offsets, .out = act_columns,
                        .rule = s.scale_rule});
    grouped_gemm_fp8_wgrad({.dy = tmp.fp8_columns_d, .x = act_columns,
                            .padded_offsets = plan.padded_offsets, .dw = a.gradients.down,
                            .accumulation = s.accumulation});
    // 4'. drows = dgate_up · W_gate_up, and W_gate_up's gradient.
    quantize_transpose({.x = tmp.gate_up, .offsets = plan.offsets,
                        .padded_offsets = plan.padded_offsets, .out = tmp.fp8_columns_f,
                        .rule = s.scale_rule});
    dispatch_rows({saved.fp8_x.q, plan.source_of, k, tmp.fp8_rows.q});
    dispatch_rows({saved.fp8_x.scale, plan.source_of, k, tmp.fp8_rows.scale});
    quantize_transpose({.quantized = tmp.fp8_rows, .offsets = plan.offsets,
                        .padded_offsets = plan.padded_offsets, .out = tmp.fp8_columns_d,
                        .rule = s.scale_rule});
    grouped_gemm_fp8_wgrad({.dy = tmp.fp8_columns_f, .x = tmp.fp8_columns_d,
                            .padded_offsets = plan.padded_offsets, .dw = a.gradients.gate_up,
                            .accumulation = s.accumulation});
    quantize_rows({.x = tmp.gate_up, .out = tmp.fp8_inner, .rule = s.scale_rule});
    grouped_gemm_fp8_dgrad({tmp.fp8_inner, a.weights.fp8_gate_up, plan.offsets, tmp.rows,
                            s.accumulation});
  } else {
    // 7'. The combine's transpose: every row gets its token's gradient.
    dispatch_rows({a.dy, plan.source_of, k, tmp.rows});
    // 6'. dact = drows · W_down.
    grouped_gemm_dgrad({tmp.rows, a.weights.down, plan.offsets, tmp.dact});
    // 5'. Through SwiGLU; act is made again for W_down's gradient.
    swiglu_backward(act);
    grouped_gemm_wgrad({.dy = tmp.rows, .x = tmp.act, .offsets = plan.offsets,
                        .dw = a.gradients.down});
    // 4'. W_gate_up's gradient, whose operand x is gathered again, and drows = dgate_up · W_gate_up.
    dispatch_rows({a.x, plan.source_of, k, tmp.rows});
    grouped_gemm_wgrad({.dy = tmp.gate_up, .x = tmp.rows, .offsets = plan.offsets,
                        .dw = a.gradients.gate_up});
    grouped_gemm_dgrad({tmp.gate_up, a.weights.gate_up, plan.offsets, tmp.rows});
  }
  // 3'. The gather's transpose: a token sums what its rows bring back.
  combine({.rows = tmp.rows, .row_of = plan.row_of, .experts = saved.experts,
           .expert_count = static_cast<int>(s.experts), .blocks = blocks_of(s), .y = a.dx});
  // 1'. Through the gates and the balance loss to the router.
  dispatch_weights_backward({.dweight = tmp.dweight, .row_of = plan.row_of, .dgates = tmp.dgates});
  router_backward({.x = a.x, .weight = a.weights.router, .rule = s.rule, .sequence = s.sequence,
                   .balance_weight = a.balance_weight, .scores = saved.scores,
                   .experts = saved.experts, .fraction = saved.fraction, .dgates = tmp.dgates,
                   .dx = tmp.dx_router, .dweight = a.gradients.router});
  add({.a = a.dx, .b = tmp.dx_router, .out = a.dx});
}

}  // namespace triptych

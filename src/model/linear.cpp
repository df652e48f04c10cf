// Linear layers under the three policies, and the dense feed-forward layer made of them.
#include "model/block.h"

namespace triptych {
namespace {

/// Codes of a [rows, columns] operand, in the scratch that all linear layers share.
QuantizedRows codes_in(const QuantizedRows& scratch, std::int64_t rows, std::int64_t columns) {
  return {scratch.q.prefix({rows, columns}), scratch.scale.prefix({rows, columns / fp8_block})};
}

QuantizedColumns columns_in(const QuantizedColumns& scratch, std::int64_t columns,
                            std::int64_t rows) {
  const std::int64_t padded = (rows + fp8_block - 1) / fp8_block * fp8_block;
  return {scratch.q.prefix({columns, padded}), scratch.scale.prefix({columns, padded / fp8_block})};
}

}  // namespace

void linear_forward(const BlockContext& c, const Parameter& w, const ConstTensor& x,
                    const Tensor& y) {
  if (!w.quantized()) {
    c.tier.grouped_gemm_forward({.x = x, .w = w.value(), .offsets = {}, .y = y});
    return;
  }
  const QuantizedRows codes = codes_in(c.scratch.codes, x.shape[0], x.shape[1]);
  c.tier.quantize_rows({.x = x, .out = codes, .rule = c.shape.scale_rule});
  c.tier.grouped_gemm_fp8_forward(
      {.x = codes, .w = w.fp8, .offsets = {}, .y = y, .accumulation = c.shape.accumulation});
}

void linear_backward(const BlockContext& c, const Parameter& w, const ConstTensor& x,
                     const ConstTensor& dy, const Tensor& dx, bool exact_x) {
  if (!w.quantized()) {
    c.tier.grouped_gemm_wgrad({.dy = dy, .x = x, .offsets = {}, .dw = w.grad});
    if (!dx.absent()) {
      c.tier.grouped_gemm_dgrad({.dy = dy, .w = w.value(), .offsets = {}, .dx = dx});
    }
    return;
  }
  const std::int64_t rows = x.shape[0], k = x.shape[1], n = dy.shape[1];
  const ScaleRule rule = c.shape.scale_rule;
  // The weight gradient's K is the token: both operands are quantised again, along their columns.
  const QuantizedColumns columns = columns_in(c.scratch.columns, k, rows);
  QuantizeTranspose transpose{};
  transpose.out = columns;
  transpose.rule = rule;
  if (exact_x) {
    transpose.x = x;
  } else {
    transpose.quantized = codes_in(c.scratch.codes, rows, k);
    c.tier.quantize_rows({.x = x, .out = transpose.quantized, .rule = rule});
  }
  c.tier.quantize_transpose(transpose);
  const QuantizedColumns dcolumns = columns_in(c.scratch.dcolumns, n, rows);
  QuantizeTranspose dtranspose{};
  dtranspose.x = dy;
  dtranspose.out = dcolumns;
  dtranspose.rule = rule;
  c.tier.quantize_transpose(dtranspose);
  c.tier.grouped_gemm_fp8_wgrad({.dy = dcolumns, .x = columns, .padded_offsets = {}, .dw = w.grad,
                                 .accumulation = c.shape.accumulation});
  if (dx.absent()) return;
  const QuantizedRows dcodes = codes_in(c.scratch.codes, rows, n);
  c.tier.quantize_rows({.x = dy, .out = dcodes, .rule = rule});
  c.tier.grouped_gemm_fp8_dgrad(
      {.dy = dcodes, .w = w.fp8, .offsets = {}, .dx = dx, .accumulation = c.shape.accumulation});
}

void dense_forward(const BlockContext& c, const Parameter& gate_up, const Parameter& down,
                   const ConstTensor& x, const FeedForwardSaved& saved, const Tensor& y) {
  const std::int64_t t = x.shape[0], f2 = gate_up.shape[1];
  const bool codes = !saved.fp8_gate_up.q.absent();
  const Tensor wide = codes ? c.scratch.gate_up.prefix({t, f2}) : saved.gate_up;
  const Tensor act = c.scratch.act.prefix({t, f2 / 2});
  linear_forward(c, gate_up, x, wide);
  if (codes) {
    c.tier.quantize_rows({.x = wide, .out = saved.fp8_gate_up, .rule = c.shape.scale_rule});
  }
  c.tier.swiglu_forward({.gate_up = wide, .weight = {}, .rows = {}, .act = act});
  linear_forward(c, down, act, y);
}

void dense_backward(const BlockContext& c, const Parameter& gate_up, const Parameter& down,
                    const ConstTensor& x, const FeedForwardSaved& saved, const ConstTensor& dy,
                    const Tensor& dx) {
  const std::int64_t t = x.shape[0], f2 = gate_up.shape[1];
  const bool codes = !saved.fp8_gate_up.q.absent();
  const Tensor dwide = c.scratch.gate_up.prefix({t, f2});
  const ConstTensor wide = codes ? ConstTensor(dwide) : ConstTensor(saved.gate_up);
  const Tensor act = c.scratch.act.prefix({t, f2 / 2}), dact = c.scratch.dact.prefix({t, f2 / 2});
  if (codes) c.tier.dequantize_rows({.in = saved.fp8_gate_up, .x = dwide});
  // act is made again, because W_down's gradient wants both dy and act.
  c.tier.swiglu_forward({.gate_up = wide, .weight = {}, .rows = {}, .act = act});
  linear_backward(c, down, act, dy, dact);
  c.tier.swiglu_backward({.gate_up = wide, .weight = {}, .rows = {}, .dact = dact,
                          .dgate_up = dwide, .dweight = {}, .act = {}});
  linear_backward(c, gate_up, x, dwide, dx);
}

}  // namespace triptych

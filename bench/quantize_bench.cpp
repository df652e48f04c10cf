// FP8 codes of what the layer's products read: x, a weight, and the rows for a weight's gradient.
// Memory-bound where rounding to eight bits is vectorised.
#include "bench/support.h"

namespace triptych::bench {
namespace {

/// Room for the codes and scales of x [T,D].
QuantizedRows codes_of_tokens(Case& c) {
  const std::int64_t t = c.sizes.tokens, d = c.sizes.width;
  return {c.written(DType::e4m3, {t, d}), c.written(DType::f32, {t, d / fp8_block})};
}

void rows(Case& c) {
  const QuantizeRows args{.x = c.read(c.s, {c.sizes.tokens, c.sizes.width}), .out = codes_of_tokens(c)};
  c.measure([&] { c.tier->quantize_rows(args); });
}

void back(Case& c) {
  const DequantizeRows args{.in = codes_of_tokens(c), .x = c.written(c.s, {c.sizes.tokens, c.sizes.width})};
  c.tier->quantize_rows({.x = args.x, .out = args.in});
  c.measure([&] { c.tier->dequantize_rows(args); });
}

void transpose(Case& c) {
  const std::int64_t r = c.sizes.rows(), f = c.sizes.inner, padded = padded_rows(r, c.sizes.experts);
  const DispatchPlan plan = c.plan(c.experts());
  const QuantizeTranspose args{.x = c.read(c.s, {r, f}),
                               .offsets = plan.offsets,
                               .padded_offsets = plan.padded_offsets,
                               .out = {c.written(DType::e4m3, {f, padded}),
                                       c.written(DType::f32, {f, padded / fp8_block})}};
  c.measure([&] { c.tier->quantize_transpose(args); });
}

void transpose_codes(Case& c) {
  const std::int64_t r = c.sizes.rows(), d = c.sizes.width, padded = padded_rows(r, c.sizes.experts);
  const DispatchPlan plan = c.plan(c.experts());
  const QuantizeTranspose args{.quantized = {c.read(DType::e4m3, {r, d}),
                                             c.read(DType::f32, {r, d / fp8_block})},
                               .offsets = plan.offsets,
                               .padded_offsets = plan.padded_offsets,
                               .out = {c.written(DType::e4m3, {d, padded}),
                                       c.written(DType::f32, {d, padded / fp8_block})}};
  const Tensor values = c.uncounted(c.s, {r, d});
  c.tier->quantize_rows({.x = values, .out = args.quantized});
  c.measure([&] { c.tier->quantize_transpose(args); });
}

void weight(Case& c) {
  const std::int64_t e = c.sizes.experts, n = c.sizes.width, k = c.sizes.inner;
  const QuantizeWeightArgs args{.w = c.read(c.a, {e, n, k}, 0.03),
                                .out = {c.written(DType::e4m3, {e, n, k}), c.written(DType::e4m3, {e, k, n}),
                                        c.written(DType::f32, {e, n / fp8_block, k / fp8_block})}};
  c.measure([&] { c.tier->quantize_weight(args); });
}

const bool registered = add("quantize_rows", {Precision::fp8}, rows) &&
                        add("dequantize_rows", {Precision::fp8}, back) &&
                        add("quantize_transpose", {Precision::fp8}, transpose) &&
                        add("quantize_transpose_codes", {Precision::fp8}, transpose_codes) &&
                        add("quantize_weight", {Precision::fp8}, weight);

}  // namespace
}  // namespace triptych::bench

#include "triptych/quantize.h"

#include "contract/check.h"

namespace triptych {
namespace {

std::int64_t blocks(std::int64_t n) { return (n + fp8_block - 1) / fp8_block; }

struct Names {
  const char *q, *scale;
};

void check_codes(const Check& check, const QuantizedRows& rows, const Names& names, const Shape& shape) {
  check.that(rows.q.dtype == DType::e4m3 || rows.q.dtype == DType::e5m6,
             "{} is {}, wanted e4m3 or e5m6", names.q, name_of(rows.q.dtype));
  check.tensor(rows.q, names.q, rows.q.dtype, shape, "[R,C]");
  check.tensor(rows.scale, names.scale, DType::f32, {shape[0], blocks(shape[1])}, "[R,⌈C/128⌉]");
}

}  // namespace

void Quantize::quantize_rows(const QuantizeRows& a) {
  const Check check("quantize_rows");
  check.storage(a.x, "x");
  check.rank(a.x, "x", 2, "[R,C]");
  check.tensor(a.x, "x", a.x.dtype, a.x.shape, "[R,C]");
  check_codes(check, a.out, {"out.q", "out.scale"}, a.x.shape);
  do_quantize_rows(a);
}

void Quantize::dequantize_rows(const DequantizeRows& a) {
  const Check check("dequantize_rows");
  check.storage(a.x, "x");
  check.rank(a.x, "x", 2, "[R,C]");
  check.tensor(a.x, "x", a.x.dtype, a.x.shape, "[R,C]");
  check_codes(check, a.in, {"in.q", "in.scale"}, a.x.shape);
  do_dequantize_rows(a);
}

void Quantize::quantize_transpose(const QuantizeTranspose& a) {
  const Check check("quantize_transpose");
  const bool codes = !a.quantized.q.absent();
  check.that(codes != !a.x.absent(), "give either x or quantized{}", codes ? ", not both" : "");
  const ConstTensor in = codes ? ConstTensor(a.quantized.q) : a.x;
  check.rank(in, codes ? "quantized.q" : "x", 2, "[R,C]");
  const std::int64_t c = in.shape[1];
  if (codes) {
    check_codes(check, a.quantized, {"quantized.q", "quantized.scale"}, in.shape);
  } else {
    check.storage(a.x, "x");
    check.tensor(a.x, "x", a.x.dtype, a.x.shape, "[R,C]");
  }
  check.rank(a.out.q, "out.q", 2, "[C,P]");
  const std::int64_t p = a.out.q.shape[1];
  check.that(p % fp8_block == 0, "P = {} is not a multiple of 128; use padded_rows()", p);
  check.that(a.offsets.absent() == a.padded_offsets.absent(),
             "give offsets and padded_offsets, or neither");
  if (a.offsets.absent()) {
    check.that(p >= in.shape[0], "P = {} is less than R = {}; use padded_rows()", p, in.shape[0]);
  } else {
    check.rank(a.offsets, "offsets", 1, "[E+1]");
    const std::int64_t e = a.offsets.shape[0] - 1;
    check.tensor(a.offsets, "offsets", DType::i32, {e + 1}, "[E+1]");
    check.tensor(a.padded_offsets, "padded_offsets", DType::i32, {e + 1}, "[E+1]");
  }
  check.tensor(a.out.q, "out.q", DType::e4m3, {c, p}, "[C,P]");
  check.tensor(a.out.scale, "out.scale", DType::f32, {c, p / fp8_block}, "[C,P/128]");
  do_quantize_transpose(a);
}

void Quantize::quantize_weight(const QuantizeWeightArgs& a) {
  const Check check("quantize_weight");
  check.storage(a.w, "w");
  check.rank(a.w, "w", 3, "[E,N,K]");
  const std::int64_t e = a.w.shape[0], n = a.w.shape[1], k = a.w.shape[2];
  check.tensor(a.w, "w", a.w.dtype, {e, n, k}, "[E,N,K]");
  check.tensor(a.out.q, "out.q", DType::e4m3, {e, n, k}, "[E,N,K]");
  check.tensor(a.out.qT, "out.qT", DType::e4m3, {e, k, n}, "[E,K,N]");
  check.tensor(a.out.scale, "out.scale", DType::f32, {e, blocks(n), blocks(k)},
               "[E,⌈N/128⌉,⌈K/128⌉]");
  do_quantize_weight(a);
}

}  // namespace triptych

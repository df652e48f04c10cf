// ctest: timeout=300 labels=sanitize,threads
// The FP8 products, in both accumulations; Hopper's also bit by bit against its definition.
#include "support/op_test.h"
#include "support/oracle_grouped_gemm.h"
#include "support/oracle_quantize.h"
#include "support/refusals.h"

namespace triptych::testing {
namespace {

// P: how the rows are dealt to the groups.
constexpr std::int64_t dealt = 0, all_on_one = 1;
const std::vector<Extents> shapes{{{'E', 1}, {'R', 0}, {'N', 128}, {'K', 128}, {'P', dealt}},
                                  {{'E', 1}, {'R', 1}, {'N', 128}, {'K', 128}, {'P', dealt}},
                                  {{'E', 3}, {'R', 37}, {'N', 128}, {'K', 256}, {'P', dealt}},
                                  {{'E', 4}, {'R', 29}, {'N', 128}, {'K', 128}, {'P', all_on_one}},
                                  {{'E', 2}, {'R', 131}, {'N', 256}, {'K', 384}, {'P', dealt}}};

/// Σ of a block of 128 products as docs/rounding.md says that Hopper sums it, in whole numbers: four
/// instructions, each of which aligns 32 products and the sum so far to the largest exponent and keeps 13
/// fractional bits of each, toward zero, and of the result.
double hopper_block(const HostTensor& a, std::int64_t a0, const HostTensor& b, std::int64_t b0) {
  const auto exponent = [](double code) { return std::max(std::ilogb(code), -6); };  // subnormals: 2^-6
  double sum = 0;
  for (int instruction = 0; instruction < 4; ++instruction) {
    int top = sum == 0 ? -100 : std::ilogb(sum);
    for (int i = 32 * instruction; i < 32 * instruction + 32; ++i) {
      const double x = a[a0 + i], y = b[b0 + i];
      if (x != 0 && y != 0) top = std::max(top, exponent(x) + exponent(y));
    }
    const double unit = std::ldexp(1, top - 13);
    double total = std::trunc(sum / unit);
    for (int i = 32 * instruction; i < 32 * instruction + 32; ++i) {
      total += std::trunc(a[a0 + i] * b[b0 + i] / unit);
    }
    sum = total * unit;
    if (sum != 0) {
      const double last = std::ldexp(1, std::ilogb(sum) - 13);
      sum = std::trunc(sum / last) * last;
    }
  }
  return sum;
}

class GroupedGemmFp8Test : public OpTest {
 protected:
  void SetUp() override {
    OpTest::SetUp();
    if (IsSkipped()) return;
    const std::int64_t e = extent('E'), r = extent('R'), n = extent('N'), k = extent('K');
    offsets_ = HostTensor(DType::i32, {e + 1});
    for (std::int64_t i = 1; i < e; ++i) {
      // All on the third, so that there are empty groups before it and after it.
      offsets_.set(i, static_cast<double>(extent('P') == all_on_one ? (i > 2) * r : r * i / (e + 1)));
    }
    offsets_.set(e, static_cast<double>(r));
    offsets = in("offsets", offsets_);
    x_ = oracle::quantize_rows(uniform(DType::bf16, {r, k}), DType::e4m3, ScaleRule::exact);
    dy_ = oracle::quantize_rows(uniform(DType::bf16, {r, n}), DType::e4m3, ScaleRule::exact);
    w_ = oracle::quantize_weight(uniform(DType::f32, {e, n, k}), ScaleRule::exact);
    x = {in("x.q", x_.q), in("x.scale", x_.scale)};
    dy = {in("dy.q", dy_.q), in("dy.scale", dy_.scale)};
    w = {in("w.q", w_.q), in("w.qT", w_.qT), in("w.scale", w_.scale)};
  }
  static const Bound& bound(Fp8Accumulation accumulation) {
    return accumulation == Fp8Accumulation::promoted ? tolerance::grouped_gemm
                                                     : tolerance::grouped_gemm_hopper;
  }
  HostTensor offsets_;
  oracle::Quantized x_, dy_;
  oracle::QuantizedBothWays w_;
  Tensor offsets;
  QuantizedRows x, dy;
  QuantizedWeight w;
};

constexpr Fp8Accumulation both[] = {Fp8Accumulation::promoted, Fp8Accumulation::hopper};

TEST_P(GroupedGemmFp8Test, Forward) {
  const Expected want = oracle::grouped_gemm_forward(oracle::dequantized_rows(x_.q, x_.scale),
                                                     oracle::dequantized_weight(w_.q, w_.scale), offsets_);
  for (const Fp8Accumulation accumulation : both) {
    for (const DType dtype : {DType::bf16, DType::f32}) {
      const Tensor y = out("y", dtype, {extent('R'), extent('N')});
      run([&] { tier().grouped_gemm_fp8_forward({x, w, offsets, y, accumulation}); });
      EXPECT_TRUE(agrees("y", read(y), want, bound(accumulation), {dtype, DType::f32}));
    }
  }
}

TEST_P(GroupedGemmFp8Test, Dgrad) {
  const Expected want = oracle::grouped_gemm_dgrad(oracle::dequantized_rows(dy_.q, dy_.scale),
                                                   oracle::dequantized_weight(w_.q, w_.scale), offsets_);
  for (const Fp8Accumulation accumulation : both) {
    const Tensor dx = out("dx", DType::bf16, {extent('R'), extent('K')});
    run([&] { tier().grouped_gemm_fp8_dgrad({dy, w, offsets, dx, accumulation}); });
    EXPECT_TRUE(agrees("dx", read(dx), want, bound(accumulation), {DType::bf16, DType::f32}));
  }
}

TEST_P(GroupedGemmFp8Test, Wgrad) {
  const std::int64_t e = extent('E'), n = extent('N'), k = extent('K');
  HostTensor padded(DType::i32, {e + 1});
  for (std::int64_t i = 0; i < e; ++i) {
    padded.set(i + 1, padded[i] + std::ceil((offsets_[i + 1] - offsets_[i]) / 128) * 128);
  }
  const auto p = static_cast<std::int64_t>(padded[e]);
  const HostTensor wide_x = oracle::dequantized_rows(x_.q, x_.scale);
  const HostTensor wide_dy = oracle::dequantized_rows(dy_.q, dy_.scale);
  const auto xt = oracle::quantize_transpose(wide_x, offsets_, padded, p, ScaleRule::exact);
  const auto dyt = oracle::quantize_transpose(wide_dy, offsets_, padded, p, ScaleRule::exact);
  // dw[e] = dyT · xTᵀ over the group's columns: a wgrad of the codes' transposes.
  const auto transposed = [&](const oracle::Quantized& t) {
    const HostTensor wide = oracle::dequantized_rows(t.q, t.scale);
    HostTensor turned(DType::f64, {p, wide.shape()[0]});
    for (std::int64_t i = 0; i < wide.count(); ++i) turned.set(i % p * wide.shape()[0] + i / p, wide[i]);
    return turned;
  };
  const HostTensor before = uniform(DType::f32, {e, n, k});
  const Expected want = oracle::grouped_gemm_wgrad(transposed(dyt), transposed(xt), padded, before);
  const Expected alone = oracle::grouped_gemm_wgrad(transposed(dyt), transposed(xt), padded,
                                                    HostTensor(DType::f32, {e, n, k}));
  const QuantizedColumns dy_columns{in("dy.q", dyt.q), in("dy.scale", dyt.scale)};
  const QuantizedColumns x_columns{in("x.q", xt.q), in("x.scale", xt.scale)};
  const Tensor bounds = in("padded_offsets", padded);
  for (const Fp8Accumulation accumulation : both) {
    const Tensor dw = inout("dw", before);
    run([&] { tier().grouped_gemm_fp8_wgrad({dy_columns, x_columns, bounds, dw, true, accumulation}); });
    EXPECT_TRUE(agrees("dw", read(dw), want, bound(accumulation), {DType::f32, DType::f32}));
    const Tensor written = out("dw", DType::f32, before.shape());
    run([&] { tier().grouped_gemm_fp8_wgrad({dy_columns, x_columns, bounds, written, false, accumulation}); });
    EXPECT_TRUE(agrees("dw =", read(written), alone, bound(accumulation), {DType::f32, DType::f32},
                       Zeros::expected));
  }
}

// The codes alone: with one group its offsets may be left out.
TEST_P(GroupedGemmFp8Test, WithoutOffsetsAllRowsAreOneGroup) {
  const std::int64_t r = extent('R'), n = extent('N'), k = extent('K');
  const QuantizedWeight one{w.q.rows(0, 1), w.qT.rows(0, 1), w.scale.rows(0, 1)};
  const Tensor bounds = in("offsets", HostTensor(DType::i32, {2}, {0, static_cast<double>(r)}));
  for (const Fp8Accumulation accumulation : both) {
    const Tensor y = out("y", DType::bf16, {r, n}), same_y = out("y", DType::bf16, {r, n});
    const Tensor dx = out("dx", DType::bf16, {r, k}), same_dx = out("dx", DType::bf16, {r, k});
    run([&] {
      tier().grouped_gemm_fp8_forward({x, one, {}, y, accumulation});
      tier().grouped_gemm_fp8_forward({x, one, bounds, same_y, accumulation});
      tier().grouped_gemm_fp8_dgrad({dy, one, {}, dx, accumulation});
      tier().grouped_gemm_fp8_dgrad({dy, one, bounds, same_dx, accumulation});
    });
    EXPECT_TRUE(same_bits("y", read(y), read(same_y)));
    EXPECT_TRUE(same_bits("dx", read(dx), read(same_dx)));
  }
}

TEST_P(GroupedGemmFp8Test, ANanStaysInItsRow) {
  if (extent('R') < 3) return;
  HostTensor spoilt = x_.q;
  spoilt.set(1 * extent('K') + 77, std::nan(""));
  const QuantizedRows bad{in("x.q", spoilt), x.scale};
  for (const Fp8Accumulation accumulation : both) {
    const Tensor y = out("y", DType::f32, {extent('R'), extent('N')});
    run([&] { tier().grouped_gemm_fp8_forward({bad, w, offsets, y, accumulation}); });
    const HostTensor got = read(y);
    for (std::int64_t i = 0; i < got.count(); ++i) {
      ASSERT_EQ(std::isnan(got[i]), i / extent('N') == 1) << i;
    }
  }
}

TEST_P(GroupedGemmFp8Test, HopperBitByBit) {
  const std::int64_t n = extent('N'), k = extent('K');
  const Tensor y = out("y", DType::f32, {extent('R'), n});
  run([&] { tier().grouped_gemm_fp8_forward({x, w, offsets, y, Fp8Accumulation::hopper}); });
  HostTensor want(DType::f32, {extent('R'), n});
  for (std::int64_t i = 0, e = 0; i < want.count(); ++i) {
    const std::int64_t r = i / n, column = i % n;
    while (r >= static_cast<std::int64_t>(offsets_[e + 1])) ++e;
    float sum = 0;
    for (std::int64_t b = 0; b < k / 128; ++b) {
      const auto scale = static_cast<float>(x_.scale[r * (k / 128) + b]) *
                         static_cast<float>(w_.scale[(e * (n / 128) + column / 128) * (k / 128) + b]);
      const auto partial = static_cast<float>(
          hopper_block(x_.q, r * k + b * 128, w_.q, (e * n + column) * k + b * 128));
      sum += scale * partial;
    }
    want.set(i, sum);
  }
  EXPECT_TRUE(same_bits("y", read(y), want));
}

INSTANTIATE_TEST_SUITE_P(Tiers, GroupedGemmFp8Test, ::testing::ValuesIn(cases({Precision::fp8}, shapes)),
                         case_name);

using GroupedGemmFp8Refusals = RefusalTest;

TEST_F(GroupedGemmFp8Refusals, AWidthThatIsNoMultipleOfABlock) {
  const QuantizedRows x{take(DType::e4m3, {4, 100}), take(DType::f32, {4, 1})};
  const QuantizedWeight w{take(DType::e4m3, {1, 8, 100}), take(DType::e4m3, {1, 100, 8}),
                          take(DType::f32, {1, 1, 1})};
  const Tensor y = take(DType::bf16, {4, 8});
  expect_error([&] { tier().grouped_gemm_fp8_forward({x, w, {}, y}); }, ErrorKind::usage,
               {"grouped_gemm_fp8_forward: K = 100 is not a multiple of 128", "bf16"});
  const QuantizedRows dy{take(DType::e4m3, {4, 8}), take(DType::f32, {4, 1})};
  const Tensor dx = take(DType::bf16, {4, 100});
  expect_error([&] { tier().grouped_gemm_fp8_dgrad({dy, w, {}, dx}); }, ErrorKind::usage,
               {"N = 8 is not a multiple of 128"});
}

}  // namespace
}  // namespace triptych::testing

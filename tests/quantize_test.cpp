// ctest: timeout=120 labels=sanitize
// Quantising and dequantising: exact, so every code and scale is compared bit by bit.
#include "triptych/quantize.h"

#include <cmath>

#include "support/op_test.h"
#include "support/oracle_quantize.h"
#include "support/refusals.h"

namespace triptych::testing {
namespace {

const std::vector<Extents> shapes{{{'R', 0}, {'C', 5}},     {{'R', 1}, {'C', 1}},   {{'R', 3}, {'C', 127}},
                                  {{'R', 7}, {'C', 128}},   {{'R', 5}, {'C', 129}}, {{'R', 131}, {'C', 37}},
                                  {{'R', 257}, {'C', 300}}};
constexpr ScaleRule rules[] = {ScaleRule::exact, ScaleRule::power_of_two};

class QuantizeTest : public OpTest {
 protected:
  /// Rows of very different sizes, zeros among them.
  HostTensor matrix(DType dtype, Shape shape) {
    HostTensor x(dtype, shape);
    const std::int64_t width = shape[-1];
    for (std::int64_t i = 0; i < x.count(); ++i) {
      const double size = std::ldexp(1.0, static_cast<int>(i / std::max<std::int64_t>(1, width) % 40) - 20);
      x.set(i, values().below(8) == 0 ? 0 : size * values().uniform(-1, 1));
    }
    return x;
  }
  std::int64_t blocks() const { return (extent('C') + 127) / 128; }
};

TEST_P(QuantizeTest, RowsAreExact) {
  const HostTensor x = matrix(storage(), {extent('R'), extent('C')});
  const Tensor tx = in("x", x);
  for (const ScaleRule rule : rules) {
    for (const DType code : {DType::e4m3, DType::e5m6}) {
      const QuantizedRows q{out("q", code, x.shape()), out("scale", DType::f32, {extent('R'), blocks()})};
      run([&] { tier().quantize_rows({tx, q, rule}); });
      const auto want = oracle::quantize_rows(x, code, rule);
      EXPECT_TRUE(same_bits("q", read(q.q), want.q, Zeros::expected));
      EXPECT_TRUE(same_bits("scale", read(q.scale), want.scale));
    }
  }
}

TEST_P(QuantizeTest, DequantisedRowsAreProductsInF32) {
  const HostTensor x = matrix(storage(), {extent('R'), extent('C')});
  for (const DType code : {DType::e4m3, DType::e5m6}) {
    const auto q = oracle::quantize_rows(x, code, ScaleRule::exact);
    const Tensor back = out("x", storage(), x.shape());
    const QuantizedRows rows{in("q", q.q), in("scale", q.scale)};
    run([&] { tier().dequantize_rows({rows, back}); });
    const HostTensor product(DType::f32, x.shape(), oracle::dequantized_rows(q.q, q.scale).values());
    const HostTensor want(storage(), x.shape(), product.values());
    EXPECT_TRUE(same_bits("x", read(back), want, Zeros::expected));
  }
}

TEST_P(QuantizeTest, TheTransposeCountsItsBlocksFromEachGroup) {
  const std::int64_t r = extent('R'), c = extent('C');
  const HostTensor x = matrix(storage(), {r, c});
  HostTensor offsets(DType::i32, {4}), padded(DType::i32, {4});
  const std::int64_t cuts[] = {0, r / 3, r / 3, r};  // the second group is empty
  for (int g = 0; g < 3; ++g) {
    offsets.set(g + 1, static_cast<double>(cuts[g + 1]));
    padded.set(g + 1, padded[g] + static_cast<double>((cuts[g + 1] - cuts[g] + 127) / 128 * 128));
  }
  const std::int64_t p = padded_rows(r, 3);
  const Tensor tx = in("x", x), o = in("offsets", offsets), po = in("padded_offsets", padded);
  for (const ScaleRule rule : rules) {
    const QuantizedColumns q{out("q", DType::e4m3, {c, p}), out("scale", DType::f32, {c, p / 128})};
    QuantizeTranspose args;
    args.x = tx, args.offsets = o, args.padded_offsets = po, args.out = q, args.rule = rule;
    run([&] { tier().quantize_transpose(args); });
    const auto want = oracle::quantize_transpose(x, offsets, padded, p, rule);
    EXPECT_TRUE(same_bits("q", read(q.q), want.q, Zeros::expected));
    EXPECT_TRUE(same_bits("scale", read(q.scale), want.scale));
    // From codes: dequantised in f32, then the same.
    const auto codes = oracle::quantize_rows(x, DType::e4m3, ScaleRule::exact);
    const QuantizedColumns again{out("q", DType::e4m3, {c, p}), out("scale", DType::f32, {c, p / 128})};
    args.x = {}, args.out = again, args.quantized = {in("q", codes.q), in("scale", codes.scale)};
    run([&] { tier().quantize_transpose(args); });
    const HostTensor wide(DType::f32, {r, c}, oracle::dequantized_rows(codes.q, codes.scale).values());
    const auto from_codes = oracle::quantize_transpose(wide, offsets, padded, p, rule);
    EXPECT_TRUE(same_bits("q", read(again.q), from_codes.q, Zeros::expected));
    EXPECT_TRUE(same_bits("scale", read(again.scale), from_codes.scale));
  }
}

TEST_P(QuantizeTest, WeightsHaveTheSameCodesBothWays) {
  const std::int64_t n = extent('R'), k = extent('C'), n_blocks = (n + 127) / 128;
  for (const DType dtype : {storage(), accumulate()}) {
    const HostTensor w = matrix(dtype, {2, n, k});
    const Tensor tw = in("w", w);
    for (const ScaleRule rule : rules) {
      const QuantizedWeight q{out("q", DType::e4m3, {2, n, k}), out("qT", DType::e4m3, {2, k, n}),
                              out("scale", DType::f32, {2, n_blocks, blocks()})};
      run([&] { tier().quantize_weight({tw, q, rule}); });
      const auto want = oracle::quantize_weight(w, rule);
      EXPECT_TRUE(same_bits("q", read(q.q), want.q, Zeros::expected));
      EXPECT_TRUE(same_bits("qT", read(q.qT), want.qT, Zeros::expected));
      EXPECT_TRUE(same_bits("scale", read(q.scale), want.scale));
    }
  }
}

TEST_P(QuantizeTest, ANanSpoilsItsTileAlone) {
  if (extent('R') < 2 || extent('C') < 129) return;
  HostTensor x = matrix(storage(), {extent('R'), extent('C')});
  x.set(3, std::nan(""));
  const Tensor tx = in("x", x);
  const QuantizedRows q{out("q", DType::e4m3, x.shape()), out("scale", DType::f32, {extent('R'), blocks()})};
  run([&] { tier().quantize_rows({tx, q, ScaleRule::exact}); });
  const HostTensor codes = read(q.q);
  for (std::int64_t c = 0; c < extent('C'); ++c) EXPECT_EQ(std::isnan(codes[c]), c < 128) << c;
  for (std::int64_t i = extent('C'); i < codes.count(); ++i) ASSERT_FALSE(std::isnan(codes[i])) << i;
}

INSTANTIATE_TEST_SUITE_P(Tiers, QuantizeTest, ::testing::ValuesIn(cases(storage_precisions, shapes)),
                         case_name);

// Every code, every midpoint between two codes, and both neighbours of each midpoint.
TEST(E4m3, RoundsToTheNearestAndOfTwoToTheEvenCode) {
  const NarrowFormat& format = NarrowFormat::e4m3();
  ASSERT_EQ(format.values().size(), 127u);
  for (std::size_t i = 0; i < format.values().size(); ++i) {
    const auto value = static_cast<float>(format.values()[i]);
    for (const float sign : {1.0f, -1.0f}) {
      const e4m3 code(sign * value);
      EXPECT_EQ(code.bits, (sign < 0 ? 0x80 : 0) + i) << value;
      EXPECT_EQ(static_cast<float>(code), sign * value);
      if (i == 0) continue;
      const float middle = static_cast<float>((format.values()[i] + format.values()[i - 1]) / 2);
      for (const float x : {middle, std::nextafter(middle, 0.0f), std::nextafter(middle, 1e9f)}) {
        EXPECT_EQ(static_cast<float>(e4m3(sign * x)), static_cast<float>(format.nearest(sign * x))) << x;
      }
    }
  }
  EXPECT_EQ(static_cast<float>(e4m3(1e30f)), 448) << "saturates";
  EXPECT_EQ(static_cast<float>(e4m3(-HUGE_VALF)), -448);
  EXPECT_TRUE(std::isnan(static_cast<float>(e4m3(std::nanf("")))));
}

TEST(E5m6, RoundsToTheNearestAndOfTwoToTheEvenCode) {
  const NarrowFormat& format = NarrowFormat::e5m6();
  for (std::size_t i = 1; i < format.values().size(); ++i) {
    const auto value = static_cast<float>(format.values()[i]);
    EXPECT_EQ(static_cast<float>(e5m6(value)), value);
    const float middle = static_cast<float>((format.values()[i] + format.values()[i - 1]) / 2);
    for (const float x : {middle, std::nextafter(middle, 0.0f), std::nextafter(middle, 1e9f)}) {
      EXPECT_EQ(static_cast<float>(e5m6(-x)), static_cast<float>(format.nearest(-x))) << x;
    }
  }
  EXPECT_EQ(static_cast<float>(e5m6(1e30f)), 65024);
}

using QuantizeRefusals = RefusalTest;

TEST_F(QuantizeRefusals, Rows) {
  const Tensor x = take(DType::bf16, {3, 130}), q = take(DType::e4m3, {3, 130}), scale = take(DType::f32, {3, 2});
  const Refusals quantise("quantize_rows", QuantizeRows{x, {q, scale}, ScaleRule::exact},
                          [&](const QuantizeRows& a) { tier().quantize_rows(a); });
  quantise.tensor(&QuantizeRows::x, "x");
  quantise.when([](QuantizeRows& a) { a.out.q.dtype = DType::bf16; }, {"out.q is bf16, wanted e4m3 or e5m6"});
  quantise.when([](QuantizeRows& a) { a.out.q.shape = {3, 131}; }, {"out.q is [3, 131]"});
  quantise.when([](QuantizeRows& a) { a.out.scale.shape = {3, 1}; }, {"out.scale is [3, 1], wanted", "= [3, 2]"});
  const Refusals back("dequantize_rows", DequantizeRows{{q, scale}, x},
                      [&](const DequantizeRows& a) { tier().dequantize_rows(a); });
  back.tensor(&DequantizeRows::x, "x");
  back.when([](DequantizeRows& a) { a.in.scale.dtype = DType::bf16; }, {"in.scale is bf16, wanted f32"});
}

TEST_F(QuantizeRefusals, Transpose) {
  using Args = QuantizeTranspose;
  Args good;
  good.x = take(DType::bf16, {200, 5});
  good.offsets = take(DType::i32, {3}), good.padded_offsets = take(DType::i32, {3});
  good.out = {take(DType::e4m3, {5, 384}), take(DType::f32, {5, 3})};
  const Refusals r("quantize_transpose", good, [&](const Args& a) { tier().quantize_transpose(a); });
  r.tensor(&Args::x, "x", {0});
  r.tensor(&Args::padded_offsets, "padded_offsets");
  r.when([](Args& a) { a.x = {}; }, {"give either x or quantized"});
  r.when([&](Args& a) { a.quantized = {take(DType::e4m3, {200, 5}), take(DType::f32, {200, 1})}; },
         {"give either x or quantized, not both"});
  r.when([](Args& a) { a.offsets = {}; }, {"give offsets and padded_offsets, or neither"});
  r.when([](Args& a) { a.out.q.shape = {5, 380}; }, {"P = 380 is not a multiple of 128; use padded_rows()"});
  r.when([](Args& a) { a.out.q.shape = {4, 384}; }, {"out.q is [4, 384]"});
  r.when([](Args& a) { a.out.scale.shape = {5, 2}; }, {"out.scale is [5, 2]"});
  r.when(
      [](Args& a) {
        a.offsets = {}, a.padded_offsets = {};
        a.out.q.shape = {5, 128}, a.out.scale.shape = {5, 1};
      },
      {"P = 128 is less than R = 200; use padded_rows()"});
}

TEST_F(QuantizeRefusals, Weight) {
  using Args = QuantizeWeightArgs;
  const Args good{take(DType::f32, {2, 5, 130}),
                  {take(DType::e4m3, {2, 5, 130}), take(DType::e4m3, {2, 130, 5}), take(DType::f32, {2, 1, 2})},
                  ScaleRule::exact};
  const Refusals r("quantize_weight", good, [&](const Args& a) { tier().quantize_weight(a); });
  r.tensor(&Args::w, "w");
  r.when([](Args& a) { a.out.q.shape = {2, 6, 130}; }, {"out.q is [2, 6, 130]"});
  r.when([](Args& a) { a.out.qT.shape = {2, 5, 130}; }, {"out.qT is [2, 5, 130]"});
  r.when([](Args& a) { a.out.scale.shape = {2, 1, 1}; }, {"out.scale is [2, 1, 1]"});
}

}  // namespace
}  // namespace triptych::testing

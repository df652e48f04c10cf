// ctest: timeout=60 labels=sanitize,threads
// add, cast, split_columns and concat_columns.
#include <cmath>
#include <limits>

#include "support/op_test.h"
#include "support/refusals.h"

namespace triptych::testing {
namespace {

const std::vector<Extents> shapes{{{'N', 0}}, {{'N', 1}}, {{'N', 97}}, {{'N', 16411}}};

class Add : public OpTest {
 protected:
  static Expected sum(const HostTensor& a, const HostTensor& b) {
    Expected e(a.count());
    for (std::int64_t i = 0; i < a.count(); ++i) {
      e.add(i, a[i]);
      e.add(i, b[i]);
    }
    return e;
  }
};

TEST_P(Add, AgreesWithTheFormula) {
  const HostTensor a = uniform(storage(), {extent('N')}), b = uniform(storage(), {extent('N')});
  const Tensor ta = in("a", a), tb = in("b", b), y = out("out", storage(), {extent('N')});
  run([&] { tier().add({ta, tb, y}); });
  EXPECT_TRUE(agrees("out", read(y), sum(a, b), tolerance::add, dtypes()));
}

TEST_P(Add, MayWriteWhereItReads) {
  const HostTensor a = uniform(storage(), {extent('N')}), b = uniform(storage(), {extent('N')});
  const Tensor left = inout("a", a), right = inout("b", b), ta = in("in_a", a), tb = in("in_b", b);
  const Tensor y = out("out", storage(), {extent('N')}), twice = inout("twice", a);
  run([&] {
    tier().add({ta, tb, y});
    tier().add({left, tb, left});
    tier().add({ta, right, right});
    tier().add({twice, twice, twice});
  });
  EXPECT_TRUE(same_bits("out = a", read(left), read(y)));
  EXPECT_TRUE(same_bits("out = b", read(right), read(y)));
  EXPECT_TRUE(agrees("a + a", read(twice), sum(a, a), tolerance::add, dtypes()));
}

TEST_P(Add, KeepsWhatIsNotFinite) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  const Tensor a = in("a", HostTensor(storage(), {4}, {inf, inf, -inf, std::nan("")}));
  const Tensor b = in("b", HostTensor(storage(), {4}, {1, -inf, -inf, 1}));
  const Tensor y = out("out", storage(), {4});
  run([&] { tier().add({a, b, y}); });
  EXPECT_EQ(read(y)[0], inf);
  EXPECT_TRUE(std::isnan(read(y)[1]));
  EXPECT_EQ(read(y)[2], -inf);
  EXPECT_TRUE(std::isnan(read(y)[3]));
}

INSTANTIATE_TEST_SUITE_P(Tiers, Add, ::testing::ValuesIn(cases(storage_precisions, shapes)),
                         case_name);

/// A case's precision is the type that is cast from.
class Cast : public OpTest {
 protected:
  /// The nearest value of 8 (bf16), 24 or 53 significand bits, of two equally near ones the even
  /// one: by a double's own rounding to an integer. For normal numbers.
  static double nearest(DType to, double value) {
    if (value == 0) return value;
    const int bits = to == DType::bf16 ? 8 : to == DType::f32 ? 24 : 53;
    const int shift = bits - 1 - std::ilogb(value);
    return std::ldexp(std::nearbyint(std::ldexp(value, shift)), -shift);
  }
};

TEST_P(Cast, RoundsToNearestOnce) {
  const HostTensor from = uniform(storage(), {extent('N')}, -1e3, 1e3);
  const Tensor x = in("in", from);
  for (const DType to : {DType::f64, DType::f32, DType::bf16}) {
    const Tensor y = out("out", to, {extent('N')});
    run([&] { tier().cast({x, y}); });
    HostTensor want(to, {extent('N')});
    for (std::int64_t i = 0; i < want.count(); ++i) want.set(i, nearest(to, from[i]));
    EXPECT_TRUE(same_bits(name_of(to), read(y), want));
  }
}

TEST_P(Cast, RoundsTiesToEven) {
  if (storage() == DType::bf16) return;  // has no midpoints of its own
  // Midpoints of two bf16s, and their neighbours as far as the source resolves them: those of f64
  // become midpoints when they are rounded to f32 on the way.
  const double e = storage() == DType::f64 ? 0x1p-52 : 0x1p-23;
  const double tie_down = 1 + 0x1p-8, tie_up = 1 + 3 * 0x1p-8;
  const std::vector<double> from{tie_down,  tie_up,  tie_down + e, tie_up - e,
                                 -tie_down, -tie_up, 0x1p-140};
  const std::vector<double> want{1, 1 + 0x1p-6, 1 + 0x1p-7, 1 + 0x1p-7, -1, -(1 + 0x1p-6), 0};
  const Tensor x = in("in", HostTensor(storage(), {7}, from)), y = out("out", DType::bf16, {7});
  run([&] { tier().cast({x, y}); });
  EXPECT_TRUE(same_bits("out", read(y), HostTensor(DType::bf16, {7}, want)));
}

TEST_P(Cast, KeepsWhatIsNotFinite) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  const Tensor x = in("in", HostTensor(storage(), {4}, {inf, -inf, std::nan(""), -0.0}));
  for (const DType to : {DType::f64, DType::f32, DType::bf16}) {
    const Tensor y = out("out", to, {4});
    run([&] { tier().cast({x, y}); });
    EXPECT_EQ(read(y)[0], inf);
    EXPECT_EQ(read(y)[1], -inf);
    EXPECT_TRUE(std::isnan(read(y)[2]));
    EXPECT_TRUE(read(y)[3] == 0 && std::signbit(read(y)[3]));
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, Cast, ::testing::ValuesIn(cases(storage_precisions, shapes)),
                         case_name);

TEST(CastOverflow, GoesToInfinity) {
  const auto tier = make_tier({.name = tier_names().front(), .threads = 1});
  GuardedMemory memory(*tier);
  constexpr double inf = std::numeric_limits<double>::infinity();
  const Tensor wide = memory.input("wide", HostTensor(DType::f64, {3}, {1e39, -1e39, 3.4e38}));
  for (const DType to : {DType::f32, DType::bf16}) {
    const Tensor y = memory.output("out", to, {3});
    tier->cast({wide, y});
    EXPECT_EQ(memory.read(y)[0], inf);
    EXPECT_EQ(memory.read(y)[1], -inf);
    EXPECT_EQ(memory.read(y)[2], to == DType::f32 ? static_cast<double>(3.4e38f) : inf);
  }
  EXPECT_EQ(memory.damage(), "");
}

/// C1 is the letter A, C2 the letter B.
class Columns : public OpTest {
 protected:
  HostTensor numbered(std::int64_t columns) {
    HostTensor t(storage(), {extent('R'), columns});
    for (std::int64_t i = 0; i < t.count(); ++i) t.set(i, static_cast<double>(1 + i % 251));
    return t;
  }
  /// The columns begin … begin + count - 1 of a matrix.
  static HostTensor columns(const HostTensor& whole, std::int64_t begin, std::int64_t count) {
    HostTensor part(whole.dtype(), {whole.shape()[0], count});
    for (std::int64_t i = 0; i < part.count(); ++i) {
      part.set(i, whole[i / count * whole.shape()[1] + begin + i % count]);
    }
    return part;
  }
};

TEST_P(Columns, SplitIsExact) {
  const std::int64_t c1 = extent('A'), c2 = extent('B');
  const HostTensor whole = numbered(c1 + c2);
  const Tensor x = in("whole", whole);
  const Tensor left = out("left", storage(), {extent('R'), c1}),
               right = out("right", storage(), {extent('R'), c2});
  run([&] { tier().split_columns({x, left, right}); });
  EXPECT_TRUE(same_bits("left", read(left), columns(whole, 0, c1)));
  EXPECT_TRUE(same_bits("right", read(right), columns(whole, c1, c2)));
}

TEST_P(Columns, ConcatIsExact) {
  const std::int64_t c1 = extent('A'), c2 = extent('B');
  const HostTensor whole = numbered(c1 + c2);
  const Tensor left = in("left", columns(whole, 0, c1)),
               right = in("right", columns(whole, c1, c2));
  const Tensor y = out("whole", storage(), {extent('R'), c1 + c2});
  run([&] { tier().concat_columns({left, right, y}); });
  EXPECT_TRUE(same_bits("whole", read(y), whole));
}

INSTANTIATE_TEST_SUITE_P(Tiers, Columns,
                         ::testing::ValuesIn(cases(storage_precisions,
                                                   {{{'R', 0}, {'A', 3}, {'B', 2}},
                                                    {{'R', 1}, {'A', 1}, {'B', 1}},
                                                    {{'R', 7}, {'A', 0}, {'B', 5}},
                                                    {{'R', 7}, {'A', 5}, {'B', 0}},
                                                    {{'R', 211}, {'A', 13}, {'B', 29}}})),
                         case_name);

using ElementwiseRefusals = RefusalTest;

TEST_F(ElementwiseRefusals, Add) {
  const auto t = [&] { return take(DType::f32, {3}); };
  const Refusals r("add", AddArgs{t(), t(), t()}, [&](const AddArgs& a) { tier().add(a); });
  r.tensor(&AddArgs::a, "a");
  r.tensor(&AddArgs::b, "b");
  r.tensor(&AddArgs::out, "out");
  r.overlap(&AddArgs::out, &AddArgs::a, "out overlaps a");
  r.overlap(&AddArgs::out, &AddArgs::b, "out overlaps b");
}

TEST_F(ElementwiseRefusals, Cast) {
  const Refusals r("cast", CastArgs{take(DType::f32, {3}), take(DType::bf16, {3})},
                   [&](const CastArgs& a) { tier().cast(a); });
  r.tensor(&CastArgs::in, "in");
  r.tensor(&CastArgs::out, "out");
  r.overlap(&CastArgs::out, &CastArgs::in, "out overlaps in");
}

TEST_F(ElementwiseRefusals, Columns) {
  const Tensor whole = take(DType::f32, {3, 5}), left = take(DType::f32, {3, 2}),
               right = take(DType::f32, {3, 3});
  const Refusals split("split_columns", SplitColumns{whole, left, right},
                       [&](const SplitColumns& a) { tier().split_columns(a); });
  const Refusals concat("concat_columns", ConcatColumns{left, right, whole},
                        [&](const ConcatColumns& a) { tier().concat_columns(a); });
  split.tensor(&SplitColumns::left, "left");
  split.tensor(&SplitColumns::right, "right");
  split.overlap(&SplitColumns::left, &SplitColumns::whole, "whole overlaps left");
  split.overlap(&SplitColumns::right, &SplitColumns::whole, "whole overlaps right");
  concat.tensor(&ConcatColumns::left, "left");
  concat.tensor(&ConcatColumns::right, "right");
  concat.overlap(&ConcatColumns::whole, &ConcatColumns::left, "whole overlaps left");
  concat.overlap(&ConcatColumns::whole, &ConcatColumns::right, "whole overlaps right");
}

}  // namespace
}  // namespace triptych::testing

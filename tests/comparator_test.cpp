// ctest: timeout=60 labels=sanitize
// The harness itself: every fault that it is there to find is planted once.
#include "support/comparator.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "support/op_test.h"
#include "support/rounding.h"

namespace triptych::testing {
namespace {

constexpr Bound one_rounding{.storage = 1, .operand = 0, .accumulation = 0, .depth = 0};
constexpr Dtypes in_f32{DType::f32, DType::f32};

bool says(const Comparison& c, const std::string& text) {
  return c.report.find(text) != std::string::npos;
}

/// Seven rows of five, none of them small.
class Harness : public ::testing::Test {
 protected:
  Harness() : got_(DType::f32, {7, 5}), want_(35) {
    Values values(1);
    for (std::int64_t i = 0; i < 35; ++i) {
      got_.set(i, values.uniform(1, 2));
      want_.add(i, got_[i]);
    }
  }
  Comparison judged() const { return compare(got_, want_, one_rounding, in_f32); }

  HostTensor got_;
  Expected want_;
};

TEST_F(Harness, AcceptsWhatIsEqual) {
  EXPECT_EQ(judged().verdict, Verdict::agrees);
  EXPECT_EQ(judged().worst, 0);
}

TEST_F(Harness, AcceptsOneRounding) {
  // In [1,2) a half ulp is at most one unit roundoff of the value; a whole ulp is more.
  want_.add(11, 0.5 * 0x1p-23);
  EXPECT_EQ(judged().verdict, Verdict::agrees);
  EXPECT_GT(judged().worst, 0.4);
  want_.add(11, 1.5 * 0x1p-23);
  EXPECT_EQ(judged().verdict, Verdict::disagrees);
}

TEST_F(Harness, FindsOneWrongElementAndSaysWhere) {
  got_.set(3 * 5 + 2, got_[3 * 5 + 2] * 1.001);
  got_.set(4 * 5 + 4, got_[4 * 5 + 4] * 1.1);
  const Comparison c = judged();
  EXPECT_EQ(c.verdict, Verdict::disagrees);
  EXPECT_EQ(c.bad, 2);
  EXPECT_TRUE(says(c, "first [3, 2]")) << c.report;
  EXPECT_TRUE(says(c, "worst [4, 4]")) << c.report;
  EXPECT_TRUE(says(c, "2 of 35 elements")) << c.report;
  EXPECT_GT(c.worst, 1000);
}

TEST_F(Harness, FindsZeroedRows) {
  for (std::int64_t i = 10; i < 20; ++i) got_.set(i, 0);
  const Comparison c = judged();
  EXPECT_EQ(c.verdict, Verdict::disagrees);
  EXPECT_EQ(c.bad, 10);
}

TEST_F(Harness, FindsAZeroedRowThatTheBoundWouldLetPass) {
  // Elements of row 2 cancel: the bound is as large as they are. Zeros are within it, and wrong.
  for (std::int64_t i = 10; i < 15; ++i) {
    want_.set(i, 1e-9, 1e6);
    got_.set(i, 0);
  }
  const Comparison c = compare(got_, want_, {.accumulation = 1e9}, in_f32);
  EXPECT_EQ(c.verdict, Verdict::disagrees);
  EXPECT_TRUE(says(c, "row 2 is zero")) << c.report;
}

TEST_F(Harness, FindsSwappedRowsAndNamesThem) {
  for (std::int64_t c = 0; c < 5; ++c) {
    const double kept = got_[5 + c];
    got_.set(5 + c, got_[25 + c]);
    got_.set(25 + c, kept);
  }
  const Comparison c = judged();
  EXPECT_EQ(c.verdict, Verdict::disagrees);
  EXPECT_TRUE(says(c, "row 1 holds what row 5 should")) << c.report;
  EXPECT_TRUE(says(c, "row 5 holds what row 1 should")) << c.report;
}

TEST_F(Harness, FindsWhatIsNotFinite) {
  constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for (const double bad : {nan, inf, -inf}) {
    const double kept = got_[7];
    got_.set(7, bad);
    EXPECT_EQ(judged().verdict, Verdict::disagrees) << bad;
    got_.set(7, kept);
  }
  want_.set(7, nan, 1);
  EXPECT_EQ(judged().verdict, Verdict::disagrees);
  got_.set(7, inf);
  EXPECT_EQ(judged().verdict, Verdict::disagrees);
  got_.set(7, nan);
  EXPECT_EQ(judged().verdict, Verdict::agrees);
  want_.set(8, -inf, 1);
  got_.set(8, inf);
  EXPECT_EQ(judged().verdict, Verdict::disagrees);
  got_.set(8, -inf);
  EXPECT_EQ(judged().verdict, Verdict::agrees);
}

TEST_F(Harness, MistrustsMostlyZeros) {
  for (std::int64_t i = 0; i < 18; ++i) {
    got_.set(i, 0);
    want_.set(i, 0, 0);
  }
  EXPECT_EQ(judged().verdict, Verdict::mistrusted);
  EXPECT_TRUE(says(judged(), "18 of 35 elements are zero"));
  EXPECT_EQ(compare(got_, want_, one_rounding, in_f32, Zeros::expected).verdict, Verdict::agrees);
  EXPECT_FALSE(agrees("y", got_, want_, one_rounding, in_f32));
  EXPECT_FALSE(same_bits("y", got_, got_));
}

TEST_F(Harness, MistrustsABoundThatAllowsAnything) {
  for (std::int64_t i = 0; i < 35; i += 2) want_.set(i, want_[i], 0x1p30);
  const Comparison c = compare(got_, want_, {.accumulation = 1}, in_f32);
  EXPECT_EQ(c.verdict, Verdict::mistrusted);
  EXPECT_TRUE(says(c, "any value would do")) << c.report;
}

TEST_F(Harness, MistrustDoesNotHideADisagreement) {
  for (std::int64_t i = 0; i < 30; ++i) {
    got_.set(i, 0);
    want_.set(i, 0, 0);
  }
  got_.set(34, 5);
  EXPECT_EQ(judged().verdict, Verdict::disagrees);
}

TEST_F(Harness, FindsAMissingElement) {
  EXPECT_EQ(compare(HostTensor(DType::f32, {34}), want_, one_rounding, in_f32).verdict, Verdict::disagrees);
}

TEST_F(Harness, BitsMustBeEqual) {
  EXPECT_TRUE(same_bits("y", got_, got_));
  HostTensor other = got_;
  other.set(9, std::nextafter(static_cast<float>(other[9]), 3.0f));
  EXPECT_FALSE(same_bits("y", other, got_));
  HostTensor minus_zero = got_, zero = got_;
  minus_zero.set(0, -0.0);
  zero.set(0, 0.0);
  EXPECT_FALSE(same_bits("y", minus_zero, zero));
}

TEST(HarnessBound, CountsRoundoffsOfBothTypes) {
  // 1·u_S·|want| + 2·u_S·M + (3 + 4·k)·u_A·M, by hand.
  constexpr Bound bound{.storage = 1, .operand = 2, .accumulation = 3, .depth = 4};
  EXPECT_EQ(bound.allowed(-8, 16, 10, DType::bf16, DType::f32),
            8 * 0x1p-8 + 2 * 16 * 0x1p-8 + 43 * 16 * 0x1p-24);
}

TEST(HarnessRounding, NearestOfTheNarrowTypes) {
  EXPECT_EQ(NarrowFormat::e4m3().largest(), 448);
  EXPECT_EQ(NarrowFormat::e5m6().largest(), 65024);
  EXPECT_EQ(NarrowFormat::e4m3().values()[1], 0x1p-9);
  EXPECT_EQ(NarrowFormat::e4m3().nearest(-1.0625), -1.0);   // a tie: code 0x38 is even
  EXPECT_EQ(NarrowFormat::e4m3().nearest(1.1875), 1.25);    // a tie: code 0x39 is odd
  EXPECT_EQ(NarrowFormat::e4m3().nearest(1e9), 448);
}

/// The guarded memory, on whatever tier there is.
class Guard : public ::testing::Test {
 protected:
  Guard() : tier_(make_tier({.name = "reference", .threads = 1})), memory_(*tier_) {}
  std::unique_ptr<Tier> tier_;
  GuardedMemory memory_;
};

TEST_F(Guard, OutputsStartPoisoned) {
  const Tensor y = memory_.output("y", DType::bf16, {3, 5});
  EXPECT_TRUE(untouched(memory_.read(y)));
  EXPECT_TRUE(std::isnan(memory_.read(y)[7]));
  y.as<bf16>()[7] = bf16(1.0f);
  EXPECT_FALSE(untouched(memory_.read(y)));
  EXPECT_EQ(memory_.damage(), "");
}

TEST_F(Guard, FindsAWritePastTheEnd) {
  const Tensor y = memory_.output("y", DType::f32, {3, 5});
  y.as<float>()[15] = 1;
  EXPECT_EQ(memory_.damage(), "written 0 bytes past the end of y\n");
}

TEST_F(Guard, FindsAWriteBeforeTheBeginning) {
  const Tensor y = memory_.output("y", DType::f32, {0, 5});
  y.as<float>()[-1] = 1;
  EXPECT_EQ(memory_.damage(), "written 4 bytes before y\n");
}

TEST_F(Guard, FindsAModifiedInput) {
  const Tensor x = memory_.input("x", HostTensor(DType::f32, {4}, {1, 2, 3, 4}));
  const Tensor g = memory_.update("g", HostTensor(DType::f32, {4}, {1, 2, 3, 4}));
  g.as<float>()[2] = 7;
  EXPECT_EQ(memory_.damage(), "");
  x.as<float>()[2] = std::nextafter(3.0f, 4.0f);
  EXPECT_EQ(memory_.damage(), "the input x was changed at byte 8\n");
}

TEST_F(Guard, AbsentStaysAbsent) { EXPECT_TRUE(memory_.input("weight", HostTensor()).absent()); }

TEST(HarnessCases, EveryTierAndPrecision) {
  const std::vector<Case> all = cases(storage_precisions, {{{'T', 0}, {'D', 3}}, {{'T', 7}, {'D', 97}}});
  ASSERT_GE(all.size(), 6u);
  EXPECT_EQ(case_name({all[5], 5}), "reference_bf16_T7_D97");
  EXPECT_EQ(all[5].extents['D'], 97);
  EXPECT_THROW(all[5].extents['K'], Error);
}

TEST(HarnessCases, SeedsBelongToTestsAndDoNotChange) {
  const std::uint64_t seed = seed_of_this_test();
  EXPECT_EQ(seed, seed_of_this_test());
  EXPECT_EQ(Values(7).bits(), Values(7).bits());
  EXPECT_NE(Values(7).bits(), Values(8).bits());
}

/// A fixture of its own for planted faults: what an operation must not do, the fixture reports.
class Fixture : public OpTest {};

TEST_P(Fixture, RunReportsDamage) {
  const Tensor x = in("x", uniform(DType::f32, {3}));
  EXPECT_NONFATAL_FAILURE(run([&] { x.as<float>()[1] = 9; }), "the input x was changed at byte 4");
}

TEST_P(Fixture, RunReportsAFault) {
  const Tensor table = in("table", uniform(DType::f32, {2, 3}));
  const Tensor tokens = in("tokens", HostTensor(DType::i32, {2}, {1, 5}));
  const Tensor y = out("out", DType::f32, {2, 3});
  run([&] { tier().embedding_forward({tokens, table, y}); }, {Fault::token_out_of_range, 1});
  run([&] { tier().embedding_forward({tokens.rows(0, 1), table, y.rows(0, 1)}); });
}

INSTANTIATE_TEST_SUITE_P(Tiers, Fixture, ::testing::ValuesIn(cases({Precision::f32}, {{{'T', 1}}})), case_name);

}  // namespace
}  // namespace triptych::testing

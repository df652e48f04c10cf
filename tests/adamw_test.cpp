// ctest: timeout=60 labels=sanitize,threads
// grad_norm and adamw_step.
#include "triptych/adamw.h"

#include <cmath>

#include "support/op_test.h"
#include "support/oracle_adamw.h"
#include "support/refusals.h"

namespace triptych::testing {
namespace {

const std::vector<Extents> shapes{{{'N', 0}}, {{'N', 1}}, {{'N', 97}}, {{'N', 4096}}, {{'N', 12301}}};

class AdamWTest : public OpTest {
 protected:
  void SetUp() override {
    OpTest::SetUp();
    if (IsSkipped()) return;
    const Shape n{extent('N')};
    rule_.beta1 = 0.9, rule_.beta2 = 0.95, rule_.epsilon = 1e-8, rule_.weight_decay = 0.1, rule_.clip = 1;
    before_ = {uniform(accumulate(), n, -0.01, 0.01), uniform(accumulate(), n),
               uniform(accumulate(), n, -0.01, 0.01), uniform(accumulate(), n, 0, 1e-4),
               HostTensor(accumulate(), {3}, {1e-3, 1 / (1 - std::pow(0.9, 3)), 1 / (1 - std::pow(0.95, 3))}),
               HostTensor(accumulate(), {1}, {0.25}), rule_};
  }
  /// Uploads `before_`, whatever a test made of it.
  AdamWStep args() {
    AdamWStep a = before_.rule;
    a.grad = in("grad", before_.grad), a.scalars = in("scalars", before_.scalars);
    a.master = inout("master", before_.master), a.first = inout("first", before_.first);
    a.second = inout("second", before_.second);
    if (!before_.squared_sum.absent()) a.squared_sum = in("squared_sum", before_.squared_sum);
    return a;
  }
  void expect_step() {
    const AdamWStep a = args();
    run([&] { tier().adamw_step(a); });
    const auto want = oracle::adamw_step(before_);
    EXPECT_TRUE(agrees("master", read(a.master), want.master, tolerance::adamw_step, accumulated()));
    const Dtypes moments{a.first.dtype, accumulate()};
    EXPECT_TRUE(agrees("first", read(a.first), want.first, tolerance::adamw_step, moments));
    EXPECT_TRUE(agrees("second", read(a.second), want.second, tolerance::adamw_step, moments));
  }
  AdamWStep rule_;
  oracle::AdamWInputs before_;
};

TEST_P(AdamWTest, NormAddsTheSquares) {
  const HostTensor grad = before_.grad, sum = HostTensor(accumulate(), {1}, {0.125});
  const Tensor g = in("grad", grad), s = inout("squared_sum", sum);
  tier().reserve_scratch(tier().grad_norm_scratch({g, s}));
  run([&] { tier().grad_norm({g, s}); });
  EXPECT_TRUE(agrees("squared_sum", read(s), oracle::grad_norm(grad, sum), tolerance::grad_norm, accumulated()));
}

TEST_P(AdamWTest, AGradientThatIsNotFiniteIsAFault) {
  if (extent('N') == 0) return;
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    HostTensor grad = before_.grad;
    grad.set(grad.count() - 1, bad);
    const Tensor g = in("grad", grad), s = inout("squared_sum", HostTensor(accumulate(), {1}));
    tier().reserve_scratch(tier().grad_norm_scratch({g, s}));
    run([&] { tier().grad_norm({g, s}); }, {Fault::gradient_not_finite, extent('N') - 1});
    // And the step that follows changes nothing.
    AdamWStep a = args();
    a.squared_sum = s;
    run([&] { tier().adamw_step(a); });
    EXPECT_TRUE(same_bits("master", read(a.master), before_.master));
    EXPECT_TRUE(same_bits("first", read(a.first), before_.first));
    EXPECT_TRUE(same_bits("second", read(a.second), before_.second));
  }
}

// The fault names the gradient that spoilt the sum, and none that came after it.
TEST_P(AdamWTest, ASumThatWasSpoiltBeforeIsNoFaultOfThisGradient) {
  const Tensor g = in("grad", before_.grad);
  for (const double bad : {std::nan(""), HUGE_VAL}) {
    const Tensor s = inout("squared_sum", HostTensor(accumulate(), {1}, {bad}));
    tier().reserve_scratch(tier().grad_norm_scratch({g, s}));
    run([&] { tier().grad_norm({g, s}); });
    EXPECT_FALSE(std::isfinite(read(s)[0]));
  }
}

TEST_P(AdamWTest, StepAgreesWithTheFormula) { expect_step(); }

// 1 - β is taken in f64: the difference of β rounded to f32 would be wrong in its fourth digit here.
TEST_P(AdamWTest, BetasCloseToOneLoseNoDigits) {
  before_.rule.beta1 = 0.9999, before_.rule.beta2 = 0.99999;
  before_.second = HostTensor(accumulate(), {extent('N')});
  before_.first = HostTensor(accumulate(), {extent('N')});
  expect_step();
}

TEST_P(AdamWTest, ALargeNormClips) {
  before_.squared_sum = HostTensor(accumulate(), {1}, {1e4});
  expect_step();
}

TEST_P(AdamWTest, WithoutANormNothingIsClipped) {
  before_.squared_sum = HostTensor();
  expect_step();
}

TEST_P(AdamWTest, MomentsInBf16AreRoundedAfterUse) {
  if (accumulate() == DType::f64) return;
  const Shape n{extent('N')};
  before_.first = uniform(DType::bf16, n, -0.01, 0.01);
  before_.second = uniform(DType::bf16, n, 0, 1e-4);
  expect_step();
}

TEST_P(AdamWTest, TheCopyIsTheMasterRounded) {
  AdamWStep a = args();
  a.copy = out("copy", storage(), {extent('N')});
  run([&] { tier().adamw_step(a); });
  EXPECT_TRUE(same_bits("copy", read(a.copy), HostTensor(storage(), {extent('N')}, read(a.master).values())));
}

INSTANTIATE_TEST_SUITE_P(Tiers, AdamWTest, ::testing::ValuesIn(cases(storage_precisions, shapes)), case_name);

using AdamWRefusals = RefusalTest;

TEST_F(AdamWRefusals, Step) {
  using Args = AdamWStep;
  Args good;
  good.grad = take(DType::f32, {5}), good.master = take(DType::f32, {5});
  good.first = take(DType::f32, {5}), good.second = take(DType::f32, {5});
  good.scalars = take(DType::f32, {3});
  const Refusals r("adamw_step", good, [&](const Args& a) { tier().adamw_step(a); });
  r.tensor(&Args::master, "master");
  r.tensor(&Args::first, "first");
  r.tensor(&Args::second, "second");
  r.tensor(&Args::scalars, "scalars");
}

}  // namespace
}  // namespace triptych::testing

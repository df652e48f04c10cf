// ctest: timeout=60 labels=sanitize,threads
// cross_entropy: the loss, its gradient, the tokens that are left out, and its faults.
#include "support/oracle_cross_entropy.h"

#include <cmath>
#include <limits>

#include "support/op_test.h"
#include "support/refusals.h"

namespace triptych::testing {
namespace {

constexpr double grad_scale = 0.37;
constexpr double inf = std::numeric_limits<double>::infinity();

class CrossEntropyTest : public OpTest {
 protected:
  /// What a call leaves.
  struct Result {
    HostTensor loss_sum, dlogits;
  };
  Result call(const HostTensor& logits, const HostTensor& targets, const HostTensor& before,
              FaultReport fault = {}) {
    const Tensor z = in("logits", logits), t = in("targets", targets), loss = inout("loss_sum", before);
    const Tensor dz = out("dlogits", storage(), logits.shape());
    run([&] { tier().cross_entropy({z, t, grad_scale, loss, dz}); }, fault);
    return {read(loss), read(dz)};
  }
  void judge(const HostTensor& logits, const HostTensor& targets, Zeros zeros = Zeros::suspicious) {
    const HostTensor before(accumulate(), {1}, {2.5});
    const Result got = call(logits, targets, before);
    const auto want = oracle::cross_entropy(logits, targets, grad_scale, before);
    EXPECT_TRUE(agrees("loss_sum", got.loss_sum, want.loss_sum, tolerance::cross_entropy, accumulated()));
    EXPECT_TRUE(agrees("dlogits", got.dlogits, want.dlogits, tolerance::cross_entropy, dtypes(), zeros));
  }
  HostTensor scalar(double value) const { return HostTensor(accumulate(), {1}, {value}); }
};

class CrossEntropyShapes : public CrossEntropyTest {};

TEST_P(CrossEntropyShapes, AgreesWithTheFormula) {
  // One word: its softmax is 1 and its gradient zero.
  judge(uniform(storage(), {extent('T'), extent('V')}, -3, 3), indices({extent('T')}, extent('V')),
        extent('V') == 1 ? Zeros::expected : Zeros::suspicious);
}

TEST_P(CrossEntropyShapes, LargeLogitsDoNotOverflow) {
  judge(uniform(storage(), {extent('T'), extent('V')}, 990, 1010), indices({extent('T')}, extent('V')),
        Zeros::expected);
  judge(uniform(storage(), {extent('T'), extent('V')}, -1010, -990), indices({extent('T')}, extent('V')),
        Zeros::expected);
}

TEST_P(CrossEntropyShapes, NegativeTargetsAreLeftOut) {
  HostTensor targets = indices({extent('T')}, extent('V'));
  for (std::int64_t t = 0; t < targets.count(); t += 2) targets.set(t, t % 4 == 0 ? -1 : -100);
  judge(uniform(storage(), {extent('T'), extent('V')}), targets, Zeros::expected);
}

TEST_P(CrossEntropyShapes, EveryTokenLeftOut) {
  const HostTensor logits = uniform(storage(), {extent('T'), extent('V')});
  HostTensor targets(DType::i32, {extent('T')});
  for (std::int64_t t = 0; t < targets.count(); ++t) targets.set(t, -1);
  const Result got = call(logits, targets, scalar(2.5));
  EXPECT_EQ(got.loss_sum[0], 2.5);
  EXPECT_TRUE(same_bits("dlogits", got.dlogits, HostTensor(storage(), logits.shape()), Zeros::expected));
}

TEST_P(CrossEntropyShapes, MayWriteWhereItReadsOrNotAtAll) {
  const HostTensor logits = uniform(storage(), {extent('T'), extent('V')}, -3, 3);
  const HostTensor targets = indices({extent('T')}, extent('V'));
  const Result want = call(logits, targets, scalar(0));
  const Tensor z = in("logits", logits), t = in("targets", targets), both = inout("logits_and_dlogits", logits);
  const Tensor loss = inout("loss_sum", scalar(0)), loss_alone = inout("loss_alone", scalar(0));
  run([&] {
    tier().cross_entropy({both, t, grad_scale, loss, both});
    tier().cross_entropy({z, t, grad_scale, loss_alone, {}});
  });
  EXPECT_TRUE(same_bits("dlogits", read(both), want.dlogits, Zeros::expected));
  EXPECT_TRUE(same_bits("loss_sum", read(loss), want.loss_sum, Zeros::expected));
  EXPECT_TRUE(same_bits("loss_sum", read(loss_alone), want.loss_sum, Zeros::expected));
}

INSTANTIATE_TEST_SUITE_P(Tiers, CrossEntropyShapes,
                         ::testing::ValuesIn(cases(storage_precisions, {{{'T', 0}, {'V', 5}},
                                                                        {{'T', 1}, {'V', 1}},
                                                                        {{'T', 3}, {'V', 16}},
                                                                        {{'T', 7}, {'V', 17}},
                                                                        {{'T', 61}, {'V', 509}}})),
                         case_name);

class CrossEntropyFaults : public CrossEntropyTest {
 protected:
  static constexpr std::int64_t t_count = 5, v = 19;
  HostTensor logits_ = uniform(DType::f32, {t_count, v});
  HostTensor targets_{DType::i32, {t_count}, {3, 0, 18, 7, 1}};

  HostTensor logits() const { return HostTensor(storage(), {t_count, v}, logits_.values()); }
  /// The call reports the fault, and the tokens in `faulty` add nothing: neither loss nor gradient.
  void judge_faulty(const HostTensor& logits, const HostTensor& targets, FaultReport fault,
                    const std::vector<std::int64_t>& faulty) {
    const Result got = call(logits, targets, scalar(1), fault);
    HostTensor clean = logits, left_out = targets;
    for (const std::int64_t t : faulty) {
      left_out.set(t, -1);
      for (std::int64_t c = 0; c < v; ++c) clean.set(t * v + c, 0);
    }
    const auto want = oracle::cross_entropy(clean, left_out, grad_scale, scalar(1));
    EXPECT_TRUE(agrees("loss_sum", got.loss_sum, want.loss_sum, tolerance::cross_entropy, accumulated()));
    EXPECT_TRUE(agrees("dlogits", got.dlogits, want.dlogits, tolerance::cross_entropy, dtypes(),
                       Zeros::expected));
  }
};

TEST_P(CrossEntropyFaults, ALogitThatIsNotFinite) {
  for (const double bad : {std::nan(""), inf, -inf}) {
    for (const std::int64_t column : {std::int64_t{0}, std::int64_t{3}, v - 1}) {
      HostTensor z = logits();
      z.set(2 * v + column, bad);
      judge_faulty(z, targets_, {Fault::logits_not_finite, 2}, {2});
    }
  }
}

TEST_P(CrossEntropyFaults, ATargetOutsideTheVocabulary) {
  for (const double bad : {double{v}, 2147483647.0}) {
    HostTensor targets = targets_;
    targets.set(3, bad);
    judge_faulty(logits(), targets, {Fault::token_out_of_range, 3}, {3});
  }
}

TEST_P(CrossEntropyFaults, TheFirstTokenIsReported) {
  HostTensor z = logits(), targets = targets_;
  z.set(4 * v, inf);
  z.set(1 * v, std::nan(""));
  targets.set(3, v);
  judge_faulty(z, targets, {Fault::logits_not_finite, 1}, {1, 3, 4});
  targets.set(0, v);
  judge_faulty(z, targets, {Fault::token_out_of_range, 0}, {0, 1, 3, 4});
}

INSTANTIATE_TEST_SUITE_P(Tiers, CrossEntropyFaults, ::testing::ValuesIn(cases(storage_precisions, {{}})),
                         case_name);

using CrossEntropyRefusals = RefusalTest;

TEST_F(CrossEntropyRefusals, Arguments) {
  using Args = CrossEntropyArgs;
  const Refusals r("cross_entropy",
                   Args{take(DType::bf16, {3, 5}), take(DType::i32, {3}), 1, take(DType::f32, {1}),
                        take(DType::bf16, {3, 5})},
                   [&](const Args& a) { tier().cross_entropy(a); });
  r.tensor(&Args::logits, "logits");
  r.tensor(&Args::targets, "targets");
  r.tensor(&Args::loss_sum, "loss_sum");
  r.tensor(&Args::dlogits, "dlogits");
  r.overlap(&Args::dlogits, &Args::logits, "dlogits overlaps logits");
  r.when([](Args& a) { a.logits.shape = {3, 0}; }, {"logits have 0 columns; wanted a vocabulary"});
}

}  // namespace
}  // namespace triptych::testing

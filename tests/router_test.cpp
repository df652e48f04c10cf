// ctest: timeout=120 labels=sanitize,threads
// router_forward, router_backward and router_update_bias; every trap of the rule by its name.
#include "triptych/router.h"

#include <cmath>
#include <limits>

#include "support/op_test.h"
#include "support/oracle_router.h"

namespace triptych::testing {
namespace {

// G groups of which J stay; M = 1: gates are normalised.
const std::vector<Extents> shapes{
    {{'T', 0}, {'S', 1}, {'D', 5}, {'E', 4}, {'K', 2}, {'G', 1}, {'J', 1}, {'M', 1}},
    {{'T', 1}, {'S', 1}, {'D', 1}, {'E', 1}, {'K', 1}, {'G', 1}, {'J', 1}, {'M', 1}},
    {{'T', 14}, {'S', 7}, {'D', 37}, {'E', 12}, {'K', 3}, {'G', 4}, {'J', 2}, {'M', 1}},
    {{'T', 15}, {'S', 5}, {'D', 29}, {'E', 8}, {'K', 2}, {'G', 8}, {'J', 3}, {'M', 0}},   // groups of one
    {{'T', 6}, {'S', 6}, {'D', 16}, {'E', 6}, {'K', 4}, {'G', 3}, {'J', 2}, {'M', 1}},    // all that stay
    {{'T', 1040}, {'S', 130}, {'D', 17}, {'E', 16}, {'K', 4}, {'G', 4}, {'J', 2}, {'M', 1}}};  // 3 chunks

/// Where a router's outputs go, and what they held.
struct Outputs {
  Tensor scores, experts, gates, load, fraction, balance_loss;
};

class RouterTest : public OpTest {
 protected:
  void SetUp() override {
    OpTest::SetUp();
    if (IsSkipped()) return;
    rule_ = {.experts_per_token = static_cast<int>(extent('K')), .groups = static_cast<int>(extent('G')),
             .groups_per_token = static_cast<int>(extent('J')), .normalize_gates = extent('M') == 1,
             .gate_scale = 2.5};
    x_ = uniform(storage(), {extent('T'), extent('D')});
    weight_ = uniform(accumulate(), {extent('E'), extent('D')});
    bias_ = uniform(accumulate(), {extent('E')}, -0.3, 0.3);
    load_ = indices({extent('E')}, 10);
    loss_ = uniform(accumulate(), {1});
  }
  Outputs outputs() {
    const std::int64_t t = extent('T'), e = extent('E'), k = extent('K');
    return {out("scores", accumulate(), {t, e}),   out("experts", DType::i32, {t, k}),
            out("gates", accumulate(), {t, k}),    inout("load", load_),
            out("fraction", accumulate(), {t / extent('S'), e}), inout("balance_loss", loss_)};
  }
  RouterForward forward(const Outputs& o) {
    return {in("x", x_), in("weight", weight_), in("bias", bias_), rule_, extent('S'), alpha,
            o.scores, o.experts, o.gates, o.load, o.fraction, o.balance_loss};
  }

  static constexpr double alpha = 0.01;
  RouterRule rule_;
  HostTensor x_, weight_, bias_, load_, loss_;
};

TEST_P(RouterTest, ForwardAgreesWithTheFormula) {
  const Outputs o = outputs();
  run([&] { tier().router_forward(forward(o)); });
  const HostTensor scores = read(o.scores), experts = read(o.experts);
  EXPECT_TRUE(agrees("scores", scores, oracle::router_scores(x_, weight_), tolerance::router_forward,
                     accumulated()));
  // Gates and losses from the scores as they are stored, so that their errors do not add.
  EXPECT_TRUE(agrees("gates", read(o.gates), oracle::router_gates(scores, experts, rule_),
                     tolerance::router_forward, accumulated()));
  const auto balance = oracle::router_balance(scores, rule_.experts_per_token, extent('S'), alpha, loss_);
  EXPECT_TRUE(agrees("fraction", read(o.fraction), balance.fraction, tolerance::router_forward, accumulated(),
                     Zeros::expected));
  EXPECT_TRUE(agrees("balance_loss", read(o.balance_loss), balance.loss, tolerance::router_forward,
                     accumulated()));
  // The choice, where no rounding of a sum could have turned it.
  HostTensor load = load_;
  for (std::int64_t t = 0; t < extent('T'); ++t) {
    std::vector<double> c;
    for (std::int64_t e = 0; e < extent('E'); ++e) c.push_back(scores[t * extent('E') + e] + bias_[e]);
    const oracle::Choice want = oracle::router_choose(c, rule_);
    if (want.margin < 1e-6) continue;
    for (std::int64_t k = 0; k < extent('K'); ++k) {
      EXPECT_EQ(experts[t * extent('K') + k], want.experts[static_cast<std::size_t>(k)]) << t << ' ' << k;
    }
  }
  for (std::int64_t i = 0; i < experts.count(); ++i) {
    const auto e = static_cast<std::int64_t>(experts[i]);
    load.set(e, load[e] + 1);
  }
  EXPECT_TRUE(same_bits("load", read(o.load), load, Zeros::expected));
}

TEST_P(RouterTest, BackwardAgreesWithTheFormula) {
  const Outputs o = outputs();
  run([&] { tier().router_forward(forward(o)); });
  const HostTensor scores = read(o.scores), experts = read(o.experts), fraction = read(o.fraction);
  const HostTensor dgates = uniform(accumulate(), experts.shape());
  const HostTensor before = uniform(accumulate(), weight_.shape());
  const Tensor x = in("x", x_), weight = in("weight", weight_), dg = in("dgates", dgates);
  const Tensor dx = out("dx", storage(), x_.shape()), dweight = inout("dweight", before);
  const RouterBackward args{x, weight, rule_, extent('S'), alpha, o.scores, o.experts, o.fraction, dg, dx,
                            dweight};
  tier().reserve_scratch(tier().router_backward_scratch(args));
  run([&] { tier().router_backward(args); });
  const auto want = oracle::router_backward(x_, weight_, rule_, extent('S'), alpha, scores, experts, fraction,
                                            dgates, before);
  if (extent('E') > 1) {
    EXPECT_TRUE(agrees("dx", read(dx), want.dx, tolerance::router_backward, dtypes()));
  } else {  // one normalised expert: its gate is constant, and dx is what rounding leaves
    EXPECT_NEAR(read(dx)[0], 0, 8 * unit_roundoff(accumulate()));
  }
  EXPECT_TRUE(agrees("dweight", read(dweight), want.dweight, tolerance::router_backward, accumulated()));
}

INSTANTIATE_TEST_SUITE_P(Tiers, RouterTest, ::testing::ValuesIn(cases(storage_precisions, shapes)),
                         case_name);

/// Tokens whose logits a test chooses: x is the unit matrix but for its last element, so that
/// logit[t,e] = weight[e,t], times `last_x` for the last token.
class RouterTrap : public ::testing::TestWithParam<std::string> {
 protected:
  struct Routed {
    HostTensor scores, experts, gates, load, fraction;
  };
  Routed route(const std::vector<std::vector<double>>& logits, const std::vector<double>& bias,
               const RouterRule& rule, FaultReport fault = {}, double last_x = 1) {
    const auto t = static_cast<std::int64_t>(logits.size()), e = static_cast<std::int64_t>(bias.size());
    HostTensor x(DType::f32, {t, t}), weight(DType::f32, {e, t});
    for (std::int64_t i = 0; i < t; ++i) {
      x.set(i * t + i, 1);
      for (std::int64_t j = 0; j < e; ++j) {
        weight.set(j * t + i, logits[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)]);
      }
    }
    x.set(t * t - 1, last_x);
    const std::unique_ptr<Tier> tier = make_tier({.name = GetParam(), .threads = 2});
    GuardedMemory m(*tier);
    const int k = rule.experts_per_token;
    const RouterForward args{m.input("x", x), m.input("weight", weight),
                             m.input("bias", HostTensor(DType::f32, {e}, bias)), rule, t, 0,
                             m.output("scores", DType::f32, {t, e}), m.output("experts", DType::i32, {t, k}),
                             m.output("gates", DType::f32, {t, k}), m.update("load", HostTensor(DType::i32, {e})),
                             m.output("fraction", DType::f32, {1, e}),
                             m.update("balance_loss", HostTensor(DType::f32, {1}))};
    tier->router_forward(args);
    const FaultReport left = tier->take_fault();
    EXPECT_EQ(left.fault, fault.fault);
    EXPECT_EQ(left.index, fault.index);
    EXPECT_EQ(m.damage(), "");
    return {m.read(args.scores), m.read(args.experts), m.read(args.gates), m.read(args.load),
            m.read(args.fraction)};
  }
  static std::vector<double> list(const HostTensor& t) { return t.values(); }
};
using Doubles = std::vector<double>;

// With 0 in place of -∞ a masked expert beats every expert whose biased score is negative.
TEST_P(RouterTrap, MaskedExpertsNeverWinAgainstNegativeScores) {
  const auto r = route({{0, 0, -1, -1}}, {-2, -2.5, -3, -3}, {.experts_per_token = 2, .groups = 2});
  EXPECT_EQ(list(r.experts), (Doubles{0, 1}));
}

TEST_P(RouterTrap, GatesComeFromTheUnbiasedScores) {
  // The bias turns the choice round, and leaves no trace in the gates.
  const auto r = route({{2, 1, 0}}, {-5, 0, 5}, {.experts_per_token = 2});
  EXPECT_EQ(list(r.experts), (Doubles{2, 1}));
  const double s2 = 0.5, s1 = 1 / (1 + std::exp(-1.0));
  EXPECT_NEAR(r.gates[0], s2 / (s1 + s2), 1e-6);
  EXPECT_NEAR(r.gates[1], s1 / (s1 + s2), 1e-6);
}

TEST_P(RouterTrap, TiesGoToTheLowerExpertAndGroup) {
  const auto r = route({{0, 0, 0, 0, 0, 0, 0, 0}}, Doubles(8, 0),
                       {.experts_per_token = 3, .groups = 4, .groups_per_token = 2});
  EXPECT_EQ(list(r.experts), (Doubles{0, 1, 2}));
  const auto equal_groups = route({{1, 2, 2, 1, 3, 0, 0, 3}}, Doubles(8, 0),
                                  {.experts_per_token = 2, .groups = 2});
  EXPECT_EQ(list(equal_groups.experts), (Doubles{4, 7})) << "sigmoid(3) + sigmoid(3) is the larger sum";
  const auto tied = route({{1, 2, 2, 1}}, Doubles(4, 0), {.experts_per_token = 2, .groups = 2});
  EXPECT_EQ(list(tied.experts), (Doubles{1, 0}));
}

TEST_P(RouterTrap, AGroupIsWorthItsTwoBestTogether) {
  // The single best expert lies in group 0, the best pair in group 1.
  const auto r = route({{4, -9, -9, 1, 1, -9}}, Doubles(6, 0), {.experts_per_token = 2, .groups = 2});
  EXPECT_EQ(list(r.experts), (Doubles{3, 4}));
  const auto no_third = route({{1, 1, -9, 0.9, 0.9, 0.9}}, Doubles(6, 0), {.experts_per_token = 2, .groups = 2});
  EXPECT_EQ(list(no_third.experts), (Doubles{0, 1})) << "a third expert counts for nothing";
}

TEST_P(RouterTrap, GroupsAreRankedByBiasedScores) {
  const auto r = route({{3, 3, 0, 0}}, {0, 0, 1, 1}, {.experts_per_token = 1, .groups = 2});
  EXPECT_EQ(list(r.experts), (Doubles{2}));
}

TEST_P(RouterTrap, TheBalanceFractionKnowsNeitherBiasNorGroups) {
  const auto r = route({{3, -1, 2, -1}, {3, -1, 2, -1}}, {-9, 9, -9, 9},
                       {.experts_per_token = 2, .groups = 2});
  EXPECT_EQ(list(r.fraction), (Doubles{2, 0, 2, 0}));
  EXPECT_EQ(list(r.load), (Doubles{2, 2, 0, 0}));
}

TEST_P(RouterTrap, LogitsThatAreNotFiniteAreAFaultAndChooseDistinctExperts) {
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    const auto r = route({{1, 2, 3, 4}, {1, 2, 3, 4}}, Doubles(4, 0), {.experts_per_token = 2},
                         {Fault::router_not_finite, 1}, bad);
    EXPECT_EQ(list(r.experts.rows(0, 1)), (Doubles{3, 2}));
    EXPECT_EQ(list(r.experts.rows(1, 1)), (Doubles{0, 1}));
    EXPECT_EQ(list(r.gates.rows(1, 1)), (Doubles{0, 0}));
  }
}

TEST_P(RouterTrap, ScoresThatVanishGiveNoNan) {
  const auto r = route({{-200, -200, -200}}, {1, 0, 0}, {.experts_per_token = 2});
  EXPECT_EQ(list(r.experts), (Doubles{0, 1}));
  EXPECT_EQ(list(r.gates), (Doubles{0, 0})) << "0 / (0 + 1e-20)";
}

TEST_P(RouterTrap, TheBiasMovesBySpeedAwayFromTheMeanAndNotAtIt) {
  const std::unique_ptr<Tier> tier = make_tier({.name = GetParam(), .threads = 2});
  GuardedMemory m(*tier);
  const Tensor load = m.input("load", HostTensor(DType::i32, {4}, {8, 2, 5, 5}));
  const Tensor bias = m.update("bias", HostTensor(DType::f32, {4}, {1, 1, 1, -1}));
  const Tensor speed = m.input("speed", HostTensor(DType::f32, {1}, {0.25}));
  tier->router_update_bias({load, bias, speed});
  EXPECT_EQ(list(m.read(bias)), (Doubles{0.75, 1.25, 1, -1}));
  EXPECT_EQ(m.damage(), "");
}

// Σ 1 of 3 experts is no multiple of 3: the mean is not rounded to a whole number of tokens.
TEST_P(RouterTrap, TheMeanLoadMayLieBetweenWholeNumbers) {
  const std::unique_ptr<Tier> tier = make_tier({.name = GetParam(), .threads = 2});
  GuardedMemory m(*tier);
  const Tensor load = m.input("load", HostTensor(DType::i32, {3}, {1, 1, 2}));
  const Tensor bias = m.update("bias", HostTensor(DType::f32, {3}));
  const Tensor speed = m.input("speed", HostTensor(DType::f32, {1}, {0.5}));
  tier->router_update_bias({load, bias, speed});
  EXPECT_EQ(list(m.read(bias)), (Doubles{0.5, 0.5, -0.5}));
}

TEST_P(RouterTrap, ABiasThatIsNotFiniteIsAFaultToo) {
  const auto r = route({{1, 2, 3}, {3, 2, 1}}, {0, std::nan(""), 0}, {.experts_per_token = 2},
                       {Fault::router_not_finite, 0});
  EXPECT_EQ(list(r.experts), (Doubles{0, 1, 0, 1}));
}

TEST_P(RouterTrap, AllTokensMayGoToOneExpert) {
  const auto r = route({{1, 2, 3}, {3, 2, 1}, {0, 0, 0}}, {0, 9, 0}, {.experts_per_token = 1});
  EXPECT_EQ(list(r.experts), (Doubles{1, 1, 1}));
  EXPECT_EQ(list(r.load), (Doubles{0, 3, 0}));
  EXPECT_EQ(list(r.gates), (Doubles{1, 1, 1}));
}

INSTANTIATE_TEST_SUITE_P(Tiers, RouterTrap, ::testing::ValuesIn(tier_names()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace triptych::testing

// ctest: timeout=60 labels=sanitize,threads
// swiglu_forward and swiglu_backward.
#include "support/oracle_swiglu.h"

#include <cmath>
#include <limits>

#include "support/op_test.h"
#include "support/refusals.h"

namespace triptych::testing {
namespace {

const std::vector<Extents> shapes{{{'R', 0}, {'F', 5}},  {{'R', 7}, {'F', 0}},   {{'R', 1}, {'F', 1}},
                                  {{'R', 3}, {'F', 16}}, {{'R', 17}, {'F', 97}}, {{'R', 131}, {'F', 37}}};

class SwigluTest : public OpTest {
 protected:
  void SetUp() override {
    OpTest::SetUp();
    if (IsSkipped()) return;
    gate_up_ = uniform(storage(), {extent('R'), 2 * extent('F')}, -4, 4);
    dact_ = uniform(storage(), {extent('R'), extent('F')});
    weight_ = uniform(accumulate(), {extent('R')}, 0.1, 1);
    x_ = in("gate_up", gate_up_);
    d_ = in("dact", dact_);
    w_ = in("weight", weight_);
  }
  Tensor new_act() { return out("act", storage(), {extent('R'), extent('F')}); }
  Tensor new_dgate_up() { return out("dgate_up", storage(), {extent('R'), 2 * extent('F')}); }
  Tensor new_dweight() { return out("dweight", accumulate(), {extent('R')}); }

  HostTensor gate_up_, dact_, weight_;
  Tensor x_, d_, w_;
};

TEST_P(SwigluTest, ForwardAgreesWithTheFormula) {
  const Tensor act = new_act();
  run([&] { tier().swiglu_forward({.gate_up = x_, .weight = w_, .act = act}); });
  EXPECT_TRUE(agrees("act", read(act), oracle::swiglu_forward(gate_up_, weight_),
                     tolerance::swiglu_forward, dtypes()));
}

TEST_P(SwigluTest, NoWeightMeansOne) {
  const Tensor act = new_act(), dx = new_dgate_up(), dw = new_dweight();
  run([&] {
    tier().swiglu_forward({.gate_up = x_, .act = act});
    tier().swiglu_backward({.gate_up = x_, .dact = d_, .dgate_up = dx, .dweight = dw});
  });
  const HostTensor none;
  EXPECT_TRUE(agrees("act", read(act), oracle::swiglu_forward(gate_up_, none),
                     tolerance::swiglu_forward, dtypes()));
  const auto want = oracle::swiglu_backward(gate_up_, none, dact_);
  EXPECT_TRUE(agrees("dgate_up", read(dx), want.dgate_up, tolerance::swiglu_backward, dtypes()));
  EXPECT_TRUE(agrees("dweight", read(dw), want.dweight, tolerance::swiglu_backward, accumulated(),
                     extent('F') == 0 ? Zeros::expected : Zeros::suspicious));
}

TEST_P(SwigluTest, BackwardAgreesWithTheFormula) {
  const Tensor dx = new_dgate_up(), dw = new_dweight(), act = new_act(), forward = new_act();
  run([&] {
    tier().swiglu_backward({.gate_up = x_, .weight = w_, .dact = d_, .dgate_up = dx, .dweight = dw,
                            .act = act});
    tier().swiglu_forward({.gate_up = x_, .weight = w_, .act = forward});
  });
  const auto want = oracle::swiglu_backward(gate_up_, weight_, dact_);
  EXPECT_TRUE(agrees("dgate_up", read(dx), want.dgate_up, tolerance::swiglu_backward, dtypes()));
  EXPECT_TRUE(agrees("dweight", read(dw), want.dweight, tolerance::swiglu_backward, accumulated(),
                     extent('F') == 0 ? Zeros::expected : Zeros::suspicious));
  EXPECT_TRUE(agrees("act", read(act), oracle::swiglu_forward(gate_up_, weight_),
                     tolerance::swiglu_forward, dtypes()));
}

TEST_P(SwigluTest, BackwardMayWriteWhereItReads) {
  const Tensor dx = new_dgate_up(), dw = new_dweight(), act = new_act(), dw2 = new_dweight();
  const Tensor x_and_dx = inout("gate_up_and_dgate_up", gate_up_);
  const Tensor d_and_act = inout("dact_and_act", dact_);
  run([&] {
    tier().swiglu_backward({.gate_up = x_, .weight = w_, .dact = d_, .dgate_up = dx, .dweight = dw,
                            .act = act});
    tier().swiglu_backward({.gate_up = x_and_dx, .weight = w_, .dact = d_and_act,
                            .dgate_up = x_and_dx, .dweight = dw2, .act = d_and_act});
  });
  EXPECT_TRUE(same_bits("dgate_up", read(x_and_dx), read(dx)));
  EXPECT_TRUE(same_bits("act", read(d_and_act), read(act)));
  EXPECT_TRUE(same_bits("dweight", read(dw2), read(dw),
                        extent('F') == 0 ? Zeros::expected : Zeros::suspicious));
}

TEST_P(SwigluTest, OptionalOutputsMayBeLeftOut) {
  const Tensor all = new_dgate_up(), alone = new_dgate_up(), dw = new_dweight(), act = new_act();
  run([&] {
    tier().swiglu_backward({.gate_up = x_, .weight = w_, .dact = d_, .dgate_up = all, .dweight = dw,
                            .act = act});
    tier().swiglu_backward({.gate_up = x_, .weight = w_, .dact = d_, .dgate_up = alone});
  });
  EXPECT_TRUE(same_bits("dgate_up", read(alone), read(all)));
}

TEST_P(SwigluTest, RowsPastTheValidOnesAreNotTouched) {
  for (const std::int64_t valid : {std::int64_t{0}, std::int64_t{1}, extent('R') / 2, extent('R')}) {
    if (valid > extent('R')) continue;
    const Tensor rows = in("rows", HostTensor(DType::i32, {1}, {static_cast<double>(valid)}));
    const Tensor act = new_act(), dx = new_dgate_up(), dw = new_dweight(), again = new_act();
    run([&] {
      tier().swiglu_forward({.gate_up = x_, .weight = w_, .rows = rows, .act = act});
      tier().swiglu_backward({.gate_up = x_, .weight = w_, .rows = rows, .dact = d_, .dgate_up = dx,
                              .dweight = dw, .act = again});
    });
    const std::int64_t past = extent('R') - valid;
    for (const Tensor& y : {act, dx, dw, again}) {
      EXPECT_TRUE(untouched(read(y).rows(valid, past))) << valid << " valid rows";
    }
    const HostTensor x = gate_up_.rows(0, valid), w = weight_.rows(0, valid), d = dact_.rows(0, valid);
    const auto want = oracle::swiglu_backward(x, w, d);
    EXPECT_TRUE(agrees("act", read(act).rows(0, valid), oracle::swiglu_forward(x, w),
                       tolerance::swiglu_forward, dtypes()));
    EXPECT_TRUE(agrees("dgate_up", read(dx).rows(0, valid), want.dgate_up,
                       tolerance::swiglu_backward, dtypes()));
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, SwigluTest, ::testing::ValuesIn(cases(storage_precisions, shapes)),
                         case_name);

class SwigluExtremes : public OpTest {};

TEST_P(SwigluExtremes, LargeGatesNeitherOverflowNorLoseTheirSign) {
  // silu(z) → z above and → -0 below; e^-z alone would overflow at z = -89 in f32 and at -710 in f64.
  const HostTensor x(storage(), {1, 10}, {1e4, -1e4, 100, -30, -720, 1, 1, 1, 1, 1});
  const HostTensor d(storage(), {1, 5}, {1, 1, 1, 1, 1});
  const Tensor gate_up = in("gate_up", x), dact = in("dact", d), act = out("act", storage(), {1, 5});
  const Tensor dx = out("dgate_up", storage(), {1, 10});
  run([&] {
    tier().swiglu_forward({.gate_up = gate_up, .act = act});
    tier().swiglu_backward({.gate_up = gate_up, .dact = dact, .dgate_up = dx});
  });
  EXPECT_TRUE(agrees("act", read(act), oracle::swiglu_forward(x, {}), tolerance::swiglu_forward,
                     dtypes(), Zeros::expected));
  EXPECT_TRUE(agrees("dgate_up", read(dx), oracle::swiglu_backward(x, {}, d).dgate_up,
                     tolerance::swiglu_backward, dtypes(), Zeros::expected));
}

TEST_P(SwigluExtremes, NotANumberStaysOne) {
  HostTensor x = uniform(storage(), {2, 34}, 1, 2);
  x.set(3, std::nan(""));       // a gate of row 0
  x.set(34 + 17 + 16, std::nan(""));  // an up of row 1, past the first 16 columns
  const Tensor gate_up = in("gate_up", x), act = out("act", storage(), {2, 17});
  run([&] { tier().swiglu_forward({.gate_up = gate_up, .act = act}); });
  const HostTensor got = read(act);
  for (std::int64_t i = 0; i < 34; ++i) {
    EXPECT_EQ(std::isnan(got[i]), i == 3 || i == 17 + 16) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, SwigluExtremes, ::testing::ValuesIn(cases(storage_precisions, {{}})),
                         case_name);

using SwigluRefusals = RefusalTest;

TEST_F(SwigluRefusals, Forward) {
  using Args = SwigluForward;
  const Refusals r("swiglu_forward",
                   Args{take(DType::bf16, {3, 10}), take(DType::f32, {3}), take(DType::i32, {1}),
                        take(DType::bf16, {3, 5})},
                   [&](const Args& a) { tier().swiglu_forward(a); });
  r.tensor(&Args::gate_up, "gate_up");
  r.tensor(&Args::weight, "weight");
  r.tensor(&Args::rows, "rows");
  r.tensor(&Args::act, "act");
  r.overlap(&Args::act, &Args::gate_up, "act overlaps gate_up");
  r.when([](Args& a) { a.act.data = const_cast<void*>(a.gate_up.data); }, {"act overlaps gate_up"});
  r.when([](Args& a) { a.gate_up.shape = {3, 9}; },
         {"gate_up has 9 columns; wanted F of gate and F of up"});
}

TEST_F(SwigluRefusals, Backward) {
  using Args = SwigluBackward;
  const auto half = [&] { return take(DType::bf16, {3, 5}); };
  const Refusals r("swiglu_backward",
                   Args{take(DType::bf16, {3, 10}), take(DType::f32, {3}), take(DType::i32, {1}), half(),
                        take(DType::bf16, {3, 10}), take(DType::f32, {3}), half()},
                   [&](const Args& a) { tier().swiglu_backward(a); });
  r.tensor(&Args::gate_up, "gate_up");
  r.tensor(&Args::weight, "weight");
  r.tensor(&Args::rows, "rows");
  r.tensor(&Args::dact, "dact");
  r.tensor(&Args::dgate_up, "dgate_up");
  r.tensor(&Args::dweight, "dweight");
  r.tensor(&Args::act, "act");
  r.overlap(&Args::dgate_up, &Args::gate_up, "dgate_up overlaps gate_up");
  r.overlap(&Args::dgate_up, &Args::dact, "dgate_up overlaps dact");
  r.overlap(&Args::act, &Args::dact, "act overlaps dact");
  r.overlap(&Args::act, &Args::dgate_up, "act overlaps dgate_up");
  // act is written row by row: in gate_up's place it would spoil rows that are still to be read.
  r.overlap(&Args::act, &Args::gate_up, "act overlaps gate_up");
}

}  // namespace
}  // namespace triptych::testing

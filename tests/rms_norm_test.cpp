// ctest: timeout=60 labels=sanitize,threads
// rms_norm_forward and rms_norm_backward.
#include "support/op_test.h"
#include "support/oracle_rms_norm.h"
#include "support/refusals.h"

namespace triptych::testing {
namespace {

constexpr double epsilon = 1e-6;
const std::vector<Extents> shapes{{{'T', 0}, {'D', 7}},
                                  {{'T', 1}, {'D', 1}},
                                  {{'T', 3}, {'D', 16}},
                                  {{'T', 7}, {'D', 97}},
                                  {{'T', 1031}, {'D', 29}}};  // over two token_chunks

class RmsNormTest : public OpTest {
 protected:
  HostTensor matrix(double low = -1, double high = 1) {
    return uniform(storage(), {extent('T'), extent('D')}, low, high);
  }
  HostTensor gains() { return uniform(accumulate(), {extent('D')}, 0.5, 1.5); }
};

TEST_P(RmsNormTest, ForwardAgreesWithTheFormula) {
  const HostTensor x = matrix(), gamma = gains();
  const Tensor tx = in("x", x), g = in("gamma", gamma), y = out("y", storage(), x.shape());
  run([&] { tier().rms_norm_forward({tx, g, epsilon, y}); });
  EXPECT_TRUE(agrees("y", read(y), oracle::rms_norm_forward(x, gamma, epsilon),
                     tolerance::rms_norm_forward, dtypes()));
}

TEST_P(RmsNormTest, ForwardMayWriteWhereItReads) {
  const HostTensor x = matrix();
  const Tensor tx = in("x", x), g = in("gamma", gains()), y = out("y", storage(), x.shape());
  const Tensor both = inout("x_and_y", x);
  run([&] {
    tier().rms_norm_forward({tx, g, epsilon, y});
    tier().rms_norm_forward({both, g, epsilon, both});
  });
  EXPECT_TRUE(same_bits("y", read(both), read(y)));
}

TEST_P(RmsNormTest, EpsilonIsUnderTheRoot) {
  // Rows as small as √ε: half of what is under the root is ε.
  const HostTensor x = matrix(0.9e-3, 1.1e-3), gamma = gains();
  const Tensor tx = in("x", x), g = in("gamma", gamma), y = out("y", storage(), x.shape());
  run([&] { tier().rms_norm_forward({tx, g, epsilon, y}); });
  EXPECT_TRUE(agrees("y", read(y), oracle::rms_norm_forward(x, gamma, epsilon),
                     tolerance::rms_norm_forward, dtypes()));
}

TEST_P(RmsNormTest, ARowOfZerosStaysZero) {
  const HostTensor x(storage(), {extent('T'), extent('D')});
  const Tensor tx = in("x", x), g = in("gamma", gains()), y = out("y", storage(), x.shape());
  const Tensor dy = in("dy", matrix()), dx = out("dx", storage(), x.shape());
  const HostTensor before = gains();
  const Tensor dgamma = inout("dgamma", before);
  run([&] {
    tier().rms_norm_forward({tx, g, epsilon, y});
    tier().rms_norm_backward({tx, g, epsilon, dy, dx, dgamma});
  });
  EXPECT_TRUE(same_bits("y", read(y), x, Zeros::expected));
  EXPECT_TRUE(same_bits("dgamma", read(dgamma), before));
}

TEST_P(RmsNormTest, BackwardAgreesWithTheFormula) {
  const HostTensor x = matrix(), gamma = gains(), dy = matrix(), before = gains();
  const Tensor tx = in("x", x), g = in("gamma", gamma), tdy = in("dy", dy);
  const Tensor dx = out("dx", storage(), x.shape()), dgamma = inout("dgamma", before);
  run([&] { tier().rms_norm_backward({tx, g, epsilon, tdy, dx, dgamma}); });
  const auto want = oracle::rms_norm_backward(x, gamma, epsilon, dy, before);
  // One column: y = ±gamma whatever x is, so that dx is what ε leaves, and only M bounds its error.
  if (extent('D') > 1) {
    EXPECT_TRUE(agrees("dx", read(dx), want.dx, tolerance::rms_norm_backward, dtypes()));
  } else {
    EXPECT_NE(compare(read(dx), want.dx, tolerance::rms_norm_backward, dtypes()).verdict,
              Verdict::disagrees);
  }
  EXPECT_TRUE(
      agrees("dgamma", read(dgamma), want.dgamma, tolerance::rms_norm_backward, accumulated()));
}

TEST_P(RmsNormTest, BackwardMayWriteWhereItReadsDy) {
  const HostTensor x = matrix(), dy = matrix(), before = gains();
  const Tensor tx = in("x", x), g = in("gamma", gains()), tdy = in("dy", dy);
  const Tensor dx = out("dx", storage(), x.shape()), dgamma = inout("dgamma", before);
  const Tensor both = inout("dy_and_dx", dy), other = inout("other_dgamma", before);
  run([&] {
    tier().rms_norm_backward({tx, g, epsilon, tdy, dx, dgamma});
    tier().rms_norm_backward({tx, g, epsilon, both, both, other});
  });
  EXPECT_TRUE(same_bits("dx", read(both), read(dx)));
  EXPECT_TRUE(same_bits("dgamma", read(other), read(dgamma)));
}

INSTANTIATE_TEST_SUITE_P(Tiers, RmsNormTest, ::testing::ValuesIn(cases(storage_precisions, shapes)),
                         case_name);

using RmsNormRefusals = RefusalTest;

TEST_F(RmsNormRefusals, Forward) {
  using Args = RmsNormForward;
  const Refusals r(
      "rms_norm_forward",
      Args{take(DType::bf16, {3, 5}), take(DType::f32, {5}), epsilon, take(DType::bf16, {3, 5})},
      [&](const Args& a) { tier().rms_norm_forward(a); });
  r.tensor(&Args::x, "x");
  r.tensor(&Args::gamma, "gamma");
  r.tensor(&Args::y, "y");
  r.overlap(&Args::y, &Args::x, "y overlaps x");
  for (const double bad : {0.0, -1.0, std::nan("")}) {
    r.when([&](Args& a) { a.epsilon = bad; }, {"epsilon is ", "wanted a positive number"});
  }
}

TEST_F(RmsNormRefusals, Backward) {
  using Args = RmsNormBackward;
  const auto matrix = [&] { return take(DType::bf16, {3, 5}); };
  const Refusals r(
      "rms_norm_backward",
      Args{matrix(), take(DType::f32, {5}), epsilon, matrix(), matrix(), take(DType::f32, {5})},
      [&](const Args& a) { tier().rms_norm_backward(a); });
  r.tensor(&Args::x, "x");
  r.tensor(&Args::gamma, "gamma");
  r.tensor(&Args::dy, "dy");
  r.tensor(&Args::dx, "dx");
  r.tensor(&Args::dgamma, "dgamma");
  r.overlap(&Args::dx, &Args::x, "dx overlaps x");
  r.overlap(&Args::dx, &Args::dy, "dx overlaps dy");
  r.when([](Args& a) { a.epsilon = 0; }, {"epsilon is 0, wanted a positive number"});
}

}  // namespace
}  // namespace triptych::testing

// ctest: timeout=60 labels=sanitize,threads
// embedding_forward and embedding_backward.
#include "support/op_test.h"
#include "support/oracle_embedding.h"
#include "support/refusals.h"

namespace triptych::testing {
namespace {

class EmbeddingTest : public OpTest {};

TEST_P(EmbeddingTest, ForwardCopiesRows) {
  const HostTensor table = uniform(storage(), {extent('V'), extent('D')});
  const HostTensor tokens = indices({extent('T')}, extent('V'));
  const Tensor t = in("tokens", tokens), w = in("table", table);
  const Tensor y = out("out", storage(), {extent('T'), extent('D')});
  run([&] { tier().embedding_forward({t, w, y}); });
  EXPECT_TRUE(same_bits("out", read(y), oracle::embedding_forward(tokens, table)));
}

TEST_P(EmbeddingTest, BackwardAccumulates) {
  const HostTensor dout = uniform(storage(), {extent('T'), extent('D')});
  const HostTensor before = uniform(accumulate(), {extent('V'), extent('D')});
  const HostTensor tokens = indices({extent('T')}, extent('V'));
  const Tensor t = in("tokens", tokens), g = in("dout", dout), dtable = inout("dtable", before);
  run([&] { tier().embedding_backward({t, g, dtable}); });
  EXPECT_TRUE(agrees("dtable", read(dtable), oracle::embedding_backward(tokens, dout, before),
                     tolerance::embedding_backward, accumulated()));
}

TEST_P(EmbeddingTest, BackwardSumsInTheOrderOfTokens) {
  // All tokens on one row: its sum, exactly as a loop over t rounds it.
  const HostTensor dout = uniform(storage(), {extent('T'), extent('D')});
  HostTensor want(accumulate(), {extent('V'), extent('D')}), tokens(DType::i32, {extent('T')});
  for (std::int64_t t = 0; t < extent('T'); ++t) {
    tokens.set(t, static_cast<double>(extent('V') - 1));
    for (std::int64_t c = 0; c < extent('D'); ++c) {
      const std::int64_t at = (extent('V') - 1) * extent('D') + c;
      want.set(at, want[at] + dout[t * extent('D') + c]);  // set() rounds to A
    }
  }
  const Tensor t = in("tokens", tokens), g = in("dout", dout);
  const Tensor dtable = inout("dtable", HostTensor(accumulate(), {extent('V'), extent('D')}));
  run([&] { tier().embedding_backward({t, g, dtable}); });
  EXPECT_TRUE(same_bits("dtable", read(dtable), want, Zeros::expected));
}

INSTANTIATE_TEST_SUITE_P(Tiers, EmbeddingTest,
                         ::testing::ValuesIn(cases(storage_precisions,
                                                   {{{'T', 0}, {'V', 5}, {'D', 3}},
                                                    {{'T', 1}, {'V', 1}, {'D', 1}},
                                                    {{'T', 7}, {'V', 3}, {'D', 0}},
                                                    {{'T', 31}, {'V', 13}, {'D', 97}},
                                                    {{'T', 1021}, {'V', 11}, {'D', 67}}})),
                         case_name);

class EmbeddingOutside : public OpTest {};

TEST_P(EmbeddingOutside, ForwardGivesZerosAndReportsTheFirst) {
  const HostTensor table = uniform(storage(), {5, 3}, 1, 2);
  const HostTensor tokens(DType::i32, {6}, {4, 0, 5, -1, 2, 2147483647});
  const Tensor t = in("tokens", tokens), w = in("table", table), y = out("out", storage(), {6, 3});
  run([&] { tier().embedding_forward({t, w, y}); }, {Fault::token_out_of_range, 2});
  EXPECT_TRUE(same_bits("out", read(y), oracle::embedding_forward(tokens, table), Zeros::expected));
}

TEST_P(EmbeddingOutside, BackwardLeavesThemOut) {
  const HostTensor dout = uniform(storage(), {6, 3}), before = uniform(accumulate(), {5, 3});
  const HostTensor tokens(DType::i32, {6}, {4, 0, 5, -1, 2, -2147483648.0});
  const Tensor t = in("tokens", tokens), g = in("dout", dout), dtable = inout("dtable", before);
  run([&] { tier().embedding_backward({t, g, dtable}); });
  EXPECT_TRUE(agrees("dtable", read(dtable), oracle::embedding_backward(tokens, dout, before),
                     tolerance::embedding_backward, accumulated()));
}

INSTANTIATE_TEST_SUITE_P(Tiers, EmbeddingOutside,
                         ::testing::ValuesIn(cases(storage_precisions, {{}})), case_name);

using EmbeddingRefusals = RefusalTest;

TEST_F(EmbeddingRefusals, Forward) {
  using Args = EmbeddingForward;
  const Refusals r(
      "embedding_forward",
      Args{take(DType::i32, {3}), take(DType::bf16, {5, 2}), take(DType::bf16, {3, 2})},
      [&](const Args& a) { tier().embedding_forward(a); });
  r.tensor(&Args::tokens, "tokens");
  r.tensor(&Args::table, "table", {0});
  r.tensor(&Args::out, "out");
}

TEST_F(EmbeddingRefusals, Backward) {
  using Args = EmbeddingBackward;
  const Refusals r("embedding_backward",
                   Args{take(DType::i32, {3}), take(DType::bf16, {3, 2}), take(DType::f32, {5, 2})},
                   [&](const Args& a) { tier().embedding_backward(a); });
  r.tensor(&Args::tokens, "tokens");
  r.tensor(&Args::dout, "dout");
  r.tensor(&Args::dtable, "dtable", {0});
  r.when([](Args& a) { a.dtable.dtype = DType::bf16; }, {"dtable is bf16, wanted f32"});
}

}  // namespace
}  // namespace triptych::testing

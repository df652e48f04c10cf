// ctest: timeout=60 labels=sanitize,threads
// dispatch_plan, dispatch_rows, dispatch_weights and its backward: all exact.
#include "triptych/dispatch.h"

#include <numeric>

#include "support/op_test.h"
#include "support/oracle_dispatch.h"
#include "support/refusals.h"

namespace triptych::testing {
namespace {

// P: which experts the tokens choose (choices()).
constexpr std::int64_t any = 0, all_the_same = 1;
const std::vector<Extents> shapes{{{'T', 0}, {'K', 2}, {'E', 3}, {'D', 5}, {'P', any}},
                                  {{'T', 1}, {'K', 1}, {'E', 1}, {'D', 1}, {'P', any}},
                                  {{'T', 7}, {'K', 5}, {'E', 5}, {'D', 3}, {'P', any}},
                                  {{'T', 131}, {'K', 3}, {'E', 17}, {'D', 29}, {'P', any}},
                                  {{'T', 257}, {'K', 2}, {'E', 64}, {'D', 16}, {'P', any}},
                                  {{'T', 61}, {'K', 2}, {'E', 8}, {'D', 16}, {'P', all_the_same}}};

class DispatchTest : public OpTest {
 protected:
  void SetUp() override {
    OpTest::SetUp();
    if (IsSkipped()) return;
    experts_ = choices();
    const std::int64_t r = experts_.count(), e = extent('E');
    plan = {out("offsets", DType::i32, {e + 1}), out("padded_offsets", DType::i32, {e + 1}),
            out("row_of", DType::i32, experts_.shape()), out("source_of", DType::i32, {r})};
  }
  /// K distinct experts a token: a few steps of a random shuffle.
  HostTensor choices() {
    const std::int64_t k_count = extent('K'), e_count = extent('E');
    HostTensor chosen(DType::i32, {extent('T'), k_count});
    std::vector<std::int64_t> deck(static_cast<std::size_t>(e_count));
    for (std::int64_t i = 0; i < chosen.count(); ++i) {
      const auto k = static_cast<std::size_t>(i % k_count);
      if (k == 0) std::iota(deck.begin(), deck.end(), 0);
      const std::int64_t left = e_count - static_cast<std::int64_t>(k);
      const std::int64_t pick = extent('P') == all_the_same ? left - 1 : values().below(left);
      std::swap(deck[k], deck[k + static_cast<std::size_t>(pick)]);
      chosen.set(i, static_cast<double>(deck[k]));
    }
    return chosen;
  }
  void make_plan() { tier().dispatch_plan({in("experts", experts_), plan}); }

  HostTensor experts_;
  DispatchPlan plan;
};

TEST_P(DispatchTest, PlanFollowsTheDefinition) {
  run([&] { make_plan(); });
  const oracle::Plan want = oracle::dispatch_plan(experts_, extent('E'));
  EXPECT_TRUE(same_bits("offsets", read(plan.offsets), want.offsets));
  EXPECT_TRUE(same_bits("padded_offsets", read(plan.padded_offsets), want.padded_offsets));
  EXPECT_TRUE(same_bits("row_of", read(plan.row_of), want.row_of));
  EXPECT_TRUE(same_bits("source_of", read(plan.source_of), want.source_of));
}

TEST_P(DispatchTest, RowsAreCopies) {
  run([&] { make_plan(); });
  const HostTensor source_of = read(plan.source_of);
  for (const DType dtype : {storage(), accumulate(), DType::e4m3, DType::i32}) {
    const HostTensor source = uniform(dtype, {extent('T'), extent('D')}, -100, 100);
    const Tensor rows = out("rows", dtype, {source_of.count(), extent('D')});
    const Tensor from = in("source", source);
    run([&] {
      tier().dispatch_rows({from, plan.source_of, static_cast<int>(extent('K')), rows});
    });
    EXPECT_TRUE(same_bits("rows", read(rows), oracle::dispatch_rows(source, source_of, extent('K'))));
  }
}

TEST_P(DispatchTest, WeightsGoThereAndTheirGradientsBack) {
  run([&] { make_plan(); });
  const HostTensor gates = uniform(accumulate(), experts_.shape());
  const HostTensor dweight = uniform(accumulate(), {experts_.count()});
  const Tensor g = in("gates", gates), dw = in("dweight", dweight);
  const Tensor weight = out("weight", accumulate(), dweight.shape());
  const Tensor dgates = out("dgates", accumulate(), gates.shape());
  run([&] {
    tier().dispatch_weights({g, plan.source_of, weight});
    tier().dispatch_weights_backward({dw, plan.row_of, dgates});
  });
  EXPECT_TRUE(same_bits("weight", read(weight), oracle::gather(gates, read(plan.source_of), dweight.shape())));
  EXPECT_TRUE(same_bits("dgates", read(dgates), oracle::gather(dweight, read(plan.row_of), gates.shape())));
}

TEST_P(DispatchTest, AnExpertThatIsNotThereIsAFault) {
  if (extent('T') == 0) return;
  for (const double bad : {-1.0, static_cast<double>(extent('E')), 1e9}) {
    HostTensor experts = experts_;
    experts.set(experts.count() - 1, bad);
    const Tensor spoilt = in("experts", experts);
    run([&] { tier().dispatch_plan({spoilt, plan}); }, {Fault::expert_out_of_range, extent('T') - 1});
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, DispatchTest, ::testing::ValuesIn(cases(storage_precisions, shapes)),
                         case_name);

TEST(PaddedRows, HoldTheWorstCase) {
  // Every group one row over a multiple of 128.
  for (const std::int64_t groups : {1, 3, 64}) {
    for (const std::int64_t full : {0, 1, 5}) {
      const std::int64_t rows = groups * (full * 128 + 1);
      EXPECT_GE(padded_rows(rows, groups), groups * (full + 1) * 128);
      EXPECT_EQ(padded_rows(rows, groups) % 128, 0);
    }
  }
}

using DispatchRefusals = RefusalTest;

TEST_F(DispatchRefusals, Plan) {
  const DispatchPlan plan{take(DType::i32, {5}), take(DType::i32, {5}), take(DType::i32, {3, 2}),
                          take(DType::i32, {6})};
  const Tensor experts = take(DType::i32, {3, 2});
  const auto expect_refused = [&](const DispatchPlan& p, std::string_view part) {
    expect_error([&] { tier().dispatch_plan({experts, p}); }, ErrorKind::usage, {"dispatch_plan: ", part});
  };
  DispatchPlan bad = plan;
  bad.row_of.dtype = DType::f32;
  expect_refused(bad, "row_of");
  bad = plan;
  bad.source_of.shape = {7};
  expect_refused(bad, "source_of");
  bad = plan;
  bad.padded_offsets.shape = {4};
  expect_refused(bad, "padded_offsets");
}

TEST_F(DispatchRefusals, Rows) {
  using Args = DispatchRows;
  const Refusals r("dispatch_rows",
                   Args{take(DType::bf16, {3, 5}), take(DType::i32, {6}), 2, take(DType::bf16, {6, 5})},
                   [&](const Args& a) { tier().dispatch_rows(a); });
  r.tensor(&Args::source_of, "source_of");
  r.tensor(&Args::rows, "rows");
  r.when([](Args& a) { a.choices = 0; }, {"choices"});
  r.overlap(&Args::rows, &Args::source, "rows overlaps source");
}

}  // namespace
}  // namespace triptych::testing

// ctest: timeout=60 labels=sanitize,threads
// combine: its bits are the definition's, and ranks that hold whole blocks do not change them.
#include "triptych/combine.h"

#include "support/op_test.h"
#include "support/oracle_dispatch.h"
#include "support/refusals.h"

namespace triptych::testing {
namespace {

const std::vector<Extents> shapes{{{'T', 0}, {'D', 5}, {'K', 2}, {'E', 8}, {'C', 4}},
                                  {{'T', 1}, {'D', 1}, {'K', 1}, {'E', 1}, {'C', 1}},
                                  {{'T', 7}, {'D', 97}, {'K', 3}, {'E', 6}, {'C', 2}},
                                  {{'T', 31}, {'D', 37}, {'K', 8}, {'E', 16}, {'C', 8}},
                                  {{'T', 13}, {'D', 16}, {'K', 6}, {'E', 12}, {'C', 1}},
                                  {{'T', 13}, {'D', 19}, {'K', 6}, {'E', 12}, {'C', 12}}};

class CombineTest : public OpTest {
 protected:
  void SetUp() override {
    OpTest::SetUp();
    if (IsSkipped()) return;
    const std::int64_t t_count = extent('T'), k_count = extent('K'), e_count = extent('E');
    experts_ = HostTensor(DType::i32, {t_count, k_count});
    for (std::int64_t i = 0; i < experts_.count(); ++i) {
      // Distinct, and not in the order of the experts.
      const std::int64_t first = i % k_count == 0 ? values().below(e_count) : -1;
      if (first >= 0) start_ = first;
      experts_.set(i, static_cast<double>((start_ + 5 * (i % k_count)) % e_count));
    }
    if (e_count % 5 == 0) GTEST_FAIL() << "the test's experts are distinct only where 5 does not divide E";
    row_of_ = oracle::dispatch_plan(experts_, e_count).row_of;
    rows_ = uniform(storage(), {t_count * k_count, extent('D')});
  }
  CombineArgs args(const Tensor& y) {
    return {in("rows", rows_), in("row_of", row_of_), in("experts", experts_),
            static_cast<int>(extent('E')), static_cast<int>(extent('C')), y};
  }
  std::int64_t start_ = 0;
  HostTensor experts_, row_of_, rows_;
};

TEST_P(CombineTest, BitsAreTheDefinitions) {
  const Tensor y = out("y", storage(), {extent('T'), extent('D')});
  run([&] { tier().combine(args(y)); });
  EXPECT_TRUE(same_bits("y", read(y), oracle::combine_bits(rows_, row_of_, experts_, extent('E'), extent('C'))));
  EXPECT_TRUE(agrees("y", read(y), oracle::combine(rows_, row_of_), tolerance::combine, dtypes()));
}

// A rank sums the rows of its own experts into one partial a block, and sends those; the receiver sums
// the partials. Both are combines, so what crosses the wire is what the operation rounds to.
TEST_P(CombineTest, RanksThatHoldWholeBlocksGiveTheSameBits) {
  const std::int64_t t_count = extent('T'), d = extent('D'), k_count = extent('K'), blocks = extent('C');
  const std::int64_t a_block = extent('E') / blocks;
  const Tensor whole = out("y", storage(), {t_count, d});
  run([&] { tier().combine(args(whole)); });
  // 1. Each block's partial, made where the block's experts are: the other choices' rows are zero there.
  HostTensor partials(storage(), {t_count * blocks, d});
  for (std::int64_t block = 0; block < blocks; ++block) {
    HostTensor mine = rows_;
    for (std::int64_t i = 0; i < t_count * k_count; ++i) {
      if (static_cast<std::int64_t>(experts_[i]) / a_block == block) continue;
      for (std::int64_t c = 0; c < d; ++c) mine.set(static_cast<std::int64_t>(row_of_[i]) * d + c, 0);
    }
    const Tensor y = out("partial", storage(), {t_count, d});
    CombineArgs rank = args(y);
    rank.rows = in("rows", mine);
    run([&] { tier().combine(rank); });
    const HostTensor partial = read(y);
    for (std::int64_t i = 0; i < partial.count(); ++i) {
      partials.set((i / d * blocks + block) * d + i % d, partial[i]);
    }
  }
  // 2. The sum of the partials: a combine in which every block is one expert.
  HostTensor sender(DType::i32, {t_count, blocks}), row(DType::i32, {t_count, blocks});
  for (std::int64_t i = 0; i < sender.count(); ++i) {
    sender.set(i, static_cast<double>(i % blocks));
    row.set(i, static_cast<double>(i));
  }
  const Tensor y = out("y", storage(), {t_count, d});
  const CombineArgs sum{in("partials", partials), in("row", row), in("sender", sender),
                        static_cast<int>(blocks), static_cast<int>(blocks), y};
  run([&] { tier().combine(sum); });
  EXPECT_TRUE(same_bits("y", read(y), read(whole)));
}

INSTANTIATE_TEST_SUITE_P(Tiers, CombineTest, ::testing::ValuesIn(cases(storage_precisions, shapes)),
                         case_name);

TEST(CombineBlocks, AreTheGroupsOrAtMostEight) {
  EXPECT_EQ(combine_blocks(256, 8), 8);
  EXPECT_EQ(combine_blocks(16, 4), 4);
  EXPECT_EQ(combine_blocks(64, 1), 8);
  EXPECT_EQ(combine_blocks(6, 1), 6);
  EXPECT_EQ(combine_blocks(9, 1), 3);
  EXPECT_EQ(combine_blocks(11, 1), 1);
}

using CombineRefusals = RefusalTest;

TEST_F(CombineRefusals, Combine) {
  using Args = CombineArgs;
  const Refusals r("combine",
                   Args{take(DType::bf16, {6, 5}), take(DType::i32, {3, 2}), take(DType::i32, {3, 2}), 8, 4,
                        take(DType::bf16, {3, 5})},
                   [&](const Args& a) { tier().combine(a); });
  r.tensor(&Args::row_of, "row_of");
  r.tensor(&Args::experts, "experts");
  r.tensor(&Args::y, "y");
  r.when([](Args& a) { a.blocks = 3; }, {"3", "8"});
  r.when([](Args& a) { a.blocks = 0; }, {"0"});
  r.overlap(&Args::y, &Args::rows, "y overlaps rows");
}

}  // namespace
}  // namespace triptych::testing

// ctest: timeout=120 labels=sanitize
// grouped_gemm_forward, _dgrad and _wgrad in f64, f32 and bf16.
#include "triptych/grouped_gemm.h"

#include "support/op_test.h"
#include "support/oracle_grouped_gemm.h"
#include "support/refusals.h"

namespace triptych::testing {
namespace {

// P: how the rows are dealt to the groups (rows_of_groups).
constexpr std::int64_t dealt_at_random = 0, all_on_one = 1, some_left_over = 2;
const std::vector<Extents> shapes{
    {{'E', 1}, {'R', 0}, {'N', 3}, {'K', 5}, {'P', dealt_at_random}},
    {{'E', 3}, {'R', 7}, {'N', 1}, {'K', 1}, {'P', dealt_at_random}},
    {{'E', 2}, {'R', 5}, {'N', 3}, {'K', 0}, {'P', dealt_at_random}},
    {{'E', 5}, {'R', 67}, {'N', 37}, {'K', 29}, {'P', dealt_at_random}},
    {{'E', 4}, {'R', 61}, {'N', 33}, {'K', 47}, {'P', all_on_one}},
    {{'E', 4}, {'R', 53}, {'N', 32}, {'K', 64}, {'P', some_left_over}},
    // Over the edges of every block: 640 rows, 512 columns, 256 of K; over their vectors' too.
    {{'E', 1}, {'R', 653}, {'N', 13}, {'K', 263}, {'P', dealt_at_random}},
    {{'E', 2}, {'R', 29}, {'N', 521}, {'K', 19}, {'P', dealt_at_random}}};

class GroupedGemmTest : public OpTest {
 protected:
  void SetUp() override {
    OpTest::SetUp();
    if (IsSkipped()) return;
    x_ = uniform(storage(), {extent('R'), extent('K')});
    dy_ = uniform(storage(), {extent('R'), extent('N')});
    w_ = uniform(storage(), {extent('E'), extent('N'), extent('K')});
    offsets_ = rows_of_groups();
    x = in("x", x_), dy = in("dy", dy_), w = in("w", w_), offsets = in("offsets", offsets_);
  }

  /// Bounds of the groups; of one group, of which every form has to know the default, none.
  HostTensor rows_of_groups() {
    const std::int64_t e_count = extent('E'), r_count = extent('R');
    HostTensor bounds(DType::i32, {e_count + 1});
    const std::int64_t end = extent('P') == some_left_over ? r_count - 5 : r_count;
    std::vector<std::int64_t> cuts;
    for (std::int64_t e = 1; e < e_count; ++e) {
      cuts.push_back(extent('P') == all_on_one ? (e > 2) * end : values().below(end + 1));
    }
    std::sort(cuts.begin(), cuts.end());
    if (extent('P') == dealt_at_random && e_count > 2) cuts[1] = cuts[0];  // an empty group
    cuts.push_back(end);
    for (std::int64_t e = 0; e < e_count; ++e) {
      bounds.set(e + 1, static_cast<double>(cuts[static_cast<std::size_t>(e)]));
    }
    return bounds;
  }
  /// Judges the rows of the groups, and that the rows past them still are poison.
  void expect_rows(const char* name, const Tensor& got, const Expected& want, DType dtype) {
    const auto used = static_cast<std::int64_t>(offsets_[extent('E')]), width = got.shape[1];
    Expected rows(used * width);
    std::copy_n(want.want.begin(), rows.count(), rows.want.begin());
    std::copy_n(want.magnitude.begin(), rows.count(), rows.magnitude.begin());
    std::copy_n(want.k.begin(), rows.count(), rows.k.begin());
    EXPECT_TRUE(agrees(name, read(got.rows(0, used)), rows, tolerance::grouped_gemm, {dtype, accumulate()},
                       extent('K') == 0 ? Zeros::expected : Zeros::suspicious));
    if (used < got.shape[0]) {
      EXPECT_TRUE(untouched(read(got.rows(used, got.shape[0] - used)))) << name;
    }
  }

  HostTensor x_, dy_, w_, offsets_;
  Tensor x, dy, w, offsets;
};

TEST_P(GroupedGemmTest, Forward) {
  const Expected want = oracle::grouped_gemm_forward(x_, w_, offsets_);
  for (const DType dtype : {storage(), accumulate()}) {
    const Tensor y = out("y", dtype, {extent('R'), extent('N')});
    run([&] { tier().grouped_gemm_forward({x, w, offsets, y}); });
    expect_rows("y", y, want, dtype);
  }
}

TEST_P(GroupedGemmTest, Dgrad) {
  const Expected want = oracle::grouped_gemm_dgrad(dy_, w_, offsets_);
  for (const DType dtype : {storage(), accumulate()}) {
    const Tensor dx = out("dx", dtype, {extent('R'), extent('K')});
    run([&] { tier().grouped_gemm_dgrad({dy, w, offsets, dx}); });
    expect_rows("dx", dx, want, dtype);
  }
}

TEST_P(GroupedGemmTest, WgradAddsOrOverwrites) {
  const HostTensor before = uniform(accumulate(), w_.shape()), zero(accumulate(), w_.shape());
  const Tensor added = inout("dw", before), written = out("dw", accumulate(), w_.shape());
  run([&] {
    tier().grouped_gemm_wgrad({dy, x, offsets, added});
    tier().grouped_gemm_wgrad({.dy = dy, .x = x, .offsets = offsets, .dw = written, .accumulate = false});
  });
  EXPECT_TRUE(agrees("dw +=", read(added), oracle::grouped_gemm_wgrad(dy_, x_, offsets_, before),
                     tolerance::grouped_gemm, accumulated()));
  // An empty group's gradient is zero.
  EXPECT_TRUE(agrees("dw =", read(written), oracle::grouped_gemm_wgrad(dy_, x_, offsets_, zero),
                     tolerance::grouped_gemm, accumulated(), Zeros::expected));
}

TEST_P(GroupedGemmTest, WithoutOffsetsAllRowsAreOneGroup) {
  const std::int64_t r = extent('R'), n = extent('N'), k = extent('K');
  const Tensor one = w.rows(0, 1), y = out("y", storage(), {r, n}), dx = out("dx", storage(), {r, k});
  const Tensor dw = out("dw", accumulate(), {1, n, k});
  run([&] {
    tier().grouped_gemm_forward({.x = x, .w = one, .y = y});
    tier().grouped_gemm_dgrad({.dy = dy, .w = one, .dx = dx});
    tier().grouped_gemm_wgrad({.dy = dy, .x = x, .dw = dw, .accumulate = false});
  });
  const HostTensor none, weight = w_.rows(0, 1), zero(accumulate(), {1, n, k});
  const Zeros zeros = k == 0 ? Zeros::expected : Zeros::suspicious;
  EXPECT_TRUE(agrees("y", read(y), oracle::grouped_gemm_forward(x_, weight, none), tolerance::grouped_gemm,
                     dtypes(), zeros));
  EXPECT_TRUE(agrees("dx", read(dx), oracle::grouped_gemm_dgrad(dy_, weight, none), tolerance::grouped_gemm,
                     dtypes()));
  EXPECT_TRUE(agrees("dw", read(dw), oracle::grouped_gemm_wgrad(dy_, x_, none, zero),
                     tolerance::grouped_gemm, accumulated(), r == 0 ? Zeros::expected : Zeros::suspicious));
}

TEST_P(GroupedGemmTest, ANanStaysInItsRow) {
  if (extent('R') < 3 || extent('K') == 0 || extent('P') == all_on_one) return;
  HostTensor spoilt = x_;
  spoilt.set(1 * extent('K'), std::nan(""));
  const Tensor bad = in("x", spoilt), y = out("y", storage(), {extent('R'), extent('N')});
  const Tensor clean = out("y", storage(), {extent('R'), extent('N')});
  run([&] {
    tier().grouped_gemm_forward({bad, w, offsets, y});
    tier().grouped_gemm_forward({x, w, offsets, clean});
  });
  EXPECT_TRUE(same_bits("row 0", read(y.rows(0, 1)), read(clean.rows(0, 1))));
  EXPECT_TRUE(same_bits("row 2", read(y.rows(2, 1)), read(clean.rows(2, 1))));
  const HostTensor row = read(y.rows(1, 1));
  for (const double value : row.values()) EXPECT_TRUE(std::isnan(value));
}

INSTANTIATE_TEST_SUITE_P(Tiers, GroupedGemmTest, ::testing::ValuesIn(cases(storage_precisions, shapes)),
                         case_name);

using GroupedGemmRefusals = RefusalTest;

TEST_F(GroupedGemmRefusals, Forward) {
  using Args = GroupedGemmForward;
  const Refusals r("grouped_gemm_forward",
                   Args{take(DType::bf16, {6, 5}), take(DType::bf16, {3, 4, 5}), take(DType::i32, {4}),
                        take(DType::bf16, {6, 4})},
                   [&](const Args& a) { tier().grouped_gemm_forward(a); });
  r.tensor(&Args::w, "w");
  r.tensor(&Args::offsets, "offsets");
  r.tensor(&Args::y, "y");
  r.when([](Args& a) { a.offsets = {}; }, {"offsets are absent but there are 3 groups"});
}

TEST_F(GroupedGemmRefusals, Wgrad) {
  using Args = GroupedGemmWgrad;
  const Refusals r("grouped_gemm_wgrad",
                   Args{take(DType::bf16, {6, 4}), take(DType::bf16, {6, 5}), take(DType::i32, {4}),
                        take(DType::f32, {3, 4, 5})},
                   [&](const Args& a) { tier().grouped_gemm_wgrad(a); });
  r.tensor(&Args::x, "x");
  r.tensor(&Args::offsets, "offsets");
  r.tensor(&Args::dw, "dw");
}

}  // namespace
}  // namespace triptych::testing

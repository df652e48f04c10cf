// Judges a dispatch() on the chapter's own choices and on others.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "dispatch.h"
#include "support/verdict.h"
#include "train/random.h"

namespace {

using triptych::Random;
using triptych::tutorial::Verdict;

struct Case {
  int tokens, choices, experts;
};
// The first is the chapter's. One has more experts than rows, one has no tokens.
constexpr Case cases[] = {{6, 2, 4}, {1, 1, 1},  {5, 1, 3},   {0, 2, 3},
                          {7, 3, 5}, {3, 2, 16}, {257, 8, 64}};

/// Distinct experts for each token.
std::vector<int> choose(const Case& c, int number) {
  if (number == 0) return {3, 0, 1, 0, 1, 3, 0, 3, 0, 1, 3, 0};
  Random random(static_cast<std::uint64_t>(number));
  std::vector<int> chosen, deck(c.experts);
  std::iota(deck.begin(), deck.end(), 0);
  for (int t = 0; t < c.tokens; ++t) {
    triptych::shuffle(std::span(deck), random);
    chosen.insert(chosen.end(), deck.begin(), deck.begin() + c.choices);
  }
  return chosen;
}

/// Integers between two bands that nobody may write to.
class Guarded {
 public:
  Guarded(int count, int band) : band_(band), all_(count + 2 * band, -1) {
    std::fill_n(all_.begin(), band, untouched);
    std::fill_n(all_.end() - band, band, untouched);
  }
  std::span<int> span() { return std::span(all_).subspan(band_, all_.size() - 2 * band_); }
  bool intact() const {
    const auto whole = [](int v) { return v == untouched; };
    return std::all_of(all_.begin(), all_.begin() + band_, whole) &&
           std::all_of(all_.end() - band_, all_.end(), whole);
  }

 private:
  static constexpr int untouched = -77;
  int band_;
  std::vector<int> all_;
};

void judge_case(int number, Verdict& verdict) {
  const Case& c = cases[number];
  const int rows = c.tokens * c.choices;
  verdict.about(fmt::format("T {}, K {}, E {}", c.tokens, c.choices, c.experts));
  const std::vector<int> chosen = choose(c, number);

  // What is wanted: the pairs sorted by expert, those of one expert left in their order.
  std::vector<int> source_of(rows), row_of(rows), counts(c.experts), offsets(c.experts + 1);
  std::iota(source_of.begin(), source_of.end(), 0);
  std::stable_sort(source_of.begin(), source_of.end(),
                   [&](int a, int b) { return chosen[a] < chosen[b]; });
  for (int r = 0; r < rows; ++r) row_of[source_of[r]] = r;
  for (int e = 0; e < c.experts; ++e) {
    counts[e] = static_cast<int>(std::count(chosen.begin(), chosen.end(), e));
    offsets[e + 1] = static_cast<int>(
        std::count_if(chosen.begin(), chosen.end(), [&](int other) { return other <= e; }));
  }

  const int band = rows + c.experts + 1;
  Guarded g_counts(c.experts, band), g_offsets(c.experts + 1, band), g_row_of(rows, band),
      g_source_of(rows, band);
  const Plan plan{g_counts.span(), g_offsets.span(), g_row_of.span(), g_source_of.span()};
  dispatch(chosen, c.choices, c.experts, plan);
  verdict.equal("counts", {c.experts}, plan.counts, counts);
  verdict.equal("offsets", {c.experts + 1}, plan.offsets, offsets);
  verdict.equal("row_of", {c.tokens, c.choices}, plan.row_of, row_of);
  verdict.equal("source_of", {rows}, plan.source_of, source_of);
  verdict.that(g_counts.intact(), "something was written beside counts");
  verdict.that(g_offsets.intact(), "something was written beside offsets");
  verdict.that(g_row_of.intact(), "something was written beside row_of");
  verdict.that(g_source_of.intact(), "something was written beside source_of");
}

}  // namespace

int main(int argc, char** argv) {
  return triptych::tutorial::judge(argc, argv, static_cast<int>(std::size(cases)), judge_case);
}

// Judges a route() on the chapter's token, on a case for each trap, and on random tokens.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "route.h"
#include "support/verdict.h"
#include "train/random.h"

namespace {

using triptych::Random;
using triptych::tutorial::Verdict;
using Numbers = std::vector<double>;

struct Case {
  Numbers logits, bias;
  Rule rule;
};

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

// The first is the chapter's token.
const std::vector<Case> chosen_cases = {
    {{2, -3, 0.8, 0.6, 1, -1, -0.5, 0.2},
     {0, 0, 0, 0, -0.2, 0.1, 0.3, 0.1},
     {.choices = 2, .groups = 4, .kept = 2, .scale = 2.5}},
    {{1, 3, 2}, {0, 0, 0}, {.choices = 2}},                                // no group, no bias
    {{4, -9, -9, 1, 1, -9}, Numbers(6), {.choices = 2, .groups = 2}},      // a pair beats one
    {{1, 1, -9, 0.9, 0.9, 0.9}, Numbers(6), {.choices = 2, .groups = 2}},  // a third is nothing
    {{0, 0, -1, -1}, {-2, -2.5, -3, -3}, {.choices = 2, .groups = 2}},     // all c negative
    {{3, 3, 0, 0}, {0, 0, 1, 1}, {.choices = 1, .groups = 2}},             // groups by c
    {{0, 50, 60, 40, 0, 0}, Numbers(6), {.choices = 2}},                   // equal experts
    {{1, 2, 2, 1, 1, 2}, Numbers(6), {.choices = 2, .groups = 3}},         // equal groups
    {{1, 0, 2}, {-3, -3.5, -4}, {.choices = 3}},                           // all c below -1
    {{0.5, 2, -1, 1}, {0, -1, 0.25, 0}, {.choices = 2, .groups = 4, .kept = 3}},  // groups of one
    {{-800, -800, -800}, {1, 0, 0}, {.choices = 2}},                              // scores of zero
    {{not_a_number, 1, 2, 3}, Numbers(4), {.choices = 2}},
    {{1, 2, infinity, 3}, Numbers(4), {.choices = 2}},
    {Numbers(4, not_a_number), Numbers(4), {.choices = 2}}};
constexpr int random_cases = 40;

Case make_case(int number) {
  const int chosen = static_cast<int>(chosen_cases.size());
  if (number < chosen) return chosen_cases[number];
  Random random(static_cast<std::uint64_t>(number));
  Case c;
  c.rule.groups = static_cast<int>(1 + random.below(8));
  const int size = static_cast<int>(1 + random.below(8));
  c.rule.kept = static_cast<int>(1 + random.below(c.rule.groups));
  c.rule.choices = static_cast<int>(1 + random.below(c.rule.kept * size));
  c.rule.scale = 2.5;
  // Quarters, so that ties happen.
  for (int e = 0; e < c.rule.groups * size; ++e) {
    c.logits.push_back(std::round(4 * random.normal()) / 4);
    c.bias.push_back(std::round(4 * random.normal()) / 4);
  }
  return c;
}

/// The places of all numbers, the largest first and equals in their order.
std::vector<int> ranking(const Numbers& values) {
  std::vector<int> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return values[a] > values[b]; });
  return order;
}

/// What is wanted: rank the groups, then rank all experts and leave out those of other groups.
Route wanted(const Case& c) {
  const int size = static_cast<int>(c.logits.size()) / c.rule.groups;
  Numbers s, biased, worth;
  for (std::size_t e = 0; e < c.logits.size(); ++e) {
    s.push_back(1 / (1 + std::exp(-c.logits[e])));
    biased.push_back(s[e] + c.bias[e]);
  }
  for (int g = 0; g < c.rule.groups; ++g) {
    const Numbers group(biased.begin() + g * size, biased.begin() + (g + 1) * size);
    const std::vector<int> best = ranking(group);
    worth.push_back(size == 1 ? group[0] : group[best[0]] + group[best[1]]);
  }
  std::vector<int> kept = ranking(worth);
  kept.resize(c.rule.kept);
  Route route;
  double sum = 1e-20;
  for (const int e : ranking(biased)) {
    if (static_cast<int>(route.experts.size()) == c.rule.choices) break;
    if (std::find(kept.begin(), kept.end(), e / size) == kept.end()) continue;
    route.experts.push_back(e);
    sum += s[e];
  }
  for (const int e : route.experts) route.gates.push_back(c.rule.scale * s[e] / sum);
  return route;
}

void judge_case(int number, Verdict& verdict) {
  const Case c = make_case(number);
  verdict.about(fmt::format("logits {}, bias {}, K {}, {} of {} groups stay, scale {}",
                            fmt::join(c.logits, " "), fmt::join(c.bias, " "), c.rule.choices,
                            c.rule.kept, c.rule.groups, c.rule.scale));
  const std::optional<Route> got = route(c.logits, c.bias, c.rule);
  const bool finite = std::all_of(c.logits.begin(), c.logits.end(),
                                  [](double logit) { return std::isfinite(logit); });
  if (!finite) {
    verdict.that(!got, "a logit is not finite, and a route came back");
    return;
  }
  verdict.that(got.has_value(), "all logits are finite, and no route came back");
  if (!got) return;
  const Route want = wanted(c);
  verdict.equal("experts", {c.rule.choices}, got->experts, want.experts);
  verdict.close("gates", {c.rule.choices}, got->gates, want.gates, 1e-12);
}

}  // namespace

int main(int argc, char** argv) {
  const int count = static_cast<int>(chosen_cases.size()) + random_cases;
  return triptych::tutorial::judge(argc, argv, count, judge_case);
}

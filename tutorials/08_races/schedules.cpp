// 100 schedules of sum.ptx, which adds by atomics, and of the exercise's solution, which does not.
//
//   schedules table     the sums, and how many seeds gave each
//   schedules picture   which seed gave which, as an SVG
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/tool/session.h"
#include "support/kernel.h"
#include "train/svg.h"

namespace {

using namespace triptych;
using namespace triptych::tutorial;

constexpr std::uint64_t schedules = 100;
const std::string folder = "tutorials/08_races/";

struct Way {
  std::string name, file, block;
  std::vector<std::string> arguments;
};
/// Both add the same 512 random numbers with 8 CTAs.
const std::vector<Way> ways = {
    {"atomics", "sum.ptx", "64", {"n=512", "in=f32[512]=random", "out=f32[1]=0"}},
    {"the last CTA",
     "exercise/solution.ptx",
     "64",
     {"n=512", "in=f32[512]=random", "partial=f32[8]", "count=u32[1]=0", "out=f32[1]=0"}}};

std::vector<float> sums_of(const Way& way) {
  const emulator::Source source = emulator::read_source({.file = folder + way.file});
  std::vector<float> sums;
  for (std::uint64_t seed = 0; seed < schedules; ++seed) {
    emulator::RunRequest request = request_of({.about = "",
                                               .grid = "8",
                                               .block = way.block,
                                               .arguments = way.arguments,
                                               .expectations = {}});
    request.seed = seed;
    emulator::Session session(source, request);
    session.run();
    float sum = 0;
    const std::uint64_t at = session.arguments().buffer("out")->address;
    std::memcpy(&sum, reinterpret_cast<const void*>(at), sizeof sum);
    sums.push_back(sum);
  }
  return sums;
}

void print_table() {
  for (const Way& way : ways) {
    std::map<float, int> count;
    for (const float sum : sums_of(way)) ++count[sum];
    const auto most =
        std::max_element(count.begin(), count.end(),
                         [](const auto& x, const auto& y) { return x.second < y.second; });
    fmt::print("{:<13} {:>2} different: from {:.7f} to {:.7f}, {:.7f} with {} seeds of {}\n",
               way.name, count.size(), count.begin()->first, count.rbegin()->first, most->first,
               most->second, schedules);
  }
}

void print_picture() {
  constexpr double left = 110, right = 940, step = 13;
  std::vector<std::vector<float>> sums;
  std::vector<float> levels;
  for (const Way& way : ways) {
    sums.push_back(sums_of(way));
    levels.insert(levels.end(), sums.back().begin(), sums.back().end());
  }
  std::sort(levels.begin(), levels.end());
  levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
  const auto y_of = [&](float sum) {
    const auto place = std::lower_bound(levels.begin(), levels.end(), sum) - levels.begin();
    return 56 + step * static_cast<double>(place);
  };
  const auto x_of = [&](std::size_t seed) {
    return left + (right - left) * static_cast<double>(seed) / (schedules - 1);
  };
  const double bottom = y_of(levels.back()) + 20;
  Svg svg(960, bottom + 34, "The sum that each of 100 schedules gave, by atomics and without");
  for (std::size_t w = 0; w < ways.size(); ++w) {
    svg.circle(left + 200.0 * static_cast<double>(w), 24, 4, fmt::format("dot s{}", w + 1));
    svg.text(left + 10 + 200.0 * static_cast<double>(w), 28, ways[w].name, "name");
  }
  for (const float level : levels) {
    svg.line(left - 8, y_of(level), right + 8, y_of(level), "grid");
    svg.text(left - 14, y_of(level) + 4, fmt::format("{:.7f}", level), "tick", "end");
  }
  for (std::size_t w = 0; w < ways.size(); ++w) {
    for (std::size_t seed = 0; seed < schedules; ++seed) {
      svg.circle(x_of(seed), y_of(sums[w][seed]), 3, fmt::format("dot s{}", w + 1));
    }
  }
  for (std::size_t seed = 0; seed < schedules; seed += 20) {
    svg.text(x_of(seed), bottom + 4, std::to_string(seed), "tick", "middle");
  }
  svg.text((left + right) / 2, bottom + 22, "seed", "axis-label", "middle");
  fmt::print("{}", svg.document());
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "picture") {
    print_picture();
  } else if (what == "table") {
    print_table();
  } else {
    fmt::print(stderr, "wanted: schedules table, or schedules picture\n");
    return 2;
  }
}

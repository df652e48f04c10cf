#include "support/verdict.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>

namespace triptych::tutorial {
namespace {

/// "row_of[2,1]": element i of a row-major tensor.
std::string element(std::string_view name, const Shape& shape, std::size_t i) {
  std::string indices;
  auto rest = static_cast<std::int64_t>(i);
  for (int d = shape.rank() - 1; d >= 0; --d) {
    indices = fmt::format("{}{}{}", rest % shape[d], indices.empty() ? "" : ",", indices);
    rest /= shape[d];
  }
  return fmt::format("{}[{}]", name, indices);
}

}  // namespace

void Verdict::that(bool holds, std::string_view otherwise) {
  if (!holds && wrong_.empty()) wrong_ = otherwise;
}

void Verdict::equal(std::string_view name, const Shape& shape, std::span<const int> got,
                    std::span<const int> want) {
  that(got.size() == want.size(),
       fmt::format("{} has {} elements, wanted {}", name, got.size(), want.size()));
  for (std::size_t i = 0; right() && i < want.size(); ++i) {
    that(got[i] == want[i],
         fmt::format("{} is {}, wanted {}", element(name, shape, i), got[i], want[i]));
  }
}

void Verdict::close(std::string_view name, const Shape& shape, std::span<const double> got,
                    std::span<const double> want, double bound) {
  that(got.size() == want.size(),
       fmt::format("{} has {} elements, wanted {}", name, got.size(), want.size()));
  for (std::size_t i = 0; right() && i < want.size(); ++i) {
    that(std::fabs(got[i] - want[i]) <= bound * std::fmax(1, std::fabs(want[i])),
         fmt::format("{} is {:.6g}, wanted {:.6g}", element(name, shape, i), got[i], want[i]));
  }
}

int judge(int argc, char** argv, int count, const std::function<void(int, Verdict&)>& judge_case) {
  return judge(std::filesystem::proximate(argv[0]).string(), argc, argv, count, judge_case);
}

int judge(const std::string& program, int argc, char** argv, int count,
          const std::function<void(int, Verdict&)>& judge_case) {
  int first = 0, end = count;
  if (argc > 1) {
    char* rest = nullptr;
    first = static_cast<int>(std::strtol(argv[1], &rest, 10));
    end = first + 1;
    if (*rest != '\0' || first < 0 || first >= count) {
      fmt::print(stderr, "there is no case '{}': wanted 0 … {}, or nothing for all of them\n",
                 argv[1], count - 1);
      return 2;
    }
  }
  for (int i = first; i < end; ++i) {
    Verdict verdict;
    judge_case(i, verdict);
    if (verdict.right()) continue;
    fmt::print("wrong: {}\ncase:  {}\nagain: {} {}\n", verdict.wrong(), verdict.description(),
               program, i);
    return 1;
  }
  fmt::print("right: {} {}\n", end - first, end - first == 1 ? "case" : "cases");
  return 0;
}

}  // namespace triptych::tutorial

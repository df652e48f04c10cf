// Judges a scan of rows of 32, on ragged sizes.
#include <fmt/format.h>

#include "support/kernel.h"
#include "train/random.h"

namespace {

using namespace triptych::tutorial;

KernelCase make_case(int n, int block) {
  KernelCase c{.about = fmt::format("n {}, CTAs of {}", n, block),
               .grid = std::to_string((n + block - 1) / block),
               .block = std::to_string(block)};
  triptych::Random random(static_cast<std::uint64_t>(n));
  std::string in, want;
  std::uint64_t sum = 0;
  for (int i = 0; i < n; ++i) {
    const std::uint64_t x = 1 + random.below(9);
    sum = i % 32 == 0 ? x : sum + x;
    in += fmt::format("{}{}", i > 0 ? "," : "", x);
    want += fmt::format("{}{}", i > 0 ? "," : "", sum);
  }
  c.arguments = {fmt::format("n={}", n), "in=u32[]=" + in, fmt::format("out=u32[{}]", n)};
  c.expectations = {"out=" + want};
  c.schedules = 4;
  return c;
}

}  // namespace

int main(int argc, char** argv) {
  return judge_kernel(argc, argv,
                      {make_case(1, 32), make_case(32, 32), make_case(5, 32), make_case(33, 64),
                       make_case(100, 64), make_case(64, 32), make_case(97, 128)});
}

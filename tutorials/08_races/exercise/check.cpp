// Judges a last-block sum: sizes that do and do not fill a CTA, 100 schedules of each.
#include <fmt/format.h>

#include "support/kernel.h"

namespace {

using namespace triptych::tutorial;

/// Of 0, 1, 2, … every partial sum is exact, so `out` is known; of random numbers the order shows.
KernelCase make_case(int n, bool random) {
  const int ctas = (n + 63) / 64;
  KernelCase c{.about = fmt::format("n {}", n), .grid = std::to_string(ctas), .block = "64"};
  c.arguments = {fmt::format("n={}", n),
                 fmt::format("in=f32[{}]={}", n, random ? "random" : "iota"),
                 fmt::format("partial=f32[{}]", ctas), "count=u32[1]=0", "out=f32[1]=0"};
  c.expectations = {"count=0"};
  if (!random) c.expectations.push_back(fmt::format("out={}", n * (n - 1) / 2));
  c.schedules = 100;
  return c;
}

}  // namespace

int main(int argc, char** argv) {
  return judge_kernel(argc, argv,
                      {make_case(1, false), make_case(64, false), make_case(65, false),
                       make_case(200, false), make_case(500, false), make_case(500, true)});
}

// The same 30 steps in f32, bf16 and fp8, and in f32 from another seed to compare the differences
// with.
#include <fmt/format.h>

#include <memory>
#include <numbers>
#include <vector>

#include "small.h"
#include "train/trainer.h"

namespace triptych::tutorial {
namespace {

constexpr std::int64_t steps = 30;

/// Held-out losses in bits a byte after 0, 10, 20, … steps.
std::vector<double> held_out_losses(Precision precision, std::uint64_t seed = 1) {
  TrainOptions o = small_options(steps, precision);
  o.seed = seed;
  const auto tier = make_tier({.name = "reference", .threads = 1});
  Trainer trainer(*tier, fp8_model(), o, split_text(read_text(o.data), o.sequence), 16);
  std::vector<double> losses;
  for (std::int64_t done = 0;; ++done) {
    if (done % 10 == 0) losses.push_back(trainer.evaluate().bits);
    if (done == steps) return losses;
    trainer.step();
  }
}

void run() {
  const std::vector<double> runs[] = {
      held_out_losses(Precision::f32), held_out_losses(Precision::bf16),
      held_out_losses(Precision::fp8), held_out_losses(Precision::f32, 2)};
  fmt::print("steps     f32    bf16     fp8   f32, seed 2\n");
  for (std::size_t i = 0; i < runs[0].size(); ++i) {
    fmt::print("{:5} {:7.3f} {:7.3f} {:7.3f} {:13.3f}\n", 10 * i, runs[0][i], runs[1][i],
               runs[2][i], runs[3][i]);
  }
}

}  // namespace
}  // namespace triptych::tutorial

int main() { triptych::tutorial::run(); }

// One thread and two: the same run, bit by bit, in three precisions.
#include <fmt/format.h>

#include <string>

#include "small.h"
#include "train/trainer.h"

namespace triptych::tutorial {
namespace {

constexpr std::int64_t steps = 5;

/// All masters, moments and working copies after the steps.
std::string bits_after(Precision precision, int threads) {
  const TrainOptions o = small_options(steps, precision);
  const auto tier = make_tier({.name = "reference", .threads = threads});
  Trainer trainer(*tier, fp8_model(), o, split_text(read_text(o.data), o.sequence), 8);
  for (std::int64_t i = 0; i < steps; ++i) trainer.step();
  std::string all;
  for (const Parameter& p : trainer.model().parameters().all()) {
    for (const Tensor* x : {&p.master, &p.first, &p.second, &p.copy, &p.fp8.q, &p.fp8.scale}) {
      std::string bytes(x->bytes(), '\0');
      if (!x->absent()) tier->download(bytes.data(), *x);
      all += bytes;
    }
  }
  return all;
}

void run() {
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::fp8}) {
    const std::string one = bits_after(precision, 1), two = bits_after(precision, 2);
    std::size_t differ = 0;
    for (std::size_t i = 0; i < one.size(); ++i) differ += one[i] != two[i] ? 1 : 0;
    fmt::print("{:4}  {} of {} bytes differ after {} steps\n", name_of(precision), differ,
               one.size(), steps);
  }
}

}  // namespace
}  // namespace triptych::tutorial

int main() { triptych::tutorial::run(); }

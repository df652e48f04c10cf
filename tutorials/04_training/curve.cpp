// The whole run as a picture: the loss beside what a bigram model and the language's author reach.
// In f64 and to a hundredth of a bit, so that the picture is the same on every processor: what they
// round otherwise grows from step to step, but not to that.
#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "small.h"
#include "train/bigram.h"
#include "train/chart.h"
#include "train/trainer.h"

namespace triptych::tutorial {
namespace {

double hundredths(double bits) { return std::round(100 * bits) / 100; }

void run() {
  const TrainOptions o = small_options(500, Precision::f64);
  const Text text = read_text(o.data);
  const TextSplit split = split_text(text, o.sequence);
  const auto tier = make_tier({.name = "reference", .threads = 1});
  Trainer trainer(*tier, small_model(), o, split, 64);
  Series train{"training batch", {}, {}, "thin s1"}, held_out{"held out", {}, {}, "curve s2", true};
  for (std::int64_t done = 0;; ++done) {
    if (done > 0 && done % 25 == 0) {
      held_out.x.push_back(static_cast<double>(done));
      held_out.y.push_back(hundredths(trainer.evaluate().bits));
    }
    if (done == o.steps) break;
    train.x.push_back(static_cast<double>(done + 1));
    train.y.push_back(hundredths(trainer.step().loss / std::numbers::ln2));
  }
  LineChart chart;
  chart.title = "Loss over 500 steps, beside a bigram model and the entropy rate";
  chart.x_label = "step";
  chart.y_label = "bits a byte";
  chart.from_zero = true;
  chart.top = 4;  // the first steps come from 8
  chart.series = {train, held_out};
  const auto bigram =
      bigram_baseline(split.train, split.held_out, trainer.evaluated_windows(), o.sequence);
  chart.levels = {{"bigram model", bigram.bits_per_byte, "level s3"},
                  {"entropy rate", *text.entropy_rate, "level s4"}};
  fmt::print("{}", draw(chart).document());
}

}  // namespace
}  // namespace triptych::tutorial

int main() { triptych::tutorial::run(); }

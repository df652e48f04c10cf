// The learning rate of this chapter's run and of DeepSeek-V3's, as a picture.
#include <fmt/format.h>

#include "small.h"
#include "train/chart.h"

namespace triptych::tutorial {
namespace {

constexpr int points = 250;

/// DeepSeek-V3's learning rate as a part of its peak, 2.2e-4, after a share of its 14.8 T tokens
/// (report §4.2). The warm-up's 2000 steps are about 0.2 % of the run.
double report_rate(double share) {
  const double tokens = 14.8 * share;  // T
  if (tokens >= 14.633) return 7.3e-6 / 2.2e-4;
  const LearningRateSchedule billions{
      .peak = 1, .floor = 0.1, .warmup = 25, .decay_start = 10000, .steps = 14300};
  return billions.at(static_cast<std::int64_t>(1000 * tokens));
}

void run() {
  const LearningRateSchedule schedule = small_options(500).learning_rates();
  LineChart chart;
  chart.title = "Learning rate over a run: warm-up, constant, cosine";
  chart.height = 260;
  chart.x_label = "% of the run";
  chart.y_label = "part of the peak";
  chart.from_zero = true;
  Series ours{"this chapter", {}, {}, "curve s1"}, theirs{"DeepSeek-V3", {}, {}, "curve s2"};
  for (int i = 0; i <= points; ++i) {
    const double share = static_cast<double>(i) / points;
    ours.x.push_back(100 * share);
    ours.y.push_back(schedule.at(i * schedule.steps / points) / schedule.peak);
    theirs.x.push_back(100 * share);
    theirs.y.push_back(report_rate(share));
  }
  chart.series = {ours, theirs};
  fmt::print("{}", draw(chart).document());
}

}  // namespace
}  // namespace triptych::tutorial

int main() { triptych::tutorial::run(); }

#include "train/schedule.h"

#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "triptych/error.h"

namespace triptych {

namespace {

template <class Value>
void require(bool holds, const char* field, Value value, const std::string& range) {
  if (!holds) throw usage_error(fmt::format("schedule: {} = {}; choose {}", field, value, range));
}

}  // namespace

void LearningRateSchedule::validate() const {
  require(std::isfinite(peak) && peak > 0, "peak learning rate", peak, "a number above 0");
  require(floor >= 0 && floor <= peak, "learning rate floor", floor,
          fmt::format("a number from 0 to the peak, {}", peak));
  require(steps >= 1, "steps", steps, "at least 1");
  require(warmup >= 0 && warmup <= steps, "warm-up steps", warmup,
          fmt::format("a number from 0 to the run's {} steps", steps));
  require(decay_start >= warmup && decay_start <= steps, "decay start", decay_start,
          fmt::format("a step from the warm-up's end, {}, to the run's, {}", warmup, steps));
}

double LearningRateSchedule::at(std::int64_t step) const {
  if (step < warmup) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup);
  if (step >= steps) return floor;
  if (step < decay_start) return peak;
  const double progress =
      static_cast<double>(step - decay_start) / static_cast<double>(steps - decay_start);
  return floor + (peak - floor) * (1 + std::cos(std::numbers::pi * progress)) / 2;
}

void BalanceSchedule::validate() const {
  require(std::isfinite(speed) && speed >= 0, "bias update speed", speed, "a number of at least 0");
  require(stop_step >= 0, "bias update stop", stop_step, "a step of at least 0");
}

}  // namespace triptych

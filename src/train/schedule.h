/// \file
/// What changes with the step: the learning rate, and the speed of the router's balancing bias.
#pragma once

#include <cstdint>

namespace triptych {

/// DeepSeek-V3's learning rate (report §4.2): linear warm-up, a constant stretch, a cosine to a
/// floor.
///
/// For steps s = 0, 1, …, with w = warmup, d = decay_start, n = steps:
///
///   s < w        peak · (s+1)/w                                  (step w-1 is the first at the
///   peak) w ≤ s < d    peak d ≤ s < n    floor + (peak - floor) · (1 + cos(π·(s-d)/(n-d)))/2 s ≥ n
///   floor
struct LearningRateSchedule {
  double peak = 0;               ///< > 0
  double floor = 0;              ///< 0 … peak
  std::int64_t warmup = 0;       ///< steps, 0 … decay_start
  std::int64_t decay_start = 0;  ///< step, warmup … steps
  std::int64_t steps = 0;        ///< of the whole run, ≥ 1

  /// Raises a usage_error that names the field, its value and its range.
  void validate() const;
  /// The learning rate of a step: a pure function, so a resumed run needs no state for it.
  /// REQUIRES: a valid schedule, step ≥ 0.
  double at(std::int64_t step) const;
};

/// The bias update speed γ (report §4.2: 0.001, then 0 for the last 3.4 % of the tokens).
struct BalanceSchedule {
  double speed = 1e-3;         ///< γ, ≥ 0
  std::int64_t stop_step = 0;  ///< the first step with γ = 0, ≥ 0

  /// Raises a usage_error that names the field, its value and its range.
  void validate() const;
  /// γ of a step. REQUIRES: step ≥ 0.
  double at(std::int64_t step) const { return step < stop_step ? speed : 0; }
};

}  // namespace triptych

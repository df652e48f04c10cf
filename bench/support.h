/// \file
/// What the benchmarks share: tensors with random values, and timing beside a yardstick.
///
/// A time on a shared machine says little; the ratio of two times that were taken one after the other
/// says more, and the median of many such ratios can be trusted. So every benchmark that has a
/// yardstick runs it in the same process, alternately, and reports
///
///   time       of ours, the mean of all iterations (Google Benchmark's own column)
///   ours_ms    the median of ours
///   other_ms   the median of the yardstick
///   ratio      the median of (yardstick's time / our time of the same pair): above 1 we are faster
///   GFLOP/s    or GB/s: by the median of ours
#pragma once

#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "train/random.h"
#include "triptych/tier.h"

namespace triptych::bench {

inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Seconds that a call takes.
template <class F>
double seconds(F&& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Work of one call, for the rates.
struct Work {
  double flops = 0;  ///< counted as the algebra has them: 2 a product and sum
  double bytes = 0;  ///< read and written once
};

inline void report(benchmark::State& state, const Work& work, const std::vector<double>& ours) {
  const double time = median(ours);
  state.counters["ours_ms"] = time * 1e3;
  if (work.flops > 0) state.counters["GFLOP/s"] = work.flops / time * 1e-9;
  if (work.bytes > 0) state.counters["GB/s"] = work.bytes / time * 1e-9;
}

/// Times one form alone. The first call, which grows workspaces, is left out.
template <class Ours>
void measure(benchmark::State& state, const Work& work, Ours&& ours) {
  ours();
  std::vector<double> times;
  for (auto _ : state) {
    times.push_back(seconds(ours));
    state.SetIterationTime(times.back());
  }
  report(state, work, times);
}

/// Times two forms alternately, each one first in every other pair. Before each there is a pause:
/// OpenBLAS's idle threads spin for about a tenth of a second, on a core that the next one needs.
template <class Ours, class Other>
void compare(benchmark::State& state, const Work& work, Ours&& ours, Other&& other) {
  const auto timed = [](auto& form) {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    return seconds(form);
  };
  ours();
  other();
  std::vector<double> times, others, ratios;
  for (auto _ : state) {
    const bool ours_first = times.size() % 2 == 0;
    const double before = ours_first ? 0 : timed(other);
    times.push_back(timed(ours));
    others.push_back(ours_first ? timed(other) : before);
    ratios.push_back(others.back() / times.back());
    state.SetIterationTime(times.back());
  }
  report(state, work, times);
  state.counters["other_ms"] = median(others) * 1e3;
  state.counters["ratio"] = median(ratios);
}

inline std::unique_ptr<Tier> reference_tier(int threads = 0) {
  return make_tier({.name = "reference", .threads = threads});
}

/// Processors that this process may use, as the reference tier counts them.
inline int processors() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(CPU_COUNT(&set), 1) : 1;
}

/// Normal deviates times `scale`, rounded to the tensor's dtype (f64, f32, bf16); the memory must be
/// the host's.
inline void fill(const Tensor& tensor, double scale, std::uint64_t seed) {
  Random random(seed);
  for (std::int64_t i = 0; i < tensor.count(); ++i) {
    const double value = random.normal() * scale;
    switch (tensor.dtype) {
      case DType::f64: static_cast<double*>(tensor.data)[i] = value; break;
      case DType::bf16: static_cast<bf16*>(tensor.data)[i] = bf16(static_cast<float>(value)); break;
      default: static_cast<float*>(tensor.data)[i] = static_cast<float>(value); break;
    }
  }
}

/// Takes a tensor and fills it.
inline Tensor random_tensor(Arena& arena, DType dtype, Shape shape, double scale,
                            std::uint64_t seed) {
  const Tensor tensor = arena.take(dtype, shape);
  fill(tensor, scale, seed);
  return tensor;
}

/// Bounds of `groups` groups of `rows` rows in all, as equal as they can be.
inline Tensor equal_groups(Arena& arena, std::int64_t groups, std::int64_t rows) {
  const Tensor offsets = arena.take(DType::i32, {groups + 1});
  for (std::int64_t e = 0; e <= groups; ++e) {
    offsets.as<std::int32_t>()[e] = static_cast<std::int32_t>(rows * e / groups);
  }
  return offsets;
}

/// A benchmark that times itself: `Register("name", function)->Arg(…)`.
template <class F>
benchmark::internal::Benchmark* add_benchmark(const std::string& name, F&& f) {
  return benchmark::RegisterBenchmark(name.c_str(), std::forward<F>(f))
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}

}  // namespace triptych::bench

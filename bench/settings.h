/// \file
/// What `triptych bench` asks of every benchmark. The program sets it before the benchmarks run.
#pragma once

namespace triptych::bench {

struct Settings {
  int threads = 0;       ///< worker threads; 0: all processors
  int rounds = 11;       ///< times that a benchmark's forms take turns, at least; 1 only tells that they run
  double seconds = 0.5;  ///< that its rounds take together, at least
};
inline Settings settings;

}  // namespace triptych::bench

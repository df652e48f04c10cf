/// \file
/// The random numbers of schedules and of fills: SplitMix64, the same on every machine.
#pragma once

#include <cstdint>

namespace triptych::emulator {

inline std::uint64_t next_random(std::uint64_t& state) {
  state += 0x9E3779B97F4A7C15u;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace triptych::emulator

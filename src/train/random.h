/// \file
/// The project's own random numbers.
///
/// `std::shuffle` and the distributions of <random> differ between standard libraries, and `log`
/// between C libraries. These numbers come from integer and IEEE arithmetic alone, so the same seed
/// gives the same bits on every compiler and machine.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace triptych {

/// The finaliser of SplitMix64: a bijection of the 64-bit words whose output bits each depend on
/// all input bits. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
/// 2014.
constexpr std::uint64_t mix_bits(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

/// xoshiro256**, period 2^256 - 1. Source: Blackman, Vigna, "Scrambled linear pseudorandom number
/// generators", 2021; seeded through SplitMix64 as they advise.
class Random {
 public:
  /// Equal (seed, stream) give equal numbers; different streams of a seed are independent for every
  /// practical purpose, so each parameter or epoch takes a stream of its own.
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0);

  /// 64 uniform bits.
  std::uint64_t next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// A multiple of 2^-53, uniform in [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

  /// An integer uniform in 0 … count-1, without bias. REQUIRES: count ≥ 1.
  std::uint64_t below(std::uint64_t count) {
    // The lowest 2^64 mod count words are refused: what is left divides evenly among the results.
    const std::uint64_t refused = (0 - count) % count;
    std::uint64_t word = next();
    while (word < refused) word = next();
    return word % count;
  }

  /// A standard normal deviate (mean 0, variance 1) by Marsaglia's polar method, which gives two at
  /// a time; the second is kept for the next call. |normal()| < 8.6 always, since the squared
  /// radius is at least 2^-104 (the smallest nonzero one of two 53-bit coordinates).
  double normal();

 private:
  std::array<std::uint64_t, 4> state_;
  double spare_ = 0;
  bool has_spare_ = false;
};

/// A uniformly random order of `items` (Fisher–Yates), in place; draws items.size()-1 integers.
template <class T>
void shuffle(std::span<T> items, Random& random) {
  for (std::size_t left = items.size(); left > 1; --left) {
    std::swap(items[left - 1], items[random.below(left)]);
  }
}

}  // namespace triptych

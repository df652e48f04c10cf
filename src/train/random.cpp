#include "train/random.h"

#include <cmath>

namespace triptych {

namespace {

constexpr std::uint64_t golden = 0x9E3779B97F4A7C15u;  // 2^64 / φ, SplitMix64's increment

/// log x for a positive finite x, from operations that IEEE 754 rounds in one way only.
///
/// x = m·2^e with m in [√½, √2), and log m = 2·atanh z for z = (m-1)/(m+1), |z| < 0.1716. The
/// series Σ z^(2k+1)/(2k+1) is cut after k = 10: the rest is below z^22 < 2^-55 of the sum.
double portable_log(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);  // [½, 1)
  if (m < 0x1.6a09e667f3bcdp-1) {
    m *= 2;
    --exponent;
  }
  const double z = (m - 1) / (m + 1);
  const double square = z * z;
  double sum = 0;
  for (int k = 10; k >= 0; --k) sum = sum * square + 1.0 / (2 * k + 1);
  return 2 * z * sum + exponent * 0x1.62e42fefa39efp-1;
}

}  // namespace

Random::Random(std::uint64_t seed, std::uint64_t stream) {
  std::uint64_t walk = mix_bits(seed) + mix_bits(stream + golden);
  for (std::uint64_t& word : state_) word = mix_bits(walk += golden);
  // mix_bits is a bijection and the walk's four values differ, so the state is never all zero.
}

double Random::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  double x = 0, y = 0, square = 0;
  do {
    x = 2 * uniform() - 1;
    y = 2 * uniform() - 1;
    square = x * x + y * y;
  } while (square >= 1 || square == 0);
  const double scale = std::sqrt(-2 * portable_log(square) / square);
  spare_ = y * scale;
  has_spare_ = true;
  return x * scale;
}

}  // namespace triptych

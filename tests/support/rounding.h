/// \file
/// Rounding to the narrow types from their definition: the nearest of all values, of two equally near
/// ones the even code. Slow, and shares nothing with dtype.h but the layout of the bits.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace triptych::testing {

/// A floating format without infinities: the values of codes 0 … count-1 without sign, in order.
class NarrowFormat {
 public:
  NarrowFormat(int fraction_bits, int bias, int codes) {
    for (int code = 0; code < codes; ++code) {
      const int exponent = code >> fraction_bits, fraction = code & ((1 << fraction_bits) - 1);
      const int whole = exponent == 0 ? fraction : (1 << fraction_bits) + fraction;
      values_.push_back(std::ldexp(whole, std::max(exponent, 1) - bias - fraction_bits));
    }
  }
  /// 4 exponent and 3 fraction bits; the last code is NaN and not a value.
  static const NarrowFormat& e4m3() {
    static const NarrowFormat format(3, 7, 127);
    return format;
  }
  /// 5 exponent and 6 fraction bits; the last exponent is not used for values.
  static const NarrowFormat& e5m6() {
    static const NarrowFormat format(6, 15, 31 << 6);
    return format;
  }

  const std::vector<double>& values() const { return values_; }
  double largest() const { return values_.back(); }
  /// The code of the nearest value to a magnitude; saturates.
  int code_of(double magnitude) const {
    const auto above = std::lower_bound(values_.begin(), values_.end(), magnitude);
    if (above == values_.end()) return static_cast<int>(values_.size()) - 1;
    const int high = static_cast<int>(above - values_.begin());
    if (high == 0) return 0;
    const double up = *above - magnitude, down = magnitude - values_[static_cast<std::size_t>(high - 1)];
    if (up == down) return high % 2 == 0 ? high : high - 1;
    return up < down ? high : high - 1;
  }
  /// The nearest value, with its sign.
  double nearest(double value) const {
    return std::copysign(values_[static_cast<std::size_t>(code_of(std::fabs(value)))], value);
  }

 private:
  std::vector<double> values_;
};

}  // namespace triptych::testing

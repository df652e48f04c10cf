/// \file
/// IEEE arithmetic for expectations, without floating point: exact values as wide integers, rounded once.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

#include "emulator/ptx/type.h"

namespace triptych::emulator::test {

__extension__ typedef unsigned __int128 Bits128;

/// A binary format: significand bits with the hidden one, and the exponent's bias.
struct Format {
  int precision, bias, bits;
  std::uint64_t top() const { return std::uint64_t{1} << (bits - 1); }
  std::uint64_t infinity() const { return (std::uint64_t{2} * static_cast<std::uint64_t>(bias) + 1) << (precision - 1); }
  bool is_nan(std::uint64_t x) const { return (x & (top() - 1)) > infinity(); }
  bool is_infinite(std::uint64_t x) const { return (x & (top() - 1)) == infinity(); }
  bool is_zero(std::uint64_t x) const { return (x & (top() - 1)) == 0; }
  bool is_subnormal(std::uint64_t x) const { return !is_zero(x) && (x & (top() - 1)) >> (precision - 1) == 0; }
  bool is_negative(std::uint64_t x) const { return (x & top()) != 0; }
  std::uint64_t flushed(std::uint64_t x) const { return is_subnormal(x) ? x & top() : x; }
  /// A finite number is ± significand · 2^exponent.
  std::uint64_t significand(std::uint64_t x) const {
    const std::uint64_t fraction = x & ((std::uint64_t{1} << (precision - 1)) - 1);
    return is_zero(x) || is_subnormal(x) ? fraction : fraction | std::uint64_t{1} << (precision - 1);
  }
  int exponent(std::uint64_t x) const {
    const int biased = static_cast<int>((x & (top() - 1)) >> (precision - 1));
    return std::max(biased, 1) - bias - (precision - 1);
  }
};

inline Format format_of(Type type) {
  switch (type) {
    case Type::f16: return {11, 15, 16};
    case Type::bf16: return {8, 127, 16};
    case Type::f32: return {24, 127, 32};
    default: return {53, 1023, 64};
  }
}

/// ± a fixed-point number that holds products of any two finite numbers.
class Exact {
 public:
  /// ± significand · 2^exponent
  Exact(bool negative, Bits128 significand, int exponent) : negative_(negative) {
    for (int b = 0; b < 128; ++b) {
      if ((significand >> b & 1) != 0) set(point + exponent + b);
    }
  }
  static Exact of(const Format& f, std::uint64_t x) { return {f.is_negative(x), f.significand(x), f.exponent(x)}; }
  static Exact product(const Format& f, std::uint64_t x, std::uint64_t y) {
    return {f.is_negative(x) != f.is_negative(y), Bits128{f.significand(x)} * f.significand(y), f.exponent(x) + f.exponent(y)};
  }
  /// 60 bits or more of x / y; the last one tells whether anything follows. y is not zero.
  static Exact quotient(const Format& f, std::uint64_t x, std::uint64_t y) {
    Bits128 a = f.significand(x);
    int shift = 64;
    while (a != 0 && (a << shift) >> 126 == 0) ++shift;
    a <<= shift;
    const Bits128 b = f.significand(y);
    return {f.is_negative(x) != f.is_negative(y), a / b << 1 | (a % b != 0 ? 1 : 0), f.exponent(x) - f.exponent(y) - shift - 1};
  }
  /// Likewise of √x, x ≥ 0.
  static Exact root(const Format& f, std::uint64_t x) {
    Bits128 a = f.significand(x);
    int e = f.exponent(x), shift = 64 + (e & 1);   // even afterwards
    while (a != 0 && (a << shift) >> 124 == 0) shift += 2;
    a <<= shift;
    e -= shift;
    Bits128 r = 0;
    for (int b = 63; b >= 0; --b) {
      const Bits128 next = r | Bits128{1} << b;
      if (next * next <= a) r = next;
    }
    return {false, r << 1 | (r * r != a ? 1 : 0), e / 2 - 1};
  }

  bool negative() const { return negative_; }
  bool zero() const {
    return std::all_of(words_.begin(), words_.end(), [](std::uint64_t w) { return w == 0; });
  }
  friend Exact operator+(Exact x, const Exact& y) {
    if (x.negative_ == y.negative_) {
      x.add(y.words_);
    } else if (std::lexicographical_compare(x.words_.rbegin(), x.words_.rend(), y.words_.rbegin(), y.words_.rend())) {
      Exact z = y;
      z.subtract(x.words_);
      return z;
    } else {
      x.subtract(y.words_);
    }
    return x;
  }

  /// Bits in a format, rounded as rn, rz, rm or rp says.
  std::uint64_t rounded(const Format& f, std::string_view mode) const {
    const std::uint64_t sign = negative_ ? f.top() : 0;
    std::size_t word = words;
    while (word > 0 && words_[word - 1] == 0) --word;
    if (word == 0) return sign;
    const int high = static_cast<int>(word) * 64 - 1 - std::countl_zero(words_[word - 1]);
    const int least = 1 - f.bias - (f.precision - 1);
    int unit = std::max(high - point - (f.precision - 1), least);
    std::uint64_t n = 0;
    for (int b = high; b >= unit + point; --b) n = n << 1 | (bit(b) ? 1 : 0);
    const bool half = bit(unit + point - 1);
    bool rest = false;
    for (int b = unit + point - 2; b >= 0 && !rest; b -= bit(b) || b % 64 != 63 || words_[static_cast<std::size_t>(b / 64)] != 0 ? 1 : 64) rest = bit(b);
    const bool up = mode == "rn" ? half && (rest || (n & 1) != 0)
                                 : (half || rest) && mode == (negative_ ? "rm" : "rp");
    n += up ? 1 : 0;
    if (n >> f.precision != 0) {
      n >>= 1;
      ++unit;
    }
    const int biased = unit + f.precision - 1 + f.bias;
    if (biased > 2 * f.bias) {
      const bool infinite = mode == "rn" || mode == (negative_ ? "rm" : "rp");
      return sign | (infinite ? f.infinity() : f.infinity() - 1);
    }
    const std::uint64_t hidden = std::uint64_t{1} << (f.precision - 1);
    return sign | (n < hidden ? n : (static_cast<std::uint64_t>(biased) << (f.precision - 1)) + (n - hidden));
  }

 private:
  static constexpr int words = 72, point = words * 32;   // bits below the point
  using Words = std::array<std::uint64_t, words>;

  bool bit(int b) const { return b >= 0 && (words_[static_cast<std::size_t>(b / 64)] >> (b % 64) & 1) != 0; }
  void set(int b) { words_[static_cast<std::size_t>(b / 64)] |= std::uint64_t{1} << (b % 64); }
  void add(const Words& y) {
    Bits128 carry = 0;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      carry += Bits128{words_[i]} + y[i];
      words_[i] = static_cast<std::uint64_t>(carry);
      carry >>= 64;
    }
  }
  void subtract(const Words& y) {
    std::uint64_t borrow = 0;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      const Bits128 d = Bits128{words_[i]} - y[i] - borrow;
      words_[i] = static_cast<std::uint64_t>(d);
      borrow = static_cast<std::uint64_t>(d >> 64) != 0 ? 1 : 0;
    }
  }

  bool negative_ = false;
  Words words_{};
};

/// The sum's bits: an exact zero is +0, or -0 when rounding down, unless both have the same sign.
inline std::uint64_t rounded_sum(const Exact& x, const Exact& y, const Format& f, std::string_view mode) {
  const Exact sum = x + y;
  if (!sum.zero()) return sum.rounded(f, mode);
  const bool negative = x.negative() == y.negative() ? x.negative() : mode == "rm";
  return negative ? f.top() : 0;
}

/// min or max by the order of the bits, where -0 is below +0. A NaN loses against a number, or wins with `nan`.
inline std::uint64_t extreme(const Format& f, bool max, bool nan, std::uint64_t a, std::uint64_t b, std::uint64_t one_nan) {
  const auto key = [&](std::uint64_t x) { return f.is_negative(x) ? f.top() - 1 - (x & (f.top() - 1)) : x | f.top(); };
  if (f.is_nan(a) && f.is_nan(b)) return one_nan;
  if (f.is_nan(a)) return nan ? one_nan : b;
  if (f.is_nan(b)) return nan ? one_nan : a;
  return (key(a) < key(b)) != max ? a : b;
}

}  // namespace triptych::emulator::test

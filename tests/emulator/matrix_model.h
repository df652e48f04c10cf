/// \file
/// What tests of matrix products expect: numbers of every format, fragments by the ISA's formulas, and the
/// tensor cores' sum written with doubles.
#pragma once

#include <algorithm>
#include <bit>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emulator/ptx/type.h"

namespace triptych::emulator::test {

/// 2^exponent, of a normal double.
inline double power(int exponent) { return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52); }

/// A floating-point number as the tensor cores see it: significand · 2^exponent, |significand| < 2.
struct Number {
  double significand = 0;
  int exponent = -126;
  bool finite = true;
  double value() const { return significand * power(finite ? exponent : 0); }   // infinities and NaNs stay
};

struct Format {
  int exponent_bits, mantissa_bits;
  bool infinities = true;
};
inline Format format_of(Type type) {
  switch (type) {
    case Type::f16: return {5, 10};
    case Type::bf16: return {8, 7};
    case Type::tf32: return {8, 10};
    case Type::e5m2: return {5, 2};
    case Type::e4m3: return {4, 3, false};
    default: return {8, 23};
  }
}

inline Number number(Type type, std::uint32_t bits) {
  const Format f = format_of(type);
  if (type == Type::tf32) bits >>= 13;
  const int bias = (1 << (f.exponent_bits - 1)) - 1;
  const int field = static_cast<int>(bits >> f.mantissa_bits) & ((1 << f.exponent_bits) - 1);
  const double fraction = std::ldexp(bits & ((1u << f.mantissa_bits) - 1), -f.mantissa_bits);
  const double sign = (bits >> (f.exponent_bits + f.mantissa_bits) & 1) != 0 ? -1 : 1;
  if (f.infinities && field == (1 << f.exponent_bits) - 1) return {fraction != 0 ? NAN : sign * INFINITY, 0, false};
  if (!f.infinities && (bits & 0x7F) == 0x7F) return {NAN, 0, false};
  if (field == 0 && fraction == 0) return {sign * 0.0, -126};
  return field == 0 ? Number{sign * fraction, 1 - bias} : Number{sign * (1 + fraction), field - bias};
}

/// A value cut or rounded to a format's bits; in f32 as bits. Doubles hold every sum exactly.
inline std::uint32_t f32_toward_zero(double value, int keep) {
  if (std::isnan(value)) return 0x7FFFFFFF;
  if (value == 0) return 0;
  int exponent = 0;
  std::frexp(value, &exponent);
  const double unit = std::ldexp(1.0, std::max(exponent - 1, -126) - keep);
  const double cut = std::trunc(value / unit) * unit;
  if (std::abs(cut) >= 0x1p128) return value < 0 ? 0xFF800000 : 0x7F800000;
  return std::bit_cast<std::uint32_t>(static_cast<float>(cut + 0.0));
}
inline std::uint32_t f16_nearest(double value) {
  if (std::isnan(value)) return 0x7FFF;
  const std::uint32_t sign = value < 0 ? 0x8000 : 0;
  int exponent = 0;
  std::frexp(value, &exponent);
  if (std::isinf(value)) return sign | 0x7C00;
  const double unit = std::ldexp(1.0, std::max(exponent - 1, -14) - 10);
  const double rounded = std::abs(std::nearbyint(value / unit) * unit);   // ties to even
  if (rounded == 0) return 0;
  if (rounded >= 65536) return sign | 0x7C00;
  std::frexp(rounded, &exponent);
  if (exponent - 1 < -14) return sign | static_cast<std::uint32_t>(rounded * 0x1p24);
  return sign | static_cast<std::uint32_t>(exponent - 1 + 15) << 10 |
         static_cast<std::uint32_t>(std::ldexp(rounded, 11 - exponent) - 1024);
}

/// One element of D in the exact numerics: C and K products aligned at F bits below the largest exponent.
inline double fused_sum(const std::vector<Number>& a, const std::vector<Number>& b, const Number& c, int fraction_bits) {
  bool finite = c.finite;
  int largest = c.exponent;
  for (std::size_t k = 0; k < a.size(); ++k) {
    finite = finite && a[k].finite && b[k].finite;
    largest = std::max(largest, a[k].exponent + b[k].exponent);
  }
  if (!finite) {
    double special = c.value();
    for (std::size_t k = 0; k < a.size(); ++k) special += a[k].value() * b[k].value();
    return special;
  }
  double sum = std::trunc(c.significand * power(fraction_bits + c.exponent - largest));
  for (std::size_t k = 0; k < a.size(); ++k) {
    sum += std::trunc(a[k].significand * b[k].significand * power(fraction_bits + a[k].exponent + b[k].exponent - largest));
  }
  return sum * power(largest - fraction_bits);
}

/// std::fma in another rounding mode of the host, which volatile keeps where it belongs.
inline double fma_rounded(double a, double b, double c, std::string_view mode) {
  volatile double x = a, y = b, z = c;
  std::fesetround(mode == "rz" ? FE_TOWARDZERO : mode == "rm" ? FE_DOWNWARD : mode == "rp" ? FE_UPWARD : FE_TONEAREST);
  volatile double result = std::fma(x, y, z);
  std::fesetround(FE_TONEAREST);
  return result;
}

/// Random bits of an element: numbers of similar size, of any size, or special ones.
inline std::uint32_t random_element(Type type, std::mt19937_64& random, bool wild) {
  const auto any = static_cast<std::uint32_t>(random());
  if (!is_float(type)) return any & static_cast<std::uint32_t>(~std::uint64_t{0} >> (64 - bits_of(type)));
  const Format f = format_of(type);
  const int bits = 1 + f.exponent_bits + f.mantissa_bits;
  std::uint32_t value = any & static_cast<std::uint32_t>(~std::uint64_t{0} >> (64 - bits));
  const std::uint32_t field_mask = ((1u << f.exponent_bits) - 1) << f.mantissa_bits;
  const auto bias = static_cast<std::uint32_t>((1 << (f.exponent_bits - 1)) - 1);
  const auto exponent = [&](std::uint32_t field) { value = (value & ~field_mask) | field << f.mantissa_bits; };
  if (!wild || random() % 2 == 0) exponent(bias - 2 + static_cast<std::uint32_t>(random() % 4));
  if (wild && random() % 4 == 0) exponent(static_cast<std::uint32_t>(random() % 2));   // subnormal
  if (wild && random() % 8 == 0) value &= 1u << (bits - 1);                            // zero
  if ((value & field_mask) == field_mask && random() % 64 != 0) exponent(bias);         // mostly finite
  return type == Type::tf32 ? value << 13 | (any >> 19) : value;
}

/// Where the stored elements of a sparse A belong, and the metadata that says so.
struct SparseRows {
  std::vector<int> places;               ///< row by row, of each stored element
  std::vector<std::uint64_t> metadata;   ///< 32 lanes for every 16 rows; those that have no part are given nonsense
};
/// At random. Four bits tell the places of one stored element (32 bits wide), two, or four (4 bits wide, in pairs).
inline SparseRows random_places(int rows, int stored, int bits, int selector, bool ordered, std::mt19937_64& random) {
  SparseRows r;
  const int each = bits == 32 ? 1 : bits == 4 ? 4 : 2, chunks = stored / each;
  std::vector<std::uint64_t> indices;   // of each chunk, row by row
  for (int n = 0; n < rows * chunks; ++n) {
    std::uint64_t first = random() % 4, second = (first + 1 + random() % 3) % 4;
    if (ordered && first > second) std::swap(first, second);
    if (bits == 32) first &= 2, second = first + 1;
    indices.push_back(first | second << 2);
    for (int i = 0; i < each; ++i) {
      const int index = static_cast<int>(i < (each + 1) / 2 ? first : second);
      r.places.push_back(n % chunks * 2 * each + (bits == 32 ? index / 2 : bits == 4 ? 2 * index + i % 2 : index));
    }
  }
  for (int lane = 0; lane < rows * 2; ++lane) {
    const int q = lane % 4, n = bits >= 16 ? chunks / 4 : chunks / 8;   // lanes that share a row's chunks
    const bool has = selector == (bits >= 16 ? q / n : q / 2 / n);
    std::uint64_t word = 0;
    for (int nibble = 0; nibble < 8; ++nibble) {
      const int row = lane / 32 * 16 + lane % 32 / 4 + 8 * (bits >= 16 ? nibble / 4 : q % 2);
      const int chunk = bits >= 16 ? nibble % 4 + 4 * (q % n) : nibble + 8 * (q / 2 % n);
      word |= (has ? indices[static_cast<std::size_t>(row * chunks + chunk)] : 5) << 4 * nibble;
    }
    r.metadata.push_back(word);
  }
  return r;
}

}  // namespace triptych::emulator::test

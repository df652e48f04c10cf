/// \file
/// Element types, and the scalar conversions that define how every tier rounds.
///
/// The narrow types are plain bit patterns here: a tier may compute with other instructions, but a
/// stored value is the one that these functions give.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace triptych {

/// What the elements of a tensor are.
enum class DType : std::uint8_t {
  f64,   ///< IEEE binary64: the oracle's only type.
  f32,   ///< IEEE binary32.
  bf16,  ///< Upper half of a binary32: 8 exponent bits, 7 stored fraction bits.
  e4m3,  ///< OCP FP8 E4M3: 4 exponent bits, 3 fraction bits, no infinity, largest value 448.
  e5m6,  ///< 5 exponent and 6 fraction bits, held in the 16 bits of a binary16 (DeepSeek-V3 §3.3.3).
  i32    ///< Signed 32-bit integer: token ids, expert ids, offsets, counts.
};

/// Bytes of one element.
constexpr std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f64: return 8;
    case DType::f32:
    case DType::i32: return 4;
    case DType::bf16:
    case DType::e5m6: return 2;
    case DType::e4m3: return 1;
  }
  return 0;
}

/// The type's name as error messages and reports print it.
constexpr const char* name_of(DType dtype) {
  switch (dtype) {
    case DType::f64: return "f64";
    case DType::f32: return "f32";
    case DType::bf16: return "bf16";
    case DType::e4m3: return "e4m3";
    case DType::e5m6: return "e5m6";
    case DType::i32: return "i32";
  }
  return "?";
}

/// Unit roundoff: the largest relative error of one rounding to the type (2^-p, p significand bits).
constexpr double unit_roundoff(DType dtype) {
  switch (dtype) {
    case DType::f64: return 0x1p-53;
    case DType::f32: return 0x1p-24;
    case DType::bf16: return 0x1p-8;
    case DType::e5m6: return 0x1p-7;
    case DType::e4m3: return 0x1p-4;
    case DType::i32: return 0;
  }
  return 0;
}

namespace detail {

/// Turns the bits of an f32 into those of the nearest bf16. U is std::uint32_t, or a vector of them.
template <class U>
void round_to_bf16(U& u) {
  // Adding half an ulp (one less when the kept part is even) carries into the kept part exactly when
  // round to nearest even rounds up; overflow runs into infinity as it should.
  const U rounded = (u + 0x7FFFu + ((u >> 16) & 1u)) >> 16;
  const U number = ((0x7F800000u - (u & 0x7FFFFFFFu)) >> 31) - 1u;  // a mask: no bit for a NaN
  u = (rounded & number) | (0x7FFFu & ~number);
}

}  // namespace detail

/// A bfloat16 as its bits. Converts from f32 by round to nearest even; every NaN becomes 0x7FFF.
struct bf16 {
  std::uint16_t bits = 0;  ///< as stored

  bf16() = default;
  explicit bf16(float value) {  ///< Rounds to nearest even.
    auto u = std::bit_cast<std::uint32_t>(value);
    detail::round_to_bf16(u);
    bits = static_cast<std::uint16_t>(u);
  }
  /// Exact.
  explicit operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16); }
};

/// An FP8 E4M3 as its bits. Converts from f32 by round to nearest even, saturating at ±448; every
/// NaN becomes 0x7F (what `cvt.rn.satfinite.e4m3x2.f32` does).
struct e4m3 {
  std::uint8_t bits = 0;  ///< as stored

  static constexpr float largest = 448.0f;  ///< 0x7E
  e4m3() = default;
  explicit e4m3(float value);  ///< Rounds to nearest even, saturating.
  /// Exact.
  explicit operator float() const;
};

/// 1-5-6 floating point in the 16 bits of an IEEE binary16, whose lowest four fraction bits are
/// zero. Converts from f32 by round to nearest even, saturating at the largest finite value.
struct e5m6 {
  std::uint16_t bits = 0;  ///< as stored

  static constexpr float largest = 65024.0f;  ///< (2 - 2^-6) · 2^15
  e5m6() = default;
  explicit e5m6(float value);  ///< Rounds to nearest even, saturating.
  /// Exact.
  explicit operator float() const;
};

// The conversions have no branch, so that compilers make vectors of them.
namespace detail {

/// Encodes a magnitude, given as the bits of an f32, with `fraction` stored bits and exponent bias `bias`,
/// by round to nearest even, saturating at the code `largest`: the narrow format's bits without a sign.
template <int fraction, int bias, std::uint32_t largest>
std::uint32_t encode_magnitude(std::uint32_t bits) {
  constexpr std::uint32_t lowest = 128 - bias, highest = (largest >> fraction) + 127 - bias;
  // The values with one exponent are evenly spaced; so are the subnormals, like those of the lowest one. A
  // sum with the f32 whose ulp is that spacing rounds there, and leaves the count of spacings in its
  // lowest bits. A carry into the next exponent is right as it is.
  const std::uint32_t exponent = std::min(std::max(bits >> 23, lowest), highest);
  const std::uint32_t anchor = (exponent + 23 - fraction) << 23;
  const float sum = std::bit_cast<float>(bits) + std::bit_cast<float>(anchor);
  const std::uint32_t count = std::bit_cast<std::uint32_t>(sum) - anchor;
  return std::min(((exponent - lowest) << fraction) + count, largest);
}

/// The value of bits without a sign: exact. In an f32's place they are the value but for the bias, subnormals
/// too.
template <int fraction, int bias>
float decode_magnitude(std::uint32_t bits) {
  constexpr auto unbias = std::bit_cast<float>(static_cast<std::uint32_t>(127 + 127 - bias) << 23);
  return std::bit_cast<float>(bits << (23 - fraction)) * unbias;
}

/// An f32's bits taken apart.
struct Parts {
  std::uint32_t magnitude;  ///< all but the sign
  std::uint32_t sign;       ///< 1 or 0; 0 for a NaN
  std::uint32_t nan;        ///< 1 for a NaN, else 0
};
/// The parts of a value.
inline Parts parts_of(float value) {
  const auto u = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = u & 0x7FFFFFFFu, nan = (0x7F800000u - magnitude) >> 31;
  return {magnitude, (u >> 31) & ~nan, nan};
}

}  // namespace detail

inline e4m3::e4m3(float value) {
  const auto [magnitude, sign, nan] = detail::parts_of(value);
  bits = static_cast<std::uint8_t>(detail::encode_magnitude<3, 7, 0x7E>(magnitude) | nan * 0x7Fu | sign << 7);
}

inline e4m3::operator float() const {
  const std::uint32_t code = bits & 0x7Fu, nan = (code + 1) >> 7;  // 1 or 0
  const auto magnitude = std::bit_cast<std::uint32_t>(detail::decode_magnitude<3, 7>(code));
  return std::bit_cast<float>(std::max(magnitude, nan * 0x7FC00000u) | static_cast<std::uint32_t>(bits >> 7) << 31);
}

inline e5m6::e5m6(float value) {
  const auto [magnitude, sign, nan] = detail::parts_of(value);
  bits = static_cast<std::uint16_t>(detail::encode_magnitude<6, 15, 0x7BF>(magnitude) << 4 | nan * 0x7FFFu |
                                    sign << 15);
}

inline e5m6::operator float() const {
  if ((bits & 0x7FFF) > 0x7C00) return std::numeric_limits<float>::quiet_NaN();
  const float magnitude = detail::decode_magnitude<6, 15>((bits & 0x7FFFu) >> 4);
  return bits & 0x8000 ? -magnitude : magnitude;
}

/// The DType of a C++ element type.
template <class T>
inline constexpr DType dtype_of = DType::i32;
template <>
inline constexpr DType dtype_of<double> = DType::f64;  ///< double
template <>
inline constexpr DType dtype_of<float> = DType::f32;  ///< float
template <>
inline constexpr DType dtype_of<bf16> = DType::bf16;  ///< bf16
template <>
inline constexpr DType dtype_of<e4m3> = DType::e4m3;  ///< e4m3
template <>
inline constexpr DType dtype_of<e5m6> = DType::e5m6;  ///< e5m6

}  // namespace triptych

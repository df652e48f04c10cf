/// \file
/// Floating-point formats of up to 19 bits, and f32 rounded to them. Without branches, so that loops over
/// lanes become vector instructions.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string_view>

namespace triptych::emulator {

enum class Rounding : std::uint8_t {
  nearest,   ///< .rn: ties to even
  zero,      ///< .rz
  down,      ///< .rm
  up,        ///< .rp
  away,      ///< .rna: ties away from zero
};

/// What a modifier names; nearest if it names none.
inline Rounding rounding_of(std::string_view mode) {
  if (mode == "rz") return Rounding::zero;
  if (mode == "rm") return Rounding::down;
  if (mode == "rp") return Rounding::up;
  return mode == "rna" ? Rounding::away : Rounding::nearest;
}

/// A sign, an exponent and a mantissa, from the highest bit on.
template <int exponent, int mantissa, bool with_infinity = true>
struct SmallFloat {
  static constexpr int mantissa_bits = mantissa;
  static constexpr int least_exponent = 2 - (1 << (exponent - 1));   ///< of normal numbers
  static constexpr int sign_bit = exponent + mantissa;
  static constexpr std::uint32_t sign = 1u << sign_bit;
  static constexpr std::uint32_t nan = sign - 1;                     ///< the one that instructions give
  static constexpr std::uint32_t infinity = ((1u << exponent) - 1) << mantissa;   ///< e4m3 has none
  static constexpr std::uint32_t greatest = with_infinity ? infinity - 1 : nan - 1;
};
using Float16 = SmallFloat<5, 10>;
using BFloat16 = SmallFloat<8, 7>;
using TFloat32 = SmallFloat<8, 10>;
using E5M2 = SmallFloat<5, 2>;
using E4M3 = SmallFloat<4, 3, false>;

/// The f32 of these bits, rounded. What is too large becomes infinity, as the rounding wants it, or with
/// `finite` (.satfinite) the greatest number. A NaN becomes F::nan.
template <class F, Rounding rounding, bool finite = false>
constexpr std::uint32_t narrow(std::uint32_t bits) {
  using U32 = std::uint32_t;
  constexpr U32 drop = 23 - F::mantissa_bits, first_normal = F::least_exponent + 127, none_left = 25;
  const U32 negative = bits >> 31, magnitude = bits & 0x7FFFFFFF, field = magnitude >> 23;
  const U32 exponent = std::max(field, U32{1});
  const U32 significand = (magnitude & 0x7FFFFF) | std::min(field, U32{1}) << 23;
  // Below the format's normal numbers more bits are dropped; 25 drop all, and are below a half. With the
  // exponents of f32 the bits need only be cut.
  constexpr bool cut = first_normal == 1;
  const U32 shift = cut ? drop : std::min(drop + first_normal - std::min(exponent, first_normal), none_left);
  const U32 source = cut ? magnitude : significand;
  const U32 kept = source >> shift;
  const U32 rest = source & ((U32{1} << shift) - 1), half = U32{1} << (shift - 1);
  U32 more = 0;
  if (rounding == Rounding::nearest) more = rest + (kept & 1) > half ? 1 : 0;
  if (rounding == Rounding::away) more = rest >= half ? 1 : 0;
  if (rounding == Rounding::down) more = (rest != 0 ? 1 : 0) & negative;
  if (rounding == Rounding::up) more = (rest != 0 ? 1 : 0) & ~negative;
  // A carry out of the mantissa counts the exponent up, from subnormal to normal and from there on.
  const U32 base = cut ? 0 : (std::max(exponent, first_normal) - first_normal) << F::mantissa_bits;
  // Infinity comes after the greatest number.
  U32 to_infinity = field == 255 ? 1 : 0;
  if (rounding == Rounding::nearest || rounding == Rounding::away) to_infinity = 1;
  if (rounding == Rounding::down) to_infinity |= negative;
  if (rounding == Rounding::up) to_infinity |= negative ^ 1;
  const U32 limit = F::greatest + (finite ? 0 : to_infinity);
  const U32 number = std::min(base + kept + more, limit) | negative << F::sign_bit;
  return magnitude > 0x7F800000 ? F::nan : number;
}

/// The f32 of the same value, and a NaN of the same payload.
template <class F>
constexpr std::uint32_t widen(std::uint32_t bits) {
  const std::uint32_t magnitude = bits & (F::sign - 1), sign = (bits & F::sign) != 0 ? 0x80000000u : 0u;
  // The same bits mean 2^(126 + least_exponent) times less in an f32, subnormal numbers too.
  constexpr float scale = std::bit_cast<float>(static_cast<std::uint32_t>(253 + F::least_exponent) << 23);
  const float value = std::bit_cast<float>(magnitude << (23 - F::mantissa_bits)) * scale;
  std::uint32_t special = 0;
  if (F::greatest < F::infinity) special = magnitude >= F::infinity ? 0x7F800000u : 0u;
  if (F::greatest >= F::infinity) special = magnitude == F::nan ? 0x7FFFFFFFu : 0u;
  return sign | special | std::bit_cast<std::uint32_t>(value);
}
/// Of the same exponent: the bits are those of the f32.
template <>
constexpr std::uint32_t widen<BFloat16>(std::uint32_t bits) {
  return bits << 16;
}

}  // namespace triptych::emulator

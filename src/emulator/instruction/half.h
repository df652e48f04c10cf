/// \file
/// f16 and bf16 as bits: conversions to and from f32, and the operations that atomics share with
/// arithmetic.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "emulator/instruction/small_float.h"

namespace triptych::emulator {

/// Round to nearest even; NaN becomes 0x7FFF.
inline std::uint16_t f16_bits(float value) {
  return static_cast<std::uint16_t>(narrow<Float16, Rounding::nearest>(std::bit_cast<std::uint32_t>(value)));
}
inline std::uint16_t bf16_bits(float value) {
  return static_cast<std::uint16_t>(narrow<BFloat16, Rounding::nearest>(std::bit_cast<std::uint32_t>(value)));
}
inline float f16_value(std::uint16_t bits) { return std::bit_cast<float>(widen<Float16>(bits)); }
inline float bf16_value(std::uint16_t bits) { return std::bit_cast<float>(widen<BFloat16>(bits)); }

struct F16 {
  static float value(std::uint16_t bits) { return f16_value(bits); }
  static std::uint16_t bits(float value) { return f16_bits(value); }
};
struct Bf16 {
  static float value(std::uint16_t bits) { return bf16_value(bits); }
  static std::uint16_t bits(float value) { return bf16_bits(value); }
};

enum class HalfOp : std::uint8_t { add, min, max };

/// One operation, rounded once: the f32 sum of two halves has room for a single correct rounding (f16: the
/// exact sum has at most 40 bits, but a double rounding through 24 bits is innocuous since 24 ≥ 2·11 + 2;
/// bf16 likewise). A NaN loses against a number in min and max.
template <class Half, HalfOp op>
std::uint16_t half_op(std::uint16_t a, std::uint16_t b) {
  const float x = Half::value(a), y = Half::value(b);
  if constexpr (op == HalfOp::add) {
    return Half::bits(x + y);
  } else {
    if (std::isnan(x) && std::isnan(y)) return 0x7FFF;
    if (std::isnan(x)) return b;
    if (std::isnan(y)) return a;
    // -0 is below +0.
    const bool less = x < y || (x == y && std::signbit(x));
    return (op == HalfOp::min) == less ? a : b;
  }
}

}  // namespace triptych::emulator

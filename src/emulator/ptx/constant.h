/// \file
/// Arithmetic of constant expressions: 64-bit integers, signed or not, and f64.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>

#include "emulator/ptx/type.h"

namespace triptych::emulator {

struct Constant {
  Type type = Type::s64;  ///< s64, u64 or f64; f32 for a 0f…, which takes no part in arithmetic
  std::uint64_t bits = 0;

  static Constant integer(std::int64_t value) {
    return {Type::s64, static_cast<std::uint64_t>(value)};
  }
  static Constant real(double value) { return {Type::f64, std::bit_cast<std::uint64_t>(value)}; }
  bool is_real() const { return is_float(type); }
  /// The bits of this value in a variable of another type; nullopt if a variable of that type
  /// cannot be initialised with it.
  std::optional<std::uint64_t> bits_as(Type wanted) const;
};

/// Returns nullopt where the operator is not defined for the operands: ~1.0, 1 + 1.0, 1 / 0.
std::optional<Constant> unary(char op, Constant a);
std::optional<Constant> binary(std::uint16_t op, Constant a, Constant b);
/// 0 if it is no binary operator; the higher the tighter it binds.
int precedence(std::uint16_t op);

}  // namespace triptych::emulator

/// \file
/// PTX's fundamental types and state spaces.
#pragma once

#include <cstdint>
#include <string_view>

namespace triptych::emulator {

/// A type of a register, a variable or an instruction. Packed types (f16x2, …) are named by what an
/// instruction does with the bits; registers hold them as b32 or b16.
enum class Type : std::uint8_t {
  none, pred,
  b1, b8, b16, b32, b64, b128,
  u4, u8, u16, u32, u64,
  s4, s8, s16, s32, s64,
  u16x2, s16x2,
  f16, f16x2, bf16, bf16x2, tf32, f32, f32x2, f64,
  e4m3, e5m2, e4m3x2, e5m2x2,
};

/// The type that a modifier names ("u32" or "pred"); Type::none if it names none.
Type parse_type(std::string_view name);
/// "u32"
std::string_view name_of(Type type);
/// Bits of one value; 1 for a predicate.
int bits_of(Type type);
inline int bytes_of(Type type) { return (bits_of(type) + 7) / 8; }

bool is_signed(Type type);         ///< s4 … s64, s16x2
bool is_integer(Type type);        ///< u…, s…
bool is_float(Type type);          ///< f…, bf…, tf32, e…
bool is_untyped(Type type);        ///< b…

/// State spaces. `generic` is an address of any of the others.
enum class Space : std::uint8_t { generic, reg, constant, global, local, param, shared };

std::string_view name_of(Space space);

}  // namespace triptych::emulator

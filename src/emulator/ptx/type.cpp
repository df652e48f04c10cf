#include "emulator/ptx/type.h"

#include <array>
#include <cstddef>

namespace triptych::emulator {
namespace {

enum class Family : std::uint8_t { none, untyped, unsigned_integer, signed_integer, floating };

struct TypeRow {
  std::string_view name;
  int bits;
  Family family;
};

// In the order of the enumeration.
constexpr TypeRow types[] = {
    {"", 0, Family::none},
    {"pred", 1, Family::none},
    {"b1", 1, Family::untyped},
    {"b8", 8, Family::untyped},
    {"b16", 16, Family::untyped},
    {"b32", 32, Family::untyped},
    {"b64", 64, Family::untyped},
    {"b128", 128, Family::untyped},
    {"u4", 4, Family::unsigned_integer},
    {"u8", 8, Family::unsigned_integer},
    {"u16", 16, Family::unsigned_integer},
    {"u32", 32, Family::unsigned_integer},
    {"u64", 64, Family::unsigned_integer},
    {"s4", 4, Family::signed_integer},
    {"s8", 8, Family::signed_integer},
    {"s16", 16, Family::signed_integer},
    {"s32", 32, Family::signed_integer},
    {"s64", 64, Family::signed_integer},
    {"u16x2", 32, Family::unsigned_integer},
    {"s16x2", 32, Family::signed_integer},
    {"f16", 16, Family::floating},
    {"f16x2", 32, Family::floating},
    {"bf16", 16, Family::floating},
    {"bf16x2", 32, Family::floating},
    {"tf32", 32, Family::floating},
    {"f32", 32, Family::floating},
    {"f32x2", 64, Family::floating},
    {"f64", 64, Family::floating},
    {"e4m3", 8, Family::floating},
    {"e5m2", 8, Family::floating},
    {"e4m3x2", 16, Family::floating},
    {"e5m2x2", 16, Family::floating},
};
static_assert(std::size(types) == static_cast<std::size_t>(Type::e5m2x2) + 1);

const TypeRow& row(Type type) { return types[static_cast<std::size_t>(type)]; }

}  // namespace

Type parse_type(std::string_view name) {
  for (std::size_t i = 1; i < std::size(types); ++i) {
    if (types[i].name == name) return static_cast<Type>(i);
  }
  return Type::none;
}

std::string_view name_of(Type type) { return row(type).name; }
int bits_of(Type type) { return row(type).bits; }
bool is_signed(Type type) { return row(type).family == Family::signed_integer; }
bool is_integer(Type type) {
  return is_signed(type) || row(type).family == Family::unsigned_integer;
}
bool is_float(Type type) { return row(type).family == Family::floating; }
bool is_untyped(Type type) { return row(type).family == Family::untyped; }

std::string_view name_of(Space space) {
  constexpr std::string_view names[] = {"generic", "reg",   "const", "global",
                                        "local",   "param", "shared"};
  return names[static_cast<std::size_t>(space)];
}

}  // namespace triptych::emulator

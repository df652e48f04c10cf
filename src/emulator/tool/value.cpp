#include "emulator/tool/value.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>

#include "emulator/instruction/small_float.h"
#include "emulator/tool/error.h"

namespace triptych::emulator {
namespace {

std::uint64_t load(Type type, const std::uint8_t* from) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, from, static_cast<std::size_t>(bytes_of(type)));
  return bits;
}

void store(Type type, std::uint64_t bits, std::uint8_t* to) {
  std::memcpy(to, &bits, static_cast<std::size_t>(bytes_of(type)));
}

/// Magnitude and sign of a whole number.
struct Whole {
  std::uint64_t magnitude = 0;
  bool negative = false;
};

std::optional<Whole> parse_whole(std::string_view text) {
  Whole whole;
  if (text.starts_with('-')) {
    whole.negative = true;
    text.remove_prefix(1);
  }
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  }
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), whole.magnitude, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return whole;
}

std::uint64_t parse_integer(Type type, std::string_view text, std::string_view where) {
  const std::optional<Whole> whole = parse_whole(text);
  if (!whole)
    throw usage(fmt::format("{}: '{}' is no {}; give a whole number, such as 5, -5 or 0x1f", where,
                            text, name_of(type)));
  const int bits = bits_of(type);
  // Untyped bits take both readings.
  const std::uint64_t most =
      is_signed(type) ? (std::uint64_t{1} << (bits - 1)) - 1 : ~std::uint64_t{0} >> (64 - bits);
  const std::uint64_t least =
      is_signed(type) || is_untyped(type) ? std::uint64_t{1} << (bits - 1) : 0;
  if (whole->magnitude > (whole->negative ? least : most)) {
    throw usage(fmt::format("{}: {} does not fit in a {}; it holds {}{} to {}", where, text,
                            name_of(type), least != 0 ? "-" : "", least, most));
  }
  return whole->negative ? 0 - whole->magnitude : whole->magnitude;
}

double parse_float(Type type, std::string_view text, std::string_view where) {
  const std::string copy(text);
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  if (copy.empty() || *end != 0) {
    throw usage(fmt::format("{}: '{}' is no {}; give a number, such as 1.5, 1e-3, nan or inf",
                            where, text, name_of(type)));
  }
  return value;
}

}  // namespace

Type value_type(std::string_view name, std::string_view where) {
  const Type type = parse_type(name);
  switch (type) {
    case Type::b8:
    case Type::b16:
    case Type::b32:
    case Type::b64:
    case Type::u8:
    case Type::u16:
    case Type::u32:
    case Type::u64:
    case Type::s8:
    case Type::s16:
    case Type::s32:
    case Type::s64:
    case Type::f16:
    case Type::bf16:
    case Type::f32:
    case Type::f64:
    case Type::e4m3:
    case Type::e5m2:
      return type;
    default:
      throw usage(
          fmt::format("{}: '{}' is no type of a value; take u8 … u64, s8 … s64, b8 … b64, f16, "
                      "bf16, f32, f64, e4m3 or e5m2",
                      where, name));
  }
}

void parse_value(Type type, std::string_view text, std::string_view where, std::uint8_t* to) {
  if (is_float(type)) return write_number(type, parse_float(type, text, where), to);
  store(type, parse_integer(type, text, where), to);
}

void write_number(Type type, double value, std::uint8_t* to) {
  const std::uint32_t single = std::bit_cast<std::uint32_t>(static_cast<float>(value));
  const std::uint32_t sign = single >> 31;
  switch (type) {
    case Type::f64:
      return store(type, std::bit_cast<std::uint64_t>(value), to);
    case Type::f32:
      return store(type, single, to);
    case Type::f16:
      return store(type,
                   std::isnan(value) ? Float16::nan | sign << 15
                                     : narrow<Float16, Rounding::nearest>(single),
                   to);
    case Type::bf16:
      return store(type,
                   std::isnan(value) ? BFloat16::nan | sign << 15
                                     : narrow<BFloat16, Rounding::nearest>(single),
                   to);
    case Type::e4m3:
      return store(type, narrow<E4M3, Rounding::nearest, true>(single), to);
    case Type::e5m2:
      return store(type, narrow<E5M2, Rounding::nearest, true>(single), to);
    default:
      break;
  }
  const double rounded = std::nearbyint(value);
  store(type,
        rounded < 0 ? static_cast<std::uint64_t>(static_cast<std::int64_t>(rounded))
                    : static_cast<std::uint64_t>(rounded),
        to);
}

double read_number(Type type, const std::uint8_t* from) {
  const std::uint64_t bits = load(type, from);
  const auto low = static_cast<std::uint32_t>(bits);
  const auto single = [](std::uint32_t widened) {
    return static_cast<double>(std::bit_cast<float>(widened));
  };
  switch (type) {
    case Type::f64:
      return std::bit_cast<double>(bits);
    case Type::f32:
      return single(low);
    case Type::f16:
      return single(widen<Float16>(low));
    case Type::bf16:
      return single(widen<BFloat16>(low));
    case Type::e4m3:
      return single(widen<E4M3>(low));
    case Type::e5m2:
      return single(widen<E5M2>(low));
    default:
      break;
  }
  if (!is_signed(type)) return static_cast<double>(bits);
  const int unused = 64 - bits_of(type);
  return static_cast<double>(static_cast<std::int64_t>(bits << unused) >> unused);
}

std::string show_value(Type type, const std::uint8_t* from) {
  const std::uint64_t bits = load(type, from);
  if (type == Type::f64) return fmt::format("{}", std::bit_cast<double>(bits));
  if (is_float(type)) return fmt::format("{}", static_cast<float>(read_number(type, from)));
  if (is_untyped(type)) return fmt::format("0x{:0{}x}", bits, bits_of(type) / 4);
  if (!is_signed(type)) return fmt::format("{}", bits);
  const int unused = 64 - bits_of(type);
  return fmt::format("{}", static_cast<std::int64_t>(bits << unused) >> unused);
}

std::uint64_t parse_count(std::string_view text, std::string_view where, std::uint64_t most) {
  const std::optional<Whole> whole = parse_whole(text);
  if (!whole || whole->negative || whole->magnitude > most) {
    throw usage(fmt::format("{} is '{}'; wanted a whole number from 0 to {}", where, text, most));
  }
  return whole->magnitude;
}

}  // namespace triptych::emulator

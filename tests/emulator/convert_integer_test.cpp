// cvt to integers, from integers and from floats, and cvt.pack.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "tests/emulator/exact.h"
#include "tests/emulator/lanewise.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("convert_integer");

using U64 = std::uint64_t;
using S64 = std::int64_t;
__extension__ typedef __int128 Wide;

const std::vector<std::string> integers = {"u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64"};

Wide number(U64 bits, Type type) {
  const int unused = 64 - bits_of(type);
  return is_signed(type) ? Wide{static_cast<S64>(bits << unused) >> unused} : Wide{bits << unused >> unused};
}
Wide least(Type type) { return is_signed(type) ? -(Wide{1} << (bits_of(type) - 1)) : 0; }
Wide greatest(Type type) { return least(type) + ((Wide{1} << bits_of(type)) - 1); }
Wide clamp(Wide value, Type type) { return std::clamp(value, least(type), greatest(type)); }
/// The bits of a register after a value of a type was written to it: its sign goes on above.
U64 extended(Wide value, Type type) { return static_cast<U64>(number(static_cast<U64>(value), type)); }

/// Registers that may hold a type: its own width and wider ones.
std::vector<std::string> registers_for(Type type) {
  std::vector<std::string> names;
  for (const int bits : {8, 16, 32, 64}) {
    if (bits >= bits_of(type)) names.push_back(fmt::format("b{}", bits));
  }
  return names;
}

TEST(ConvertInteger, Integers) {
  for (const std::string& d : integers) {
    for (const std::string& s : integers) {
      const Type to = parse_type(d), from = parse_type(s);
      const bool exceeds = least(from) < least(to) || greatest(from) > greatest(to);
      for (const bool sat : {false, true}) {
        const std::string opcode = fmt::format("cvt{}.{}.{}", sat ? ".sat" : "", d, s);
        if (sat && !exceeds) {
          EXPECT_NE(error_of(fmt::format(".entry k() {{ .reg .b64 a; {} a, a; ret; }}", opcode)), "") << opcode;
          continue;
        }
        for (const std::string& source : registers_for(from)) {
          for (const std::string& destination : registers_for(to)) {
            expect_lanes(opcode + " d0, s0;", {{destination}, {source}}, operands({parse_type(source)}), [&](const U64* row) {
              const Wide value = number(row[0], from);
              return extended(sat ? clamp(value, to) : value, to);
            });
          }
        }
      }
    }
  }
}

/// A float's value, and whether it is one.
long double value_of(const Format& f, U64 x) {
  const long double magnitude = std::ldexp(static_cast<long double>(f.significand(x)), f.exponent(x));
  return f.is_negative(x) ? -magnitude : magnitude;
}
long double whole(long double value, const std::string& mode) {
  if (mode == "rzi") return std::trunc(value);
  if (mode == "rmi") return std::floor(value);
  return mode == "rpi" ? std::ceil(value) : std::nearbyint(value);
}

TEST(ConvertInteger, Floats) {
  for (const std::string s : {"f16", "bf16", "f32", "f64"}) {
    const Type from = parse_type(s);
    const Format f = format_of(from);
    const std::string source = from == Type::f32 || from == Type::f64 ? s : "b16";
    for (const std::string& d : integers) {
      const Type to = parse_type(d);
      if (s == "bf16" && bits_of(to) == 8) continue;
      for (const std::string mode : {"rni", "rzi", "rmi", "rpi"}) {
        for (const std::string modifiers : {"", ".sat", ".ftz", ".ftz.sat"}) {
          const bool ftz = modifiers.starts_with(".ftz");
          if ((ftz && s != "f32") || (s == "bf16" && !modifiers.empty())) continue;
          const std::string destination = registers_for(to)[modifiers.size() % 2];
          expect_lanes(fmt::format("cvt.{}{}.{}.{} d0, s0;", mode, modifiers, d, s), {{destination}, {source}}, operands({from}, 2000), [&](const U64* row) {
            const U64 x = ftz ? f.flushed(row[0]) : row[0];
            if (f.is_nan(x)) {
              // Zero, but where 64 bits are involved the top bit alone.
              const bool wide = from == Type::f64 || bits_of(to) == 64;
              return extended(wide ? Wide{1} << (bits_of(to) - 1) : 0, to);
            }
            if (f.is_infinite(x)) return extended(f.is_negative(x) ? least(to) : greatest(to), to);
            const long double rounded = whole(value_of(f, x), mode);
            if (rounded > static_cast<long double>(greatest(to))) return extended(greatest(to), to);
            if (rounded < static_cast<long double>(least(to))) return extended(least(to), to);
            return extended(static_cast<Wide>(rounded), to);
          });
        }
      }
    }
  }
}

TEST(ConvertInteger, Pack) {
  const auto columns = operands({Type::s32, Type::s32, Type::b32});
  for (const std::string t : {"u16", "s16", "u8", "s8", "u4", "s4", "u2", "s2"}) {
    const int bits = std::stoi(t.substr(1));
    const Wide low = t[0] == 's' ? -(Wide{1} << (bits - 1)) : 0, high = low + (Wide{1} << bits) - 1;
    const auto part = [&](U64 value) { return static_cast<U64>(std::clamp(number(value, Type::s32), low, high)) & ((U64{1} << bits) - 1); };
    const std::string text = bits == 16 ? "cvt.pack.sat." + t + ".s32 d0, s0, s1;" : "cvt.pack.sat." + t + ".s32.b32 d0, s0, s1, s2;";
    expect_lanes(text, {{"b32"}, {"s32", "s32", "b32"}}, columns, [&](const U64* s) {
      return part(s[0]) << bits | part(s[1]) | (bits == 16 ? 0 : s[2] << 2 * bits);
    });
  }
}

}  // namespace
}  // namespace triptych::emulator::test

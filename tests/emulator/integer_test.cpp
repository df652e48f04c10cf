// Integer arithmetic against host arithmetic in wider types.
#include <algorithm>
#include <cstdint>
#include <limits>

#include "tests/emulator/lanewise.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("integer");

using U64 = std::uint64_t;
using S64 = std::int64_t;
__extension__ typedef __int128 Wide;

const std::vector<std::string> all_types = {"u16", "u32", "u64", "s16", "s32", "s64"};

/// The number that bits of a type stand for.
Wide number(U64 bits, Type type) {
  const int unused = 64 - bits_of(type);
  bits <<= unused;
  return is_signed(type) ? Wide{static_cast<S64>(bits) >> unused} : Wide{bits >> unused};
}
Wide saturated(Wide value) { return std::clamp<Wide>(value, std::numeric_limits<int>::min(), std::numeric_limits<int>::max()); }

/// Checks an instruction with n sources of type `type` and a result of type `result`.
template <class F>
void check(const std::string& opcode, const std::string& type, int n, F expected, const std::string& result = "") {
  const Type t = parse_type(type);
  std::string text = opcode + " d0";
  Registers registers{{result.empty() ? type : result}, {}};
  for (int i = 0; i < n; ++i) {
    text += fmt::format(", s{}", i);
    registers.s.push_back(type);
  }
  expect_lanes(text + ";", registers, operands(std::vector<Type>(static_cast<std::size_t>(n), t)), [&](const U64* s) {
    if constexpr (std::is_invocable_v<F, Wide>) {
      return static_cast<U64>(expected(number(s[0], t)));
    } else if constexpr (std::is_invocable_v<F, Wide, Wide>) {
      return static_cast<U64>(expected(number(s[0], t), number(s[1], t)));
    } else {
      return static_cast<U64>(expected(number(s[0], t), number(s[1], t), number(s[2], t)));
    }
  });
}

/// The product's upper half. 64 unsigned bits by as many need the sign bit of Wide.
Wide high(Wide a, Wide b, Type type) {
  __extension__ typedef unsigned __int128 UnsignedWide;
  if (type == Type::u64) return static_cast<Wide>(static_cast<UnsignedWide>(a) * static_cast<UnsignedWide>(b) >> 64);
  return a * b >> bits_of(type);
}
Wide low_product(Wide a, Wide b) { return static_cast<Wide>(static_cast<U64>(a) * static_cast<U64>(b)); }

TEST(Integer, SumsAndDifferences) {
  for (const std::string& t : all_types) {
    check("add." + t, t, 2, [](Wide a, Wide b) { return a + b; });
    check("sub." + t, t, 2, [](Wide a, Wide b) { return a - b; });
    check("sad." + t, t, 3, [](Wide a, Wide b, Wide c) { return c + (a < b ? b - a : a - b); });
  }
  check("add.sat.s32", "s32", 2, [](Wide a, Wide b) { return saturated(a + b); });
  check("sub.sat.s32", "s32", 2, [](Wide a, Wide b) { return saturated(a - b); });
}

TEST(Integer, Products) {
  for (const std::string& t : all_types) {
    const Type type = parse_type(t);
    check("mul.lo." + t, t, 2, low_product);
    check("mul.hi." + t, t, 2, [&](Wide a, Wide b) { return high(a, b, type); });
    check("mad.lo." + t, t, 3, [](Wide a, Wide b, Wide c) { return low_product(a, b) + c; });
    check("mad.hi." + t, t, 3, [&](Wide a, Wide b, Wide c) { return high(a, b, type) + c; });
  }
  check("mad.hi.sat.s32", "s32", 3, [](Wide a, Wide b, Wide c) { return saturated((a * b >> 32) + c); });
  for (const auto& [t, wide] : {std::pair{"u16", "u32"}, {"s16", "s32"}, {"u32", "u64"}, {"s32", "s64"}}) {
    const Type type = parse_type(t), result = parse_type(wide);
    check(std::string("mul.wide.") + t, t, 2, [](Wide a, Wide b) { return a * b; }, wide);
    expect_lanes(fmt::format("mad.wide.{} d0, s0, s1, s2;", t), {{wide}, {t, t, wide}}, operands({type, type, result}),
                 [&](const U64* s) { return static_cast<U64>(number(s[0], type) * number(s[1], type)) + s[2]; });
  }
}

TEST(Integer, ProductsOf24Bits) {
  for (const std::string t : {"u32", "s32"}) {
    const auto part = [&](Wide a) {
      const U64 bits = static_cast<U64>(a) & 0xFFFFFF;
      return Wide{t == "s32" && bits >> 23 != 0 ? static_cast<S64>(bits) - (1 << 24) : static_cast<S64>(bits)};
    };
    check("mul24.lo." + t, t, 2, [&](Wide a, Wide b) { return part(a) * part(b); });
    check("mul24.hi." + t, t, 2, [&](Wide a, Wide b) { return part(a) * part(b) >> 16; });
    check("mad24.lo." + t, t, 3, [&](Wide a, Wide b, Wide c) { return part(a) * part(b) + c; });
    check("mad24.hi." + t, t, 3, [&](Wide a, Wide b, Wide c) { return (part(a) * part(b) >> 16) + c; });
    if (t == "s32") {
      check("mad24.hi.sat.s32", t, 3, [&](Wide a, Wide b, Wide c) {
        return saturated(static_cast<int>(static_cast<unsigned>(part(a) * part(b) >> 16)) + c);
      });
    }
  }
}

TEST(Integer, QuotientsByZeroAreAllOnes) {
  for (const std::string& t : all_types) {
    check("div." + t, t, 2, [](Wide a, Wide b) { return b == 0 ? Wide{-1} : a / b; });
    check("rem." + t, t, 2, [](Wide a, Wide b) { return b == 0 ? Wide{-1} : a % b; });
  }
}

TEST(Integer, SignsAndExtremes) {
  for (const std::string& t : all_types) {
    check("min." + t, t, 2, [](Wide a, Wide b) { return std::min(a, b); });
    check("max." + t, t, 2, [](Wide a, Wide b) { return std::max(a, b); });
    if (t[0] == 'u') continue;
    check("abs." + t, t, 1, [](Wide a) { return a < 0 ? -a : a; });
    check("neg." + t, t, 1, [](Wide a) { return -a; });
  }
  check("min.relu.s32", "s32", 2, [](Wide a, Wide b) { return std::max(Wide{0}, std::min(a, b)); });
  check("max.relu.s32", "s32", 2, [](Wide a, Wide b) { return std::max(Wide{0}, std::max(a, b)); });
}

/// Both halves of two registers, each as a number.
template <class F>
void check_halves(const std::string& opcode, bool with_sign, F expected) {
  const Type half = with_sign ? Type::s16 : Type::u16;
  expect_lanes(opcode + " d0, s0, s1;", {{"b32"}, {"b32", "b32"}}, operands({Type::u32, Type::u32}), [&](const U64* s) {
    U64 result = 0;
    for (const int shift : {0, 16}) {
      const Wide value = expected(number(s[0] >> shift, half), number(s[1] >> shift, half));
      result |= (static_cast<U64>(value) & 0xFFFF) << shift;
    }
    return result;
  });
}

TEST(Integer, Halves) {
  for (const bool with_sign : {false, true}) {
    const std::string t = with_sign ? "s16x2" : "u16x2";
    check_halves("add." + t, with_sign, [](Wide a, Wide b) { return a + b; });
    check_halves("min." + t, with_sign, [](Wide a, Wide b) { return std::min(a, b); });
    check_halves("max." + t, with_sign, [](Wide a, Wide b) { return std::max(a, b); });
  }
  check_halves("min.relu.s16x2", true, [](Wide a, Wide b) { return std::max(Wide{0}, std::min(a, b)); });
  check_halves("max.s16x2.relu", true, [](Wide a, Wide b) { return std::max(Wide{0}, std::max(a, b)); });
}

TEST(Integer, DotProducts) {
  for (const std::string a : {"u32", "s32"}) {
    for (const std::string b : {"u32", "s32"}) {
      const auto byte = [&](U64 bits, int k) { return number(bits >> 8 * k & 0xFF, b == "s32" ? Type::s8 : Type::u8); };
      const Registers registers{{"b32"}, {"b32", "b32", "b32"}};
      const auto columns = operands({Type::u32, Type::u32, Type::u32});
      expect_lanes(fmt::format("dp4a.{}.{} d0, s0, s1, s2;", a, b), registers, columns, [&](const U64* s) {
        Wide sum = s[2];
        for (int k = 0; k < 4; ++k) sum += number(s[0] >> 8 * k & 0xFF, a == "s32" ? Type::s8 : Type::u8) * byte(s[1], k);
        return static_cast<U64>(sum);
      });
      for (const int first : {0, 2}) {
        const char* part = first == 0 ? "lo" : "hi";
        expect_lanes(fmt::format("dp2a.{}.{}.{} d0, s0, s1, s2;", part, a, b), registers, columns, [&](const U64* s) {
          Wide sum = s[2];
          for (int k = 0; k < 2; ++k) {
            sum += number(s[0] >> 16 * k & 0xFFFF, a == "s32" ? Type::s16 : Type::u16) * byte(s[1], first + k);
          }
          return static_cast<U64>(sum);
        });
      }
    }
  }
}

}  // namespace
}  // namespace triptych::emulator::test

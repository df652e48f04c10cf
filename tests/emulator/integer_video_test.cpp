// Video instructions: every operation, type, end and random selectors, against the ISA's formulas.
#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>

#include "tests/emulator/lanewise.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("integer_video");

using U64 = std::uint64_t;
__extension__ typedef __int128 Wide;

constexpr std::size_t most_rows = 48;
const std::vector<std::string> signs = {"u32", "s32"};

std::mt19937_64 random_choice(11);
std::size_t choose(std::size_t n) { return random_choice() % n; }

/// Bits [shift, shift + bits) of a register as a number.
Wide part(U64 value, unsigned shift, unsigned bits, bool is_signed) {
  const Wide number = static_cast<Wide>(value >> shift & ((U64{1} << bits) - 1));
  return is_signed && (number >> (bits - 1) & 1) != 0 ? number - (Wide{1} << bits) : number;
}
Wide clamp(Wide value, unsigned bits, bool is_signed) {
  const Wide low = is_signed ? -(Wide{1} << (bits - 1)) : 0;
  return std::clamp<Wide>(value, low, low + ((Wide{1} << bits) - 1));
}

/// A selector of a scalar instruction; "" is the whole register.
struct Part {
  std::string name;
  unsigned shift, bits;
};
const std::array<Part, 7> parts = {{{"", 0, 32}, {".b0", 0, 8}, {".b1", 8, 8}, {".b2", 16, 8}, {".b3", 24, 8}, {".h0", 0, 16}, {".h1", 16, 16}}};

using Operation = std::function<Wide(Wide, Wide)>;

/// One scalar opcode without and with its second operations, and with a merge.
void check_scalar(const std::string& root, const std::string& types, bool d_signed, bool a_signed, bool b_signed,
                  const std::string& modifiers, bool saturate, const Operation& operation) {
  for (const std::string second : {"", "merge", "add", "min", "max"}) {
    const Part d = second == "merge" ? parts[choose(7)] : parts[0], a = parts[choose(7)], b = parts[choose(7)];
    const bool ends = second != "" && second != "merge";
    const std::string text = fmt::format("{}{}{}{}{} d0{}, s0{}, s1{}{};", root, types, saturate ? ".sat" : "", modifiers,
                                         ends ? "." + second : "", d.name, a.name, b.name, second.empty() ? "" : ", s2");
    expect_lanes(text, {{"b32"}, {"b32", "b32", "b32"}}, operands({Type::u32, Type::u32, Type::u32}, most_rows), [&](const U64* s) {
      Wide value = operation(part(s[0], a.shift, a.bits, a_signed), part(s[1], b.shift, b.bits, b_signed));
      if (saturate) value = clamp(value, d.bits, d_signed);
      const Wide own = part(static_cast<U64>(value), 0, 32, d_signed), c = part(s[2], 0, 32, d_signed);
      if (second == "add") return static_cast<U64>(own + c);
      if (second == "min") return static_cast<U64>(std::min(own, c));
      if (second == "max") return static_cast<U64>(std::max(own, c));
      const U64 mask = ((U64{1} << d.bits) - 1) << d.shift;
      return (static_cast<U64>(value) << d.shift & mask) | (second.empty() ? 0 : s[2] & ~mask);
    });
  }
}

const std::vector<std::pair<std::string, Operation>> arithmetic = {
    {"vadd", [](Wide a, Wide b) { return a + b; }},
    {"vsub", [](Wide a, Wide b) { return a - b; }},
    {"vabsdiff", [](Wide a, Wide b) { return a < b ? b - a : a - b; }},
    {"vmin", [](Wide a, Wide b) { return std::min(a, b); }},
    {"vmax", [](Wide a, Wide b) { return std::max(a, b); }},
};
const std::vector<std::pair<std::string, Operation>> comparisons = {
    {"eq", [](Wide a, Wide b) { return Wide{a == b}; }}, {"ne", [](Wide a, Wide b) { return Wide{a != b}; }},
    {"lt", [](Wide a, Wide b) { return Wide{a < b}; }},  {"le", [](Wide a, Wide b) { return Wide{a <= b}; }},
    {"gt", [](Wide a, Wide b) { return Wide{a > b}; }},  {"ge", [](Wide a, Wide b) { return Wide{a >= b}; }},
};

/// Calls f(d, a, b) for all combinations of types.
template <class F>
void for_types(F f) {
  for (const std::string& d : signs) {
    for (const std::string& a : signs) {
      for (const std::string& b : signs) f(d, a, b);
    }
  }
}

TEST(IntegerVideo, Arithmetic) {
  for (const auto& [root, operation] : arithmetic) {
    for_types([&, &root = root, &operation = operation](const std::string& d, const std::string& a, const std::string& b) {
      for (const bool saturate : {false, true}) {
        check_scalar(root, "." + d + "." + a + "." + b, d == "s32", a == "s32", b == "s32", "", saturate, operation);
      }
    });
  }
}

TEST(IntegerVideo, Shifts) {
  for (const bool wrap : {false, true}) {
    const auto count = [&](Wide b) { return static_cast<int>(wrap ? b & 31 : std::min<Wide>(b, 32)); };
    for_types([&](const std::string& d, const std::string& a, const std::string& b) {
      if (b != "u32") return;
      for (const bool saturate : {false, true}) {
        const std::string types = "." + d + "." + a + ".u32", mode = wrap ? ".wrap" : ".clamp";
        check_scalar("vshl", types, d == "s32", a == "s32", false, mode, saturate, [&](Wide x, Wide n) { return x * (Wide{1} << count(n)); });
        check_scalar("vshr", types, d == "s32", a == "s32", false, mode, saturate, [&](Wide x, Wide n) { return x >> count(n); });
      }
    });
  }
}

TEST(IntegerVideo, Comparisons) {
  for (const auto& [name, operation] : comparisons) {
    for (const std::string& a : signs) {
      for (const std::string& b : signs) check_scalar("vset", "." + a + "." + b + "." + name, false, a == "s32", b == "s32", "", false, operation);
    }
  }
}

TEST(IntegerVideo, MultiplyAndAdd) {
  const std::vector<std::array<std::string, 3>> negations = {{"", "", ""}, {"-", "", ""}, {"", "-", ""}, {"-", "-", ""}, {"", "", "-"}, {"-", "-", "-"}, {"po", "", ""}};
  for (const auto& signs_of : negations) {
    const std::string &na = signs_of[0], &nb = signs_of[1], &nc = signs_of[2];
    for_types([&](const std::string& d, const std::string& a, const std::string& b) {
      for (const bool saturate : {false, true}) {
        const bool one = na == "po", minus = !one && na != nb;
        const unsigned shift = std::array<unsigned, 3>{0, 7, 15}[choose(3)];
        const Part x = parts[choose(7)], y = parts[choose(7)];
        const std::string text = fmt::format("vmad.{}.{}.{}{}{}{} d0, {}s0{}, {}s1{}, {}s2;", d, a, b, one ? ".po" : "", saturate ? ".sat" : "",
                                             shift == 0 ? "" : fmt::format(".shr{}", shift), one ? "" : na, x.name, nb, y.name, nc);
        expect_lanes(text, {{"b32"}, {"b32", "b32", "b32"}}, operands({Type::u32, Type::u32, Type::u32}, most_rows), [&](const U64* s) {
          const Wide product = part(s[0], x.shift, x.bits, a == "s32") * part(s[1], y.shift, y.bits, b == "s32");
          const bool product_signed = a == "s32" || b == "s32" || minus, result_signed = product_signed || !nc.empty();
          const Wide c = part(s[2], 0, 32, product_signed);
          const Wide sum = ((minus ? -product : product) + (nc.empty() ? c : -c) + (one ? 1 : 0)) >> shift;
          return static_cast<U64>(saturate ? clamp(sum, 32, result_signed) : sum);
        });
      }
    });
  }
  EXPECT_NE(error_of(".entry k() { .reg .b32 a; vmad.u32.u32.u32 a, -a, a, -a; ret; }"), "");
  EXPECT_NE(error_of(".entry k() { .reg .b32 a; vmad.u32.u32.u32.po a, -a, a, a; ret; }"), "");
  EXPECT_NE(error_of(".entry k() { .reg .b32 a; vadd.u32.u32.u32 a, -a, a; ret; }"), "");
  EXPECT_NE(error_of(".entry k() { .reg .b32 a; vadd.u32.u32.u32 a, a.h2, a; ret; }"), "");
}

/// n digits below `limit`, the highest element first; "" stands for the elements from `first` on.
std::string elements(unsigned n, unsigned limit, unsigned first, std::array<unsigned, 4>& numbers) {
  for (unsigned k = 0; k < n; ++k) numbers[k] = first + k;
  if (choose(4) == 0) return "";
  std::string text = n == 2 ? ".h" : ".b";
  for (unsigned k = n; k-- > 0;) {
    numbers[k] = static_cast<unsigned>(choose(limit));
    text += static_cast<char>('0' + numbers[k]);
  }
  return text;
}

void check_simd(unsigned n, const std::string& opcode, bool d_signed, bool a_signed, bool b_signed, const std::string& end, const Operation& operation) {
  std::array<unsigned, 4> a{}, b{};
  const std::string select_a = elements(n, 2 * n, 0, a), select_b = elements(n, 2 * n, n, b);
  unsigned mask = (1u << n) - 1;
  std::string select_d;
  if (choose(3) != 0) {
    mask = 1 + static_cast<unsigned>(choose(mask));
    select_d = n == 2 ? ".h" : ".b";
    for (unsigned k = n; k-- > 0;) {
      if ((mask >> k & 1) != 0) select_d += static_cast<char>('0' + k);
    }
  }
  const unsigned bits = 32 / n;
  const std::string text = fmt::format("{}{} d0{}, s0{}, s1{}, s2;", opcode, end, select_d, select_a, select_b);
  expect_lanes(text, {{"b32"}, {"b32", "b32", "b32"}}, operands({Type::u32, Type::u32, Type::u32}, most_rows), [&](const U64* s) {
    const U64 both = s[1] << 32 | s[0];
    U64 sum = s[2], merged = s[2];
    for (unsigned k = 0; k < n; ++k) {
      if ((mask >> k & 1) == 0) continue;
      Wide value = operation(part(both, bits * a[k], bits, a_signed), part(both, bits * b[k], bits, b_signed));
      if (end == ".sat") value = clamp(value, bits, d_signed);
      sum += static_cast<U64>(value);
      const U64 ones = ((U64{1} << bits) - 1) << bits * k;
      merged = (merged & ~ones) | (static_cast<U64>(value) << bits * k & ones);
    }
    return end == ".add" ? sum : merged;
  });
}

TEST(IntegerVideo, Simd) {
  auto operations = arithmetic;
  operations.emplace_back("vavrg", [](Wide a, Wide b) { return a + b >= 0 ? (a + b + 1) >> 1 : (a + b) >> 1; });
  for (const unsigned n : {2u, 4u}) {
    for (const auto& [root, operation] : operations) {
      for_types([&, &root = root, &operation = operation](const std::string& d, const std::string& a, const std::string& b) {
        const std::string opcode = fmt::format("{}{}.{}.{}.{}", root, n, d, a, b);
        for (const std::string end : {"", ".sat", ".add"}) check_simd(n, opcode, d == "s32", a == "s32", b == "s32", end, operation);
      });
    }
    for (const auto& [name, operation] : comparisons) {
      for (const std::string& a : signs) {
        for (const std::string& b : signs) {
          const std::string opcode = fmt::format("vset{}.{}.{}.{}", n, a, b, name);
          for (const std::string end : {"", ".add"}) check_simd(n, opcode, false, a == "s32", b == "s32", end, operation);
        }
      }
    }
  }
  EXPECT_NE(error_of(".entry k() { .reg .b32 a; vadd2.u32.u32.u32.sat.add a, a, a, a; ret; }"), "");
  EXPECT_NE(error_of(".entry k() { .reg .b32 a; vadd4.u32.u32.u32 a.b02, a, a, a; ret; }"), "");
  EXPECT_NE(error_of(".entry k() { .reg .b32 a; vadd2.u32.u32.u32 a, a.h4, a, a; ret; }"), "");
}

}  // namespace
}  // namespace triptych::emulator::test

// cvt from and to pairs of narrow floats, and to tf32: each code against the nearest values of the format.
#include <cmath>
#include <cstdint>
#include <limits>

#include "tests/emulator/lanewise.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("convert_packed");

using U64 = std::uint64_t;

/// A narrow format by the values of all its non-negative codes, in order.
struct Table {
  std::vector<double> values;   ///< of the codes 0, 1, … as far as they are finite
  U64 sign, nan, infinity;      ///< infinity: 0 if there is none

  static Table of(int exponent_bits, int mantissa_bits, bool with_infinity) {
    const int bias = (1 << (exponent_bits - 1)) - 1, codes = 1 << (exponent_bits + mantissa_bits);
    Table t;
    t.sign = static_cast<U64>(codes);
    t.nan = t.sign - 1;
    t.infinity = with_infinity ? t.sign - (U64{1} << mantissa_bits) : 0;
    const int finite = with_infinity ? static_cast<int>(t.infinity) : codes - 1;
    for (int c = 0; c < finite; ++c) {
      const int e = c >> mantissa_bits, m = c & ((1 << mantissa_bits) - 1);
      t.values.push_back(std::ldexp(e == 0 ? m : m + (1 << mantissa_bits), std::max(e, 1) - bias - mantissa_bits));
    }
    return t;
  }
  double value(U64 code) const {
    const U64 magnitude = code & (sign - 1);
    const double v = magnitude < values.size() ? values[magnitude] : infinity != 0 && magnitude == infinity ? INFINITY : NAN;
    return (code & sign) != 0 ? -v : v;
  }
  /// The code of a value. Ties go to the even code, or away from zero.
  U64 code(double v, const std::string& mode, bool finite, bool relu) const {
    if (std::isnan(v)) return nan;
    if (relu && std::signbit(v)) return 0;
    const double a = std::fabs(v);
    // The greatest code whose value is not above.
    U64 low = static_cast<U64>(std::upper_bound(values.begin(), values.end(), a) - values.begin()) - 1;
    const double unit = values[values.size() - 1] - values[values.size() - 2];
    const double next = low + 1 < values.size() ? values[low + 1] : values.back() + unit;
    const double rest = a - values[low], gap = next - values[low];
    bool up = mode == "rna" ? rest >= gap / 2 : mode == "rn" && (rest > gap / 2 || (rest == gap / 2 && low % 2 != 0));
    if (std::isinf(a)) up = true;
    U64 result = low + (up ? 1 : 0);
    if (result >= values.size()) result = finite ? values.size() - 1 : infinity;
    return result | (std::signbit(v) ? sign : 0);
  }
};
const Table f16 = Table::of(5, 10, true), bf16 = Table::of(8, 7, true), tf32 = Table::of(8, 10, true), e4m3 = Table::of(4, 3, false),
            e5m2 = Table::of(5, 2, true);
const Table& table_of(const std::string& t) { return t == "f16x2" ? f16 : t == "bf16x2" ? bf16 : t == "e4m3x2" ? e4m3 : e5m2; }

double single(U64 bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits)); }

/// f32 values on and around all codes of a format and the middles between them, and the usual ones.
Values around(const Table& t) {
  Values column = special_values(Type::f32);
  std::mt19937_64 random(9);
  for (std::size_t c = 0; c + 1 < t.values.size(); c += 1 + t.values.size() / 1500) {
    for (const double v : {t.values[c], (t.values[c] + t.values[c + 1]) / 2}) {
      const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(v));
      const U64 sign = random() % 2 << 31;
      column.insert(column.end(), {bits | sign, (bits + 1) | sign, (bits == 0 ? 0 : bits - 1) | sign});
    }
  }
  for (const double v : {t.values.back() * 1.01, t.values.back() * 1.0357142857142858, t.values.back() * 1.1, t.values.back() * 4}) {
    column.push_back(std::bit_cast<std::uint32_t>(static_cast<float>(v)));
  }
  for (int r = 0; r < 500; ++r) column.push_back(random() & 0xFFFFFFFF);
  return column;
}
/// Another order of the same values.
Values shuffled(Values column) {
  std::shuffle(column.begin(), column.end(), std::mt19937_64(4));
  return column;
}

TEST(ConvertPacked, PairsOfSingles) {
  for (const std::string d : {"f16x2", "bf16x2", "e4m3x2", "e5m2x2"}) {
    const Table& t = table_of(d);
    const bool bytes = d[0] == 'e';
    const Values a = around(t), b = shuffled(a);
    for (const std::string mode : {"rn", "rz"}) {
      for (const std::string m : {"", ".relu", ".satfinite", ".relu.satfinite"}) {
        const bool finite = m.find("satfinite") != std::string::npos, relu = m.find("relu") != std::string::npos;
        if (bytes && (mode == "rz" || !finite)) continue;
        const std::string modifiers = bytes && relu ? ".satfinite.relu" : m;
        expect_lanes(fmt::format("cvt.{}{}.{}.f32 d0, s0, s1;", mode, modifiers, d), {{bytes ? "b16" : "b32"}, {"f32", "f32"}}, {a, b}, [&](const U64* s) {
          return t.code(single(s[0]), mode, finite, relu) << (bytes ? 8 : 16) | t.code(single(s[1]), mode, finite, relu);
        });
      }
    }
  }
}

TEST(ConvertPacked, HalvesToBytes) {
  Values pairs;
  for (U64 c = 0; c < 0x10000; ++c) pairs.push_back(c << 16 | (c * 0x9E3D & 0xFFFF));
  for (const std::string d : {"e4m3x2", "e5m2x2"}) {
    const Table& t = table_of(d);
    for (const bool relu : {false, true}) {
      expect_lanes(fmt::format("cvt.rn.satfinite{}.{}.f16x2 d0, s0;", relu ? ".relu" : "", d), {{"b16"}, {"b32"}}, {pairs}, [&](const U64* s) {
        return t.code(f16.value(s[0] >> 16), "rn", true, relu) << 8 | t.code(f16.value(s[0] & 0xFFFF), "rn", true, relu);
      });
    }
  }
}

TEST(ConvertPacked, BytesToHalves) {
  Values pairs;
  for (U64 c = 0; c < 0x10000; ++c) pairs.push_back(c);
  for (const std::string s : {"e4m3x2", "e5m2x2"}) {
    const Table& t = table_of(s);
    for (const bool relu : {false, true}) {
      expect_lanes(fmt::format("cvt.rn{}.f16x2.{} d0, s0;", relu ? ".relu" : "", s), {{"b32"}, {"b16"}}, {pairs}, [&](const U64* row) {
        return f16.code(t.value(row[0] >> 8), "rn", false, relu) << 16 | f16.code(t.value(row[0] & 0xFF), "rn", false, relu);
      });
    }
  }
}

TEST(ConvertPacked, TensorFloats) {
  const Values column = around(tf32);
  constexpr int unused = 13;
  for (const std::string mode : {"rn", "rz"}) {
    for (const bool relu : {false, true}) {
      expect_lanes(fmt::format("cvt.{}{}.tf32.f32 d0, s0;", mode, relu ? ".relu" : ""), {{"b32"}, {"f32"}}, {column},
                   [&](const U64* s) { return tf32.code(single(s[0]), mode, false, relu) << unused; });
    }
  }
  for (const bool finite : {false, true}) {
    expect_lanes(fmt::format("cvt.rna{}.tf32.f32 d0, s0;", finite ? ".satfinite" : ""), {{"b32"}, {"f32"}}, {column}, [&](const U64* s) {
      if (!std::isnan(single(s[0]))) return tf32.code(single(s[0]), "rna", finite, false) << unused;
      // A NaN only loses its lower bits; with none left it is an infinity.
      const U64 cut = s[0] >> unused << unused;
      return finite ? cut - (U64{1} << unused) : cut;
    });
  }
}

TEST(ConvertPacked, Example) {
  // The upper byte is that of the first source.
  expect_lanes("cvt.rn.satfinite.e4m3x2.f32 d0, 0f3ED00000, 0f414E6666;", {{"b16"}, {}}, {}, [](const U64*) { return U64{0x2D55}; });
}

}  // namespace
}  // namespace triptych::emulator::test

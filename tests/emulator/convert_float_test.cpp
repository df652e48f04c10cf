// cvt to single floats: exact values rounded once in each mode, with their limits and NaNs.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "tests/emulator/exact.h"
#include "tests/emulator/lanewise.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("convert_float");

using U64 = std::uint64_t;
using S64 = std::int64_t;

const std::vector<std::string> integers = {"u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64"};
const std::vector<std::string> modes = {"rn", "rz", "rm", "rp"}, whole_modes = {"rni", "rzi", "rmi", "rpi"};

bool small(const std::string& t) { return t == "f16" || t == "bf16"; }
std::string register_of(const std::string& t) { return small(t) ? "b16" : parse_type(t) == Type::u8 || parse_type(t) == Type::s8 ? "b16" : t; }
std::string dotted(const std::string& word) { return word.empty() ? "" : "." + word; }

/// The NaN that small floats get, and that the check makes of any NaN in f32 and f64.
U64 nan_of(const std::string& t) { return small(t) || t == "f32" ? (U64{1} << (bits_of(parse_type(t)) - 1)) - 1 : 0x7FFFFFFFFFFFFFFF; }

/// Bits of a result in its limits: .sat, .relu, .satfinite.
U64 limited(U64 bits, const std::string& d, const std::string& modifiers) {
  const Format f = format_of(parse_type(d));
  const auto has = [&](const char* m) { return modifiers.find(m) != std::string::npos; };
  const U64 one = static_cast<U64>(f.bias) << (f.precision - 1);
  const bool sat = has(".sat") && !has(".satfinite");
  if (f.is_nan(bits)) return sat ? 0 : nan_of(d);
  if ((sat || has(".relu")) && f.is_negative(bits)) return 0;
  if (sat) return std::min(bits, one);
  if (has(".satfinite") && f.is_infinite(bits)) return bits - 1;
  return bits;
}

/// Executes cvt.<mode><modifiers>.<d>.<s> and compares with f(source's bits), which is limited first.
template <class F>
void check(const std::string& mode, const std::string& modifiers, const std::string& d, const std::string& s, F expected) {
  std::string text = fmt::format("@p cvt{}{}.{}.{} d0, s0;\n", dotted(mode), modifiers, d, s);
  if (!small(d)) {
    // Which NaN it is, is not told: one stands for all.
    text = fmt::format("{{ .reg .pred nan;\n{}setp.nan.and.{} nan, d0, d0, p;\n@nan mov.b{} d0, {};\n}}", text, d, bits_of(parse_type(d)), nan_of(d));
  }
  const Format f = format_of(parse_type(d));
  expect_lanes(text, {{register_of(d)}, {register_of(s)}}, operands({parse_type(s)}, 3000), [&](const U64* row) {
    U64 bits = expected(row[0]);
    if (modifiers.find(".ftz") != std::string::npos && d == "f32") bits = f.flushed(bits);
    return limited(bits, d, modifiers);
  });
}

/// A float in another format; what is no number in its own way.
U64 converted(const std::string& d, const std::string& s, U64 x, const std::string& mode) {
  const Format from = format_of(parse_type(s)), to = format_of(parse_type(d));
  if (from.is_nan(x)) return nan_of(d);
  if (from.is_infinite(x)) return to.infinity() | (from.is_negative(x) ? to.top() : 0);
  return Exact::of(from, x).rounded(to, mode);
}
U64 flushed_if(bool ftz, const std::string& s, U64 x) { return ftz ? format_of(parse_type(s)).flushed(x) : x; }

TEST(ConvertFloat, Integers) {
  for (const std::string d : {"f16", "bf16", "f32", "f64"}) {
    for (const std::string& s : integers) {
      const Type type = parse_type(s);
      if (d == "bf16" && bits_of(type) == 8) continue;
      for (const std::string& mode : modes) {
        for (const std::string m : {"", ".sat", ".ftz", ".ftz.sat"}) {
          if ((m.starts_with(".ftz") && d != "f32") || (d == "bf16" && !m.empty())) continue;
          check(mode, m, d, s, [&](U64 x) {
            const int unused = 64 - bits_of(type);
            const bool negative = is_signed(type) && (x >> (bits_of(type) - 1) & 1) != 0;
            const U64 value = negative ? 0 - static_cast<U64>(static_cast<S64>(x << unused) >> unused) : x << unused >> unused;
            return Exact(negative, value, 0).rounded(format_of(parse_type(d)), mode);
          });
        }
      }
    }
  }
}

/// A conversion that ptxas knows: with which modifiers, and whether it must, may or must not have a mode.
enum class Mode { none, may, must };
struct Conversion {
  const char *d, *s;
  Mode mode;
  std::vector<std::string> modifiers;
};
const std::vector<Conversion> conversions = {
    {"f16", "f64", Mode::must, {"", ".sat"}},
    {"f16", "f32", Mode::must, {"", ".sat", ".ftz", ".ftz.sat"}},
    {"f32", "f64", Mode::must, {"", ".sat", ".ftz", ".ftz.sat"}},
    {"bf16", "f32", Mode::must, {"", ".ftz"}},
    {"bf16", "f64", Mode::must, {""}},
    {"f16", "bf16", Mode::may, {""}},
    {"f64", "bf16", Mode::may, {""}},
    {"bf16", "f16", Mode::may, {""}},
    {"f32", "bf16", Mode::may, {"", ".ftz"}},
    {"f32", "f16", Mode::none, {"", ".sat", ".ftz", ".ftz.sat"}},
    {"f64", "f16", Mode::none, {"", ".sat"}},
    {"f64", "f32", Mode::none, {"", ".sat", ".ftz", ".ftz.sat"}},
};

TEST(ConvertFloat, OtherTypes) {
  for (const Conversion& c : conversions) {
    std::vector<std::string> own = c.mode == Mode::none ? std::vector<std::string>{} : modes;
    if (c.mode != Mode::must) own.emplace_back("");
    for (const std::string& mode : own) {
      for (const std::string& m : c.modifiers) {
        // .ftz flushes f32 alone, sources and results.
        const bool ftz = m.starts_with(".ftz") && std::string(c.s) == "f32";
        check(mode, m, c.d, c.s, [&](U64 x) { return converted(c.d, c.s, flushed_if(ftz, c.s, x), mode.empty() ? "rn" : mode); });
      }
    }
  }
}

TEST(ConvertFloat, ReluAndFinite) {
  for (const std::string d : {"f16", "bf16"}) {
    for (const std::string mode : {"rn", "rz"}) {
      for (const std::string m : {".relu", ".satfinite", ".relu.satfinite"}) {
        check(mode, m, d, "f32", [&](U64 x) { return converted(d, "f32", x, mode); });
      }
    }
  }
}

/// A float rounded to a whole number of the same format.
U64 whole(const Format& f, U64 x, const std::string& mode) {
  if (f.is_nan(x) || f.is_infinite(x)) return x;
  const int exponent = f.exponent(x);
  if (exponent >= 0) return x;
  const int dropped = std::min(-exponent, 63);
  const U64 significand = f.significand(x), rest = significand & ((U64{1} << dropped) - 1), half = U64{1} << (dropped - 1);
  U64 n = significand >> dropped;
  const bool up = mode == "rni" ? rest > half || (rest == half && n % 2 != 0) : rest != 0 && mode == (f.is_negative(x) ? "rmi" : "rpi");
  n += up ? 1 : 0;
  return Exact(f.is_negative(x), n, 0).rounded(f, "rn");
}

TEST(ConvertFloat, SameType) {
  for (const std::string t : {"f16", "bf16", "f32", "f64"}) {
    const Format f = format_of(parse_type(t));
    for (const std::string mode : {"", "rni", "rzi", "rmi", "rpi"}) {
      for (const std::string m : {"", ".sat", ".ftz", ".ftz.sat"}) {
        const bool ftz = m.starts_with(".ftz");
        if ((ftz && t != "f32") || (t == "bf16" && !m.empty())) continue;
        check(mode, m, t, t, [&](U64 x) {
          const U64 own = flushed_if(ftz, t, x);
          return mode.empty() ? own : whole(f, own, mode);
        });
      }
    }
  }
}

TEST(ConvertFloat, NansThatAreCopied) {
  // Bits that pass: cvt.f32.f32 is a copy, and a bf16 is the upper half of an f32.
  expect_lanes("cvt.f32.f32 d0, s0;", {{"f32"}, {"f32"}}, operands({Type::f32}), [](const U64* s) { return s[0]; });
  expect_lanes("cvt.f32.bf16 d0, s0;", {{"f32"}, {"b16"}}, operands({Type::bf16}), [](const U64* s) { return s[0] << 16; });
  expect_lanes("cvt.f32.f16 d0, s0;", {{"b32"}, {"b32"}}, {{0x7E01, 0xFC01, 0x7FFF}}, [](const U64*) { return U64{0x7FFFFFFF}; });
}

TEST(ConvertFloat, WiderRegisters) {
  expect_lanes("cvt.rn.f16.f32 d0, s0;", {{"b32"}, {"b64"}}, operands({Type::b64}), [](const U64* s) {
    return converted("f16", "f32", s[0] & 0xFFFFFFFF, "rn");
  });
  expect_lanes("cvt.rn.f32.s8 d0, s0;", {{"b64"}, {"b32"}}, operands({Type::b32}), [](const U64* s) {
    const auto value = static_cast<std::int8_t>(s[0]);
    return Exact(value < 0, static_cast<unsigned>(std::abs(value)), 0).rounded(format_of(Type::f32), "rn");
  });
}

}  // namespace
}  // namespace triptych::emulator::test

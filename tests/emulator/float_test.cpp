// IEEE operations against exact integers rounded once, bit by bit; approximations against long double within
// the ISA's bounds.
#include <bit>
#include <cmath>
#include <cstdint>

#include "tests/emulator/exact.h"
#include "tests/emulator/lanewise.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("float");

constexpr std::uint64_t nan_f32 = 0x7FFFFFFF, nan_f64 = 0x7FF8000000000000, one_f32 = 0x3F800000;
using Sources = const std::uint64_t*;

/// The instruction, after which a NaN in d0 is the one NaN: for those whose payload the ISA leaves open.
std::string with_one_nan(const std::string& instruction, Type t) {
  const bool wide = t == Type::f64;
  return fmt::format("{{\n.reg .pred nan;\n@p {}\nsetp.nan.and.{} nan, d0, d0, p;\n@nan mov.b{} d0, {};\n}}\n", instruction,
                     name_of(t), wide ? 64 : 32, wide ? nan_f64 : nan_f32);
}

/// NaNs as one, infinities and zero divisors: what host arithmetic says, whatever the rounding mode.
template <class Float, class Operation>
std::uint64_t unrounded(Type t, Operation&& operation) {
  const Float r = operation();
  if (std::isnan(r)) return t == Type::f64 ? nan_f64 : nan_f32;
  if constexpr (sizeof(Float) == 8) {
    return std::bit_cast<std::uint64_t>(r);
  } else {
    return std::bit_cast<std::uint32_t>(r);
  }
}
template <class Float>
Float value(std::uint64_t bits) {
  if constexpr (sizeof(Float) == 8) {
    return std::bit_cast<Float>(bits);
  } else {
    return std::bit_cast<Float>(static_cast<std::uint32_t>(bits));
  }
}

/// a op b, or fma(a, b, c), rounded.
template <class Float>
std::uint64_t arithmetic(Type t, std::string_view op, const std::vector<std::uint64_t>& s, std::string_view mode) {
  const Format f = format_of(t);
  bool finite = true;
  for (const std::uint64_t x : s) finite = finite && !f.is_nan(x) && !f.is_infinite(x);
  const Float a = value<Float>(s[0]), b = s.size() > 1 ? value<Float>(s[1]) : a;
  const auto exact = [&](std::size_t i) { return Exact::of(f, s[i]); };
  if (op == "add" || op == "sub") {
    const std::uint64_t second = op == "sub" ? s[1] ^ f.top() : s[1];
    if (!finite) return unrounded<Float>(t, [&] { return a + value<Float>(second); });
    return rounded_sum(exact(0), Exact::of(f, second), f, mode);
  }
  if (op == "mul") return finite ? Exact::product(f, s[0], s[1]).rounded(f, mode) : unrounded<Float>(t, [&] { return a * b; });
  if (op == "fma" || op == "mad") {
    if (finite) return rounded_sum(Exact::product(f, s[0], s[1]), exact(2), f, mode);
    // An infinite product with a finite c, or the other way round: fma of the host knows.
    return unrounded<Float>(t, [&] { return std::fma(a, b, value<Float>(s[2])); });
  }
  if (op == "div") {
    if (!finite || f.is_zero(s[1])) return unrounded<Float>(t, [&] { return a / b; });
    return Exact::quotient(f, s[0], s[1]).rounded(f, mode);
  }
  if (op == "rcp") {
    const std::uint64_t one = static_cast<std::uint64_t>(f.bias) << (f.precision - 1);
    if (!finite || f.is_zero(s[0])) return unrounded<Float>(t, [&] { return 1 / a; });
    return Exact::quotient(f, one, s[0]).rounded(f, mode);
  }
  if (!finite || f.is_zero(s[0]) || f.is_negative(s[0])) return unrounded<Float>(t, [&] { return std::sqrt(a); });
  return Exact::root(f, s[0]).rounded(f, mode);
}

std::uint64_t saturated_bits(std::uint64_t x) {
  if (x > nan_f32 || x == nan_f32) return 0;   // negative, or NaN
  return std::min(x, one_f32);
}

struct Operation {
  std::string name;
  int sources;
  bool may_lack_mode, saturates;
};
const std::vector<Operation> operations = {{"add", 2, true, true},  {"sub", 2, true, true},  {"mul", 2, true, true}, {"fma", 3, false, true},
                                           {"mad", 3, false, true}, {"div", 2, false, false}, {"rcp", 1, false, false}, {"sqrt", 1, false, false}};

std::string instruction_of(const Operation& o, const std::string& suffix) {
  std::string text = o.name + suffix + " d0";
  for (int i = 0; i < o.sources; ++i) text += fmt::format(", s{}", i);
  return text + ";";
}

TEST(Float, SinglePrecision) {
  const Format f = format_of(Type::f32);
  for (const Operation& o : operations) {
    const std::vector<Type> types(static_cast<std::size_t>(o.sources), Type::f32);
    const auto columns = operands(types, 2500);
    for (const std::string r : {"", "rn", "rz", "rm", "rp"}) {
      if (r.empty() && !o.may_lack_mode) continue;
      for (const bool ftz : {false, true}) {
        for (const bool sat : {false, true}) {
          if (sat && !o.saturates) continue;
          const std::string suffix = (r.empty() ? "" : "." + r) + (ftz ? ".ftz" : "") + (sat ? ".sat" : "") + ".f32";
          expect_lanes(instruction_of(o, suffix), {{"f32"}, std::vector<std::string>(types.size(), "f32")}, columns, [&](Sources s) {
            std::vector<std::uint64_t> own(s, s + o.sources);
            for (std::uint64_t& x : own) x = ftz ? f.flushed(x) : x;
            std::uint64_t d = arithmetic<float>(Type::f32, o.name, own, r.empty() ? "rn" : r);
            if (ftz) d = f.flushed(d);
            return sat ? saturated_bits(d) : d;
          });
        }
      }
    }
  }
}

TEST(Float, DoublePrecision) {
  for (const Operation& o : operations) {
    const std::vector<Type> types(static_cast<std::size_t>(o.sources), Type::f64);
    const auto columns = operands(types, 2500);
    for (const std::string r : {"", "rn", "rz", "rm", "rp"}) {
      if (r.empty() && !o.may_lack_mode) continue;
      expect_lanes(with_one_nan(instruction_of(o, (r.empty() ? "" : "." + r) + ".f64"), Type::f64),
                   {{"f64"}, std::vector<std::string>(types.size(), "f64")}, columns, [&](Sources s) {
                     return arithmetic<double>(Type::f64, o.name, {s, s + o.sources}, r.empty() ? "rn" : r);
                   });
    }
  }
}

TEST(Float, MinAndMax) {
  const Format f = format_of(Type::f32);
  const auto columns = operands({Type::f32, Type::f32});
  for (const bool max : {false, true}) {
    const std::string root = max ? "max" : "min";
    for (int choice = 0; choice < 8; ++choice) {
      const bool ftz = (choice & 1) != 0, nan = (choice & 2) != 0, xorsign = (choice & 4) != 0;
      expect_lanes(root + (ftz ? ".ftz" : "") + (nan ? ".NaN" : "") + (xorsign ? ".xorsign.abs" : "") + ".f32 d0, s0, s1;",
                   {{"f32"}, {"f32", "f32"}}, columns, [&](Sources s) {
                     const std::uint64_t a = ftz ? f.flushed(s[0]) : s[0], b = ftz ? f.flushed(s[1]) : s[1];
                     if (!xorsign) return extreme(f, max, nan, a, b, nan_f32);
                     const std::uint64_t r = extreme(f, max, nan, a & ~f.top(), b & ~f.top(), nan_f32);
                     return f.is_nan(r) ? nan_f32 : r | ((a ^ b) & f.top());
                   });
    }
    expect_lanes(with_one_nan(root + ".f64 d0, s0, s1;", Type::f64), {{"f64"}, {"f64", "f64"}}, operands({Type::f64, Type::f64}),
                 [&](Sources s) { return extreme(format_of(Type::f64), max, false, s[0], s[1], nan_f64); });
  }
}

TEST(Float, Signs) {
  for (const Type t : {Type::f32, Type::f64}) {
    const Format f = format_of(t);
    const std::string name(name_of(t));
    const std::uint64_t one_nan = t == Type::f32 ? nan_f32 : nan_f64;
    for (const std::string ftz : {"", ".ftz"}) {
      if (t == Type::f64 && !ftz.empty()) continue;
      for (const bool abs : {true, false}) {
        expect_lanes(with_one_nan((abs ? "abs" : "neg") + ftz + "." + name + " d0, s0;", t), {{name}, {name}}, operands({t}), [&](Sources s) {
          const std::uint64_t x = ftz.empty() ? s[0] : f.flushed(s[0]);
          return f.is_nan(x) ? one_nan : abs ? x & ~f.top() : x ^ f.top();
        });
      }
    }
    expect_lanes("copysign." + name + " d0, s0, s1;", {{name}, {name, name}}, operands({t, t}),
                 [&](Sources s) { return (s[1] & ~f.top()) | (s[0] & f.top()); });
  }
}

TEST(Float, Properties) {
  for (const Type t : {Type::f32, Type::f64}) {
    const Format f = format_of(t);
    const std::string name(name_of(t));
    const auto expect = [&](const std::string& property, auto&& holds) {
      expect_lanes("testp." + property + "." + name + " d0, s0;", {{"pred"}, {name}}, operands({t}),
                   [&](Sources s) -> std::uint64_t { return holds(s[0]) ? 1 : 0; });
    };
    const auto finite = [&](std::uint64_t x) { return !f.is_nan(x) && !f.is_infinite(x); };
    expect("finite", finite);
    expect("infinite", [&](std::uint64_t x) { return f.is_infinite(x); });
    expect("number", [&](std::uint64_t x) { return !f.is_nan(x); });
    expect("notanumber", [&](std::uint64_t x) { return f.is_nan(x); });
    expect("normal", [&](std::uint64_t x) { return finite(x) && !f.is_subnormal(x); });
    expect("subnormal", [&](std::uint64_t x) { return f.is_subnormal(x); });
  }
}

/// Runs `instruction` over its operands; wrong(sources, d) says what is wrong with a result, or nothing.
template <class Wrong>
void expect_near(const std::string& instruction, Type t, const std::vector<Values>& columns, Wrong&& wrong) {
  SCOPED_TRACE(instruction);
  const std::string name(name_of(t));
  std::vector<Values> d(1, Values(columns[0].size()));
  run_lanes(instruction, {{name}, std::vector<std::string>(columns.size(), name)}, Values(columns[0].size(), 1), columns, d);
  for (std::size_t r = 0; r < columns[0].size(); ++r) {
    std::vector<std::uint64_t> s;
    for (const Values& column : columns) s.push_back(column[r]);
    const std::string text = wrong(s.data(), lanewise::cut(d[0][r], name));
    ASSERT_EQ(text, "") << fmt::format("{:#x} of {:#x}", lanewise::cut(d[0][r], name), fmt::join(s, ", "));
  }
}

/// One of the approximations: what it approaches, and how near.
struct Approximation {
  std::string name;
  long double (*f)(long double);
  long double relative, absolute;   ///< either bound is enough
  long double from, to;             ///< where the bound is promised
};

/// NaN, infinities and zeros are exact; denormal operands and results count as zero with .ftz.
std::string judge(const Format& f, const Approximation& a, bool ftz, std::uint64_t s, std::uint64_t d) {
  const bool wide = f.bits == 64;
  const auto number = [&](std::uint64_t x) -> long double { return wide ? static_cast<long double>(value<double>(x)) : static_cast<long double>(value<float>(x)); };
  const long double x = number(ftz ? f.flushed(s) : s), wanted = a.f(x), got = number(d);
  if (std::isnan(wanted)) return std::isnan(got) ? "" : "wanted NaN";
  if (x < a.from || x > a.to) return "";
  if (ftz && f.is_subnormal(d)) return "a denormal result";
  const long double least = std::ldexp(1.0L, 1 - f.bias), most = std::ldexp(2.0L, f.bias);
  if (std::isinf(wanted) || std::fabs(wanted) >= most) return std::isinf(got) && std::signbit(got) == std::signbit(wanted) ? "" : "wanted an infinity";
  if (ftz && std::fabs(wanted) < least) return got == 0 || std::fabs(got) == least ? "" : "wanted a zero";
  if (wanted == 0) return got == 0 && std::signbit(got) == std::signbit(wanted) ? "" : "wanted a zero of the same sign";
  const long double error = std::fabs(got - wanted), unit = std::ldexp(1.0L, 1 - f.bias - (f.precision - 1));
  return error <= std::max({a.relative * std::fabs(wanted), a.absolute, unit}) ? "" : fmt::format("wanted {}", static_cast<double>(wanted));
}

TEST(Float, Approximations) {
  const long double all = INFINITY, ulp = 0x1p-23L;
  const Approximation table[] = {
      {"rcp", [](long double x) { return 1 / x; }, ulp, 0, -all, all},
      {"sqrt", [](long double x) { return std::sqrt(x); }, ulp, 0, -all, all},
      {"rsqrt", [](long double x) { return 1 / std::sqrt(x); }, 1.3e-7L, 0, -all, all},   // 2^-22.9
      {"sin", [](long double x) { return std::sin(x); }, 0, 6.7e-7L, -3.2L, 3.2L},         // 2^-20.5
      {"cos", [](long double x) { return std::cos(x); }, 0, 6.7e-7L, -3.2L, 3.2L},
      {"lg2", [](long double x) { return std::log2(x); }, 0x1p-22L, 0x1p-22L, -all, all},
      {"ex2", [](long double x) { return std::exp2(x); }, 2 * ulp, 0, -all, all},
      {"tanh", [](long double x) { return std::tanh(x); }, 0x1p-11L, 0, -all, all},
  };
  const Format f = format_of(Type::f32);
  auto columns = operands({Type::f32});
  for (int i = -3000; i < 3000; ++i) columns[0].push_back(std::bit_cast<std::uint32_t>(static_cast<float>(i) / 20));
  for (const Approximation& a : table) {
    for (const bool ftz : {false, true}) {
      if (a.name == "tanh" && ftz) continue;
      expect_near(a.name + (ftz ? ".approx.ftz.f32" : ".approx.f32") + " d0, s0;", Type::f32, columns,
                  [&](Sources s, std::uint64_t d) { return judge(f, a, ftz, s[0], d); });
    }
  }
}

TEST(Float, ApproximationsOfDoubles) {
  const long double all = INFINITY;
  const Format f = format_of(Type::f64);
  const Approximation rcp = {"rcp", [](long double x) { return 1 / x; }, 0x1p-20L, 0, -all, all};
  const Approximation rsqrt = {"rsqrt", [](long double x) { return 1 / std::sqrt(x); }, 0x1p-20L, 0, -all, all};
  Approximation whole = rsqrt;
  whole.relative = 0x1p-51L;
  const auto gross = [&](const Approximation& a) {
    return [&f, a](Sources s, std::uint64_t d) {
      return (d & 0xFFFFFFFF) != 0 && !f.is_nan(d) ? "the lower half is not zero" : judge(f, a, true, s[0], d);
    };
  };
  expect_near("rcp.approx.ftz.f64 d0, s0;", Type::f64, operands({Type::f64}), gross(rcp));
  expect_near("rsqrt.approx.ftz.f64 d0, s0;", Type::f64, operands({Type::f64}), gross(rsqrt));
  expect_near("rsqrt.approx.f64 d0, s0;", Type::f64, operands({Type::f64}), [&](Sources s, std::uint64_t d) { return judge(f, whole, false, s[0], d); });
}

TEST(Float, ApproximateDivision) {
  const Format f = format_of(Type::f32);
  for (const std::string kind : {".approx", ".full"}) {
    for (const bool ftz : {false, true}) {
      expect_near("div" + kind + (ftz ? ".ftz" : "") + ".f32 d0, s0, s1;", Type::f32, operands({Type::f32, Type::f32}), [&](Sources s, std::uint64_t d) -> std::string {
        const std::uint64_t a = ftz ? f.flushed(s[0]) : s[0], b = ftz ? f.flushed(s[1]) : s[1];
        const long double x = value<float>(a), y = value<float>(b), got = value<float>(d);
        // Beyond 2^126 div.approx gives zero, or NaN of an infinity.
        if (kind == ".approx" && std::isfinite(y) && std::fabs(y) > 0x1p126L && !std::isnan(x)) {
          return std::isinf(x) ? (f.is_nan(d) ? "" : "wanted NaN") : got == 0 ? "" : "wanted zero";
        }
        const Approximation quotient = {"div", [](long double q) { return q; }, 0x1p-22L, 0, -INFINITY, INFINITY};
        const long double wanted = x / y;
        if (std::isnan(wanted)) return f.is_nan(d) ? "" : "wanted NaN";
        if (std::fabs(wanted) >= 0x1.fffffep127L) return std::isinf(got) || std::fabs(got) == 0x1.fffffep127L ? "" : "wanted an infinity";
        if (ftz && std::fabs(wanted) < 0x1p-126L) return f.is_zero(d) || std::fabs(got) == 0x1p-126L ? "" : "wanted zero";
        if (wanted == 0) return f.is_zero(d) && std::signbit(got) == std::signbit(wanted) ? "" : "wanted zero";
        return std::fabs(got - wanted) <= std::max(quotient.relative * std::fabs(wanted), 0x1p-149L) ? "" : fmt::format("wanted {}", static_cast<double>(wanted));
      });
    }
  }
}

}  // namespace
}  // namespace triptych::emulator::test

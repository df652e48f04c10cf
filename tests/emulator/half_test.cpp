// ctest: labels=sanitize
// f16 and bf16 arithmetic against exact integers rounded once, bit by bit, of single numbers and of both halves
// of a pair; approximations against long double within the ISA's bounds.
#include <bit>
#include <cmath>
#include <cstdint>

#include "tests/emulator/exact.h"
#include "tests/emulator/lanewise.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("half");

constexpr std::uint64_t one_nan = 0x7FFF;
using Bits = std::vector<std::uint64_t>;

std::uint64_t one_of(const Format& f) { return static_cast<std::uint64_t>(f.bias) << (f.precision - 1); }
std::uint64_t without_sign(const Format& f, std::uint64_t x) { return x & (f.top() - 1); }

/// The value, which a double holds exactly.
double value(const Format& f, std::uint64_t x) {
  const double sign = f.is_negative(x) ? -1 : 1;
  if (f.is_nan(x)) return std::nan("");
  if (f.is_infinite(x)) return sign * HUGE_VAL;
  return sign * std::ldexp(static_cast<double>(f.significand(x)), f.exponent(x));
}

/// A result that is NaN, infinite or taken from infinite operands: what host arithmetic says.
std::uint64_t special(const Format& f, double result) {
  if (std::isnan(result)) return one_nan;
  return (std::signbit(result) ? f.top() : 0) | (std::isinf(result) ? f.infinity() : 0);
}

std::uint64_t arithmetic(const Format& f, std::string_view op, const Bits& s) {
  bool finite = true;
  for (const std::uint64_t x : s) finite = finite && !f.is_nan(x) && !f.is_infinite(x);
  const double a = value(f, s[0]), b = value(f, s[1]);
  if (op == "mul") return finite ? Exact::product(f, s[0], s[1]).rounded(f, "rn") : special(f, a * b);
  if (op == "fma") {
    if (!finite) return special(f, std::fma(a, b, value(f, s[2])));
    return rounded_sum(Exact::product(f, s[0], s[1]), Exact::of(f, s[2]), f, "rn");
  }
  const std::uint64_t second = op == "sub" ? s[1] ^ f.top() : s[1];
  if (!finite) return special(f, a + value(f, second));
  return rounded_sum(Exact::of(f, s[0]), Exact::of(f, second), f, "rn");
}

/// The instruction on single numbers, and on pairs that are made of neighbouring rows.
/// expected(f, sources) gives the bits of the result.
template <class F>
void expect_both(const std::string& op, Type type, std::size_t sources, F expected) {
  const Format f = format_of(type);
  const std::vector<Type> types(sources, type);
  const auto columns = operands(types, 3000);
  std::string list = " d0";
  for (std::size_t i = 0; i < sources; ++i) list += fmt::format(", s{}", i);
  const std::string name{name_of(type)};
  expect_lanes(op + "." + name + list + ";", {{"b16"}, std::vector<std::string>(sources, "b16")}, columns,
               [&](const std::uint64_t* s) { return expected(f, Bits(s, s + sources)); });
  auto pairs = columns;
  for (Values& column : pairs) {
    const Values single = column;
    for (std::size_t r = 0; r < single.size(); ++r) column[r] |= single[(r + 1) % single.size()] << 16;
  }
  expect_lanes(op + "." + name + "x2" + list + ";", {{"b32"}, std::vector<std::string>(sources, "b32")}, pairs,
               [&](const std::uint64_t* s) {
                 Bits low(s, s + sources), high = low;
                 for (std::uint64_t& x : low) x &= 0xFFFF;
                 for (std::uint64_t& x : high) x >>= 16;
                 return expected(f, low) | expected(f, high) << 16;
               });
}

TEST(Half, Arithmetic) {
  for (const std::string op : {"add", "sub", "mul", "fma"}) {
    const std::size_t sources = op == "fma" ? 3 : 2;
    for (const Type type : {Type::f16, Type::bf16}) {
      for (const std::string modifier : {"", ".rn", ".ftz", ".sat", ".ftz.sat", ".relu", ".ftz.relu"}) {
        const bool ftz = modifier.find("ftz") != std::string::npos, sat = modifier.find("sat") != std::string::npos;
        const bool relu = modifier.find("relu") != std::string::npos, f16 = type == Type::f16;
        if ((relu && op != "fma") || ((ftz || sat) && !f16) || (modifier == ".rn" && op == "fma")) continue;
        expect_both(op + (op == "fma" ? ".rn" : "") + modifier, type, sources, [&](const Format& f, Bits s) {
          if (ftz) {
            for (std::uint64_t& x : s) x = f.flushed(x);
          }
          std::uint64_t d = arithmetic(f, op, s);
          if (ftz) d = f.flushed(d);
          if ((sat || relu) && f.is_negative(d)) return std::uint64_t{0};
          return sat ? (f.is_nan(d) ? 0 : std::min(d, one_of(f))) : d;
        });
      }
    }
  }
}

// A factor that a tensor copy has put out of bounds makes the result zero; an addend does not.
TEST(Half, OutOfBounds) {
  for (const Type type : {Type::f16, Type::bf16}) {
    for (const std::string clamp : {"", ".relu", ".sat"}) {
      if (clamp == ".sat" && type == Type::bf16) continue;
      expect_both("fma.rn.oob" + clamp, type, 3, [&](const Format& f, const Bits& s) {
        if (without_sign(f, s[0]) == 0x7FF7 || without_sign(f, s[1]) == 0x7FF7) return std::uint64_t{0};
        const std::uint64_t d = arithmetic(f, "fma", s);
        if (!clamp.empty() && f.is_negative(d)) return std::uint64_t{0};
        return clamp == ".sat" ? (f.is_nan(d) ? 0 : std::min(d, one_of(f))) : d;
      });
    }
  }
}

// Where a product lies halfway between two numbers and the addend is too small for an f64 that holds both.
TEST(Half, AnAddendBreaksATieFromFarAway) {
  const Format f = format_of(Type::bf16);
  std::vector<Values> columns(3);
  // (1 + k/128)(1 + 1/2): of some k the product has a ninth bit and nothing below.
  for (std::uint64_t k = 0; k < 128; ++k) {
    for (const std::uint64_t addend : {0x0000, 0x8000, 0x0001, 0x8001, 0x0080, 0x8080, 0x2000, 0xA000}) {
      columns[0].push_back(one_of(f) + k);
      columns[1].push_back(one_of(f) + 0x40);
      columns[2].push_back(addend);
    }
  }
  expect_lanes("fma.rn.bf16 d0, s0, s1, s2;", {{"b16"}, {"b16", "b16", "b16"}}, columns,
               [&](const std::uint64_t* s) { return arithmetic(f, "fma", Bits(s, s + 3)); });
}

TEST(Half, Extremes) {
  for (const Type type : {Type::f16, Type::bf16}) {
    for (const bool max : {false, true}) {
      for (const std::string modifier : {"", ".ftz", ".NaN", ".ftz.NaN"}) {
        const bool ftz = modifier.find("ftz") != std::string::npos, nan = modifier.find("NaN") != std::string::npos;
        if (ftz && type == Type::bf16) continue;
        const std::string op = (max ? "max" : "min") + modifier;
        expect_both(op, type, 2, [&](const Format& f, const Bits& s) {
          const std::uint64_t a = ftz ? f.flushed(s[0]) : s[0], b = ftz ? f.flushed(s[1]) : s[1];
          return extreme(f, max, nan, a, b, one_nan);
        });
        expect_both(op + ".xorsign.abs", type, 2, [&](const Format& f, const Bits& s) {
          const std::uint64_t a = ftz ? f.flushed(s[0]) : s[0], b = ftz ? f.flushed(s[1]) : s[1];
          const std::uint64_t d = extreme(f, max, nan, without_sign(f, a), without_sign(f, b), one_nan);
          return f.is_nan(d) ? d : d | ((a ^ b) & f.top());
        });
      }
    }
  }
}

TEST(Half, Signs) {
  for (const Type type : {Type::f16, Type::bf16}) {
    for (const bool ftz : {false, true}) {
      if (ftz && type == Type::bf16) continue;
      const std::string modifier = ftz ? ".ftz" : "";
      expect_both("abs" + modifier, type, 1, [&](const Format& f, const Bits& s) {
        return without_sign(f, ftz ? f.flushed(s[0]) : s[0]);
      });
      expect_both("neg" + modifier, type, 1, [&](const Format& f, const Bits& s) {
        return (ftz ? f.flushed(s[0]) : s[0]) ^ f.top();
      });
    }
  }
}

/// An approximation in every number of its format. wrong(got, wanted) is what the ISA does not allow.
template <class F, class Wrong>
void expect_approximation(const std::string& instruction, Type type, F function, Wrong wrong) {
  const Format f = format_of(type);
  Values all(0x10000);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  std::vector<Values> destinations = {Values(all.size())};
  run_lanes(instruction + " d0, s0;", {{"b16"}, {"b16"}}, Values(all.size(), 1), {all}, destinations);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::uint64_t d = destinations[0][i] & 0xFFFF;
    const long double wanted = function(static_cast<long double>(value(f, i)));
    if (f.is_nan(i)) {
      ASSERT_EQ(d, one_nan) << instruction << " of " << i;
    } else {
      ASSERT_FALSE(wrong(static_cast<long double>(value(f, d)), wanted))
          << instruction << " of " << value(f, i) << " is " << value(f, d) << ", wanted " << static_cast<double>(wanted);
    }
  }
  // Pairs: the same bits twice.
  std::vector<Values> pairs = {Values(all.size())};
  Values twice = all;
  for (std::uint64_t& x : twice) x |= (x ^ 0x1234) << 16;
  run_lanes(instruction + "x2 d0, s0;", {{"b32"}, {"b32"}}, Values(all.size(), 1), {twice}, pairs);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::uint64_t low = destinations[0][i] & 0xFFFF, high = destinations[0][i ^ 0x1234] & 0xFFFF;
    ASSERT_EQ(pairs[0][i] & 0xFFFFFFFF, low | high << 16) << instruction << "x2 of " << i;
  }
}

// The ISA's bounds: tanh within 2^-10.987 (f16) and 2^-8 (bf16), ex2 within 2^-9.9 and 2^-7 of its value.
TEST(Half, Approximations) {
  const auto tanh = [](long double x) { return std::tanh(x); };
  const auto ex2 = [](long double x) { return std::exp2(x); };
  const auto further = [](long double bound) {
    return [bound](long double got, long double wanted) { return std::fabs(got - wanted) > bound; };
  };
  const auto relative = [](long double bound, long double least, long double greatest) {
    return [=](long double got, long double wanted) {
      if (wanted > greatest) return !std::isinf(got);
      return got != wanted && std::fabs(got - wanted) > std::max(bound * wanted, least);
    };
  };
  expect_approximation("tanh.approx.f16", Type::f16, tanh, further(std::exp2(-10.987L)));
  expect_approximation("tanh.approx.bf16", Type::bf16, tanh, further(std::exp2(-8.0L)));
  expect_approximation("ex2.approx.f16", Type::f16, ex2, relative(std::exp2(-9.9L), 0x1p-25L, 65519));
  // Results below the normal numbers are flushed.
  expect_approximation("ex2.approx.ftz.bf16", Type::bf16, ex2, relative(std::exp2(-7.0L), 0x1p-126L, 0x1.ff7p127L));
}

}  // namespace
}  // namespace triptych::emulator::test

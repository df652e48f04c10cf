/// \file
/// What a wgmma must give: sums over host matrices.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/emulator/wgmma_run.h"

namespace triptych::emulator::test {

inline std::string describe(const Case& c) {
  return fmt::format("{} A {}{} {} B {}{} {}", opcode(c), c.la.width, c.la.turned ? " turned" : "", c.registers ? "in registers" : "",
                     c.lb.width, c.lb.turned ? " turned" : "", c.slice);
}

/// Calls f(at, row, column) for a quarter of D's elements, some of each row, column and register, and others
/// with another seed: where it is, and the first of row's and of column's elements are.
template <class F>
void each_of_some(const Case& c, unsigned seed, F&& f) {
  for (int row = 0; row < 64 && !testing::Test::HasFatalFailure(); ++row) {
    for (int column = static_cast<int>((static_cast<unsigned>(row) + seed) % 4); column < c.n; column += 4) {
      f(static_cast<std::size_t>(row * c.n + column), static_cast<std::size_t>(row * stored_of(c)), static_cast<std::size_t>(column * depth_of(c)));
    }
  }
}
/// Where in its column of B the element lies that A's n-th meets.
inline std::size_t meets(const Case& c, const Matrices& m, std::size_t n) {
  return c.sparse ? static_cast<std::size_t>(m.sparse.places[n]) : n % static_cast<std::size_t>(stored_of(c));
}

inline std::vector<Number> numbers(Type type, const std::vector<std::uint32_t>& bits, int scale) {
  std::vector<Number> all;
  for (const std::uint32_t one : bits) {
    all.push_back(number(type, one));
    all.back().significand *= scale;
  }
  return all;
}

inline void expect_floats(const Case& c, bool exact, unsigned seed) {
  MachineOptions options = Program::one_sm();
  options.exact_tensor = exact;
  options.seed = seed % 3;
  Matrices m;
  ASSERT_EQ(multiply(c, m, options, exact, seed), "") << describe(c);
  const std::vector<Number> all_a = numbers(c.a, m.a, c.scale_a), all_b = numbers(c.b, m.b, c.scale_b);
  const auto stored = static_cast<std::size_t>(stored_of(c));
  const bool fp8 = element_bits(c.a) == 8;
  std::vector<Number> a(stored), b(stored);
  each_of_some(c, seed, [&](std::size_t at, std::size_t row, std::size_t column) {
    const Number start = c.adds ? number(c.d, m.c[at]) : Number{};
    double sum = start.value(), size = std::abs(sum);
    for (std::size_t k = 0; k < stored; ++k) {
      a[k] = all_a[row + k];
      b[k] = all_b[column + meets(c, m, row + k)];
      if (exact) continue;
      sum += a[k].value() * b[k].value();
      size += std::abs(a[k].value() * b[k].value());
    }
    if (exact) {
      const double fused = fused_sum(a, b, start, fp8 ? 13 : 25);
      ASSERT_EQ(m.d[at], c.d == Type::f16 ? f16_nearest(fused) : f32_toward_zero(fused, fp8 ? 13 : 23)) << describe(c) << " exact " << at;
    } else if (std::isfinite(sum)) {
      const double bound = size * (2 * static_cast<double>(stored) * 0x1p-24 + (c.d == Type::f16 ? 0x1p-11 : 0));
      ASSERT_NEAR(number(c.d, m.d[at]).value(), sum, bound) << describe(c) << " fast " << at;
    }
  });
}

inline std::int64_t integer(Type type, std::uint32_t bits) {
  const int n = bits_of(type);
  return static_cast<std::int64_t>(bits) - (is_signed(type) && (bits >> (n - 1) & 1) != 0 ? std::int64_t{1} << n : 0);
}

inline void expect_integers(const Case& c, unsigned seed) {
  Matrices m;
  ASSERT_EQ(multiply(c, m, Program::one_sm(), false, seed), "") << describe(c);
  each_of_some(c, seed, [&](std::size_t at, std::size_t row, std::size_t column) {
    std::int64_t sum = c.adds ? integer(Type::s32, m.c[at]) : 0;
    for (std::size_t k = row; k < row + static_cast<std::size_t>(stored_of(c)); ++k) {
      sum += integer(c.a, m.a[k]) * integer(c.b, m.b[column + meets(c, m, k)]);
    }
    if (c.satfinite) sum = std::clamp<std::int64_t>(sum, INT32_MIN, INT32_MAX);
    ASSERT_EQ(m.d[at], static_cast<std::uint32_t>(sum)) << describe(c);
  });
}

/// Every layout of a type, one after the other.
inline std::vector<Layout> layouts(Type type) {
  std::vector<Layout> all;
  for (const int width : {16, 32, 64, 128}) {
    all.push_back({width, false});
    if (element_bits(type) == 16) all.push_back({width, true});
  }
  return all;
}

/// The types of floating-point products.
struct Kind {
  Type a, b, d;
};
inline std::vector<Kind> kinds() {
  std::vector<Kind> all = {{Type::f16, Type::f16, Type::f32}, {Type::f16, Type::f16, Type::f16},
                           {Type::bf16, Type::bf16, Type::f32}, {Type::tf32, Type::tf32, Type::f32}};
  for (const Type d : {Type::f32, Type::f16}) {
    for (const Type a : {Type::e4m3, Type::e5m2}) {
      for (const Type b : {Type::e4m3, Type::e5m2}) all.push_back({a, b, d});
    }
  }
  return all;
}

}  // namespace triptych::emulator::test

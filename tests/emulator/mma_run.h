/// \file
/// Kernels of one mma, and what they must give: sums over host matrices, with fragments and metadata by the
/// ISA's formulas.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/emulator/matrix_model.h"
#include "tests/emulator/ptx_run.h"

namespace triptych::emulator::test {

using Bits = std::vector<std::uint64_t>;

struct Case {
  int m, k;
  Type a, b, c;                    ///< c also D's
  std::string words;               ///< the opcode without "mma.sync.aligned"
  bool satfinite = false, bits_and = false;
  bool sparse = false, ordered = false;
  int selector = 0;

  /// Columns of A that are stored.
  int stored() const { return sparse ? k / 2 : k; }
  std::string opcode() const {
    return std::string("mma") + (ordered ? ".sp::ordered_metadata" : sparse ? ".sp" : "") + ".sync.aligned" + words;
  }
};

inline int element_bits(Type t) { return t == Type::tf32 ? 32 : bits_of(t); }
inline int per_register(Type t) { return t == Type::f64 ? 1 : 32 / element_bits(t); }
inline std::string register_type(Type t) { return t == Type::f64 ? "b64" : "b32"; }

/// Where element i of A, B and C lies that lane t holds.
struct At {
  int row, column;
};
inline At a_at(const Case& c, int t, int i) {
  const int e = per_register(c.a), r = i / e, g = t / 4, q = t % 4;
  if (c.m == 8) return {g, e * q + i % e + 4 * e * r};
  return {g + 8 * (r & 1), e * q + i % e + 4 * e * (r >> 1)};
}
inline At b_at(const Case& c, int t, int i) {
  const int e = per_register(c.b);
  return {e * (t % 4) + i % e + 4 * e * (i / e), t / 4};
}
inline At c_at(int t, int i) { return {t / 4 + 8 * (i >> 1), 2 * (t % 4) + (i & 1)}; }

/// A, B, C or D of a case as elements' bits, row by row; and as the registers that the lanes hold.
struct Matrix {
  int rows, columns;
  Bits at;
  std::uint64_t& operator()(const At& p) { return at[static_cast<std::size_t>(p.row * columns + p.column)]; }
};

/// One register after the other, 32 lanes each; f(lane, element) is an element's bits.
template <class F>
inline Bits to_registers(Type type, int elements, F f) {
  const int e = per_register(type);
  Bits words(static_cast<std::size_t>(elements / e * 32));
  for (int t = 0; t < 32; ++t) {
    for (int i = 0; i < elements; ++i) words[static_cast<std::size_t>(i / e * 32 + t)] |= f(t, i) << (i % e * element_bits(type));
  }
  return words;
}

inline std::string names(char letter, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += fmt::format("{}{}{}", i == 0 ? "{" : ", ", letter, i);
  return text + "}";
}

/// A kernel that loads the fragments, multiplies and stores D.
inline std::string kernel(const Case& c, int na, int nb, int nc) {
  std::string text = fmt::format(
      ".visible .entry k(.param .u64 pa, .param .u64 pb, .param .u64 pc, .param .u64 pe, .param .u64 pd)\n{{\n"
      ".reg .{} a<{}>; .reg .{} b<{}>; .reg .{} c<{}>, d<{}>; .reg .b64 p, l; .reg .b32 t, e0;\n"
      "mov.u32 t, %laneid;\nmul.wide.u32 l, t, 8;\n",
      register_type(c.a), na, register_type(c.b), nb, register_type(c.c), nc, nc);
  const auto move = [&](char letter, int count, Type type, bool load) {
    text += fmt::format("ld.param.u64 p, [p{}];\nadd.u64 p, p, l;\n", letter);
    for (int i = 0; i < count; ++i) {
      const std::string address = fmt::format("[p+{}]", i * 256), name = fmt::format("{}{}", letter, i);
      text += fmt::format("{}.global.{} {}, {};\n", load ? "ld" : "st", register_type(type), load ? name : address, load ? address : name);
    }
  };
  move('a', na, c.a, true);
  move('b', nb, c.b, true);
  move('c', nc, c.c, true);
  move('e', 1, Type::b32, true);
  text += fmt::format("{} {}, {}, {}, {}{};\n", c.opcode(), names('d', nc), names('a', na), names('b', nb), names('c', nc),
                      c.sparse ? fmt::format(", e0, {}", c.selector) : "");
  move('d', nc, c.c, false);
  return text + "ret;\n}\n";
}

struct Result {
  Matrix a, b, c, d;
  SparseRows sparse = {};

  /// The row of B that the k-th stored element of a row of A meets.
  int meets(int row, int k) const { return sparse.places.empty() ? k : sparse.places[static_cast<std::size_t>(row * a.columns + k)]; }
};

inline Result multiply(const Case& c, bool exact, bool wild, unsigned seed) {
  std::mt19937_64 random(seed);
  Result r{{c.m, c.stored(), {}}, {c.k, 8, {}}, {c.m, 8, {}}, {c.m, 8, {}}};
  const auto fill = [&](Matrix& matrix, Type type) {
    matrix.at.resize(static_cast<std::size_t>(matrix.rows * matrix.columns));
    for (auto& bits : matrix.at) {
      bits = type == Type::f64 ? std::bit_cast<std::uint64_t>(std::ldexp(static_cast<double>(random()), -64) - 0.5)
                               : random_element(type, random, wild);
      if (c.satfinite && type == Type::s32) bits = random() % 2 != 0 ? 0x7FFFFFF0 : 0x80000010;
    }
  };
  fill(r.a, c.a);
  fill(r.b, c.b);
  fill(r.c, c.c);
  r.d.at.resize(r.c.at.size());
  r.sparse = c.sparse ? random_places(c.m, c.stored(), element_bits(c.a), c.selector, c.ordered, random) : SparseRows{{}, Bits(32)};
  const int ea = c.m * c.stored() / 32, eb = c.k * 8 / 32, ec = c.m * 8 / 32;
  const int na = ea / per_register(c.a), nb = eb / per_register(c.b), nc = ec / per_register(c.c);
  MachineOptions options = Program::one_sm();
  options.exact_tensor = exact;
  Program program(kernel(c, na, nb, nc), options);
  const std::uint64_t d = program.buffer(Bits(static_cast<std::size_t>(nc * 32)));
  const std::string fault = program.run(
      "k", {program.buffer(to_registers(c.a, ea, [&](int t, int i) { return r.a(a_at(c, t, i)); })),
            program.buffer(to_registers(c.b, eb, [&](int t, int i) { return r.b(b_at(c, t, i)); })),
            program.buffer(to_registers(c.c, ec, [&](int t, int i) { return r.c(c_at(t, i)); })), program.buffer(r.sparse.metadata), d});
  EXPECT_EQ(fault, "") << c.opcode();
  const Bits words = program.read<std::uint64_t>(d, static_cast<std::size_t>(nc * 32));
  const int e = per_register(c.c);
  for (int t = 0; t < 32; ++t) {
    for (int i = 0; i < ec; ++i) {
      const std::uint64_t word = words[static_cast<std::size_t>(i / e * 32 + t)] >> (i % e * element_bits(c.c));
      r.d(c_at(t, i)) = word & (~std::uint64_t{0} >> (64 - element_bits(c.c)));
    }
  }
  return r;
}

/// Calls f(row, column) for each element of D.
template <class F>
inline void each(const Case& c, F&& f) {
  for (int row = 0; row < c.m; ++row) {
    for (int column = 0; column < 8; ++column) f(row, column);
  }
}

inline void expect_exact(const Case& c) {
  Result r = multiply(c, true, true, 3);
  each(c, [&](int row, int column) {
    std::vector<Number> a, b;
    for (int k = 0; k < c.stored(); ++k) {
      a.push_back(number(c.a, static_cast<std::uint32_t>(r.a({row, k}))));
      b.push_back(number(c.b, static_cast<std::uint32_t>(r.b({r.meets(row, k), column}))));
    }
    const double sum = fused_sum(a, b, number(c.c, static_cast<std::uint32_t>(r.c({row, column}))), 25);
    const std::uint32_t expected = c.c == Type::f16 ? f16_nearest(sum) : f32_toward_zero(sum, 23);
    ASSERT_EQ(r.d({row, column}), expected) << c.opcode() << " exact " << row << "," << column << " " << sum;
  });
}

inline void expect_fast(const Case& c) {
  Result r = multiply(c, false, false, 4);
  each(c, [&](int row, int column) {
    double sum = number(c.c, static_cast<std::uint32_t>(r.c({row, column}))).value(), size = std::abs(sum);
    for (int k = 0; k < c.stored(); ++k) {
      const double product = number(c.a, static_cast<std::uint32_t>(r.a({row, k}))).value() *
                             number(c.b, static_cast<std::uint32_t>(r.b({r.meets(row, k), column}))).value();
      sum += product;
      size += std::abs(product);
    }
    const double d = number(c.c, static_cast<std::uint32_t>(r.d({row, column}))).value();
    if (!std::isfinite(sum)) {
      ASSERT_TRUE(std::isnan(sum) ? std::isnan(d) : d == sum) << c.opcode();
      return;
    }
    const double bound = size * (2 * c.k * 0x1p-24 + (c.c == Type::f16 ? 0x1p-11 : 0));
    ASSERT_NEAR(d, sum, bound) << c.opcode() << " fast " << row << "," << column;
  });
}

inline std::int64_t integer(Type type, std::uint64_t bits) {
  const int n = bits_of(type);
  const bool negative = is_signed(type) && (bits >> (n - 1) & 1) != 0;
  return static_cast<std::int64_t>(bits) - (negative ? std::int64_t{1} << n : 0);
}

inline void expect_integers(const Case& c) {
  Result r = multiply(c, false, false, 5);
  each(c, [&](int row, int column) {
    std::int64_t sum = integer(Type::s32, r.c({row, column}));
    for (int k = 0; k < c.stored(); ++k) {
      const std::int64_t x = integer(c.a, r.a({row, k})), y = integer(c.b, r.b({r.meets(row, k), column}));
      sum += c.a != Type::b1 ? x * y : c.bits_and ? x & y : x ^ y;
    }
    if (c.satfinite) sum = std::clamp<std::int64_t>(sum, INT32_MIN, INT32_MAX);
    ASSERT_EQ(static_cast<std::uint32_t>(r.d({row, column})), static_cast<std::uint32_t>(sum)) << c.opcode();
  });
}

}  // namespace triptych::emulator::test

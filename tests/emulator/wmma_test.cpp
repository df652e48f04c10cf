// ctest: labels=sanitize
// wmma in every shape, type and layout: matrices from memory, their product and the result to memory, against
// sums over host matrices.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/emulator/matrix_model.h"
#include "tests/emulator/ptx_run.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("wmma");

struct Case {
  int m, n, k;
  Type a, c, d;
  std::string product;            ///< the opcode after "wmma.mma", with {} for the layouts and the shape
  bool a_row = true, b_row = false, c_row = true, d_row = true;
  std::string space = ".global";
  bool strides = true;            ///< written, and longer than the rows
  bool satfinite = false;
};

int bits(Type t) { return t == Type::tf32 ? 32 : bits_of(t); }
std::string shape_of(const Case& c) { return fmt::format("m{}n{}k{}", c.m, c.n, c.k); }

/// Registers of a fragment with so many elements.
int registers(Type type, int elements, bool operand) {
  if (operand && type == Type::f16) return 8;
  return bits(type) >= 32 ? elements / 32 : elements * bits(type) / 32 / 32;
}

/// A matrix in memory.
struct Stored {
  int rows, columns;
  bool row_major;
  Type type;
  int stride;
  std::vector<std::uint8_t> bytes;

  Stored(int r, int c, bool row, Type t, bool padded)
      : rows(r), columns(c), row_major(row), type(t),
        stride((row ? c : r) + (padded ? std::max(16, 128 / bits(t)) : 0)),
        bytes(static_cast<std::size_t>(stride * (row ? r : c) * bits(t) / 8)) {}
  /// Bit offset of an element.
  std::size_t at(int row, int column) const {
    return static_cast<std::size_t>((row_major ? row * stride + column : column * stride + row) * bits(type));
  }
  std::uint64_t get(int row, int column) const {
    std::uint64_t value = 0;
    const std::size_t bit = at(row, column), size = static_cast<std::size_t>(std::max(1, bits(type) / 8));
    std::memcpy(&value, bytes.data() + bit / 8, size);
    return value >> bit % 8 & (~std::uint64_t{0} >> (64 - bits(type)));
  }
  void put(int row, int column, std::uint64_t value) {
    const std::size_t bit = at(row, column), size = static_cast<std::size_t>(std::max(1, bits(type) / 8));
    std::uint64_t old = 0;
    std::memcpy(&old, bytes.data() + bit / 8, size);
    old |= value << bit % 8;
    std::memcpy(bytes.data() + bit / 8, &old, size);
  }
};

std::string names(char letter, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += fmt::format("{}{}{}", i == 0 ? "{" : ", ", letter, i);
  return text + "}";
}
std::string register_type(Type t) { return t == Type::f64 ? "f64" : t == Type::f32 ? "f32" : t == Type::s32 ? "s32" : "b32"; }

/// All bytes of a matrix from global memory at p to shared memory at s, or back.
std::string copy(const Stored& m, char part, bool in) {
  return fmt::format(
      "{{\n.reg .b32 n, t; .reg .b64 g; .reg .b16 v; .reg .pred end;\nmov.u32 n, %tid.x;\nL{0}:\nsetp.ge.u32 end, n, {1};\n"
      "@end bra M{0};\ncvt.u64.u32 g, n;\nadd.u64 g, g, p;\nmov.u32 t, s{2};\nadd.u32 t, t, n;\n{3}add.u32 n, n, 32;\nbra L{0};\n"
      "M{0}:\nbar.warp.sync -1;\n}}\n",
      in ? fmt::format("{}in", part) : fmt::format("{}out", part), m.bytes.size(), part,
      in ? "ld.global.b8 v, [g];\nst.shared.b8 [t], v;\n" : "ld.shared.b8 v, [t];\nst.global.b8 [g], v;\n");
}

std::string kernel(const Case& c, const Stored& a, const Stored& b, const Stored& cc, const Stored& d) {
  const int na = registers(c.a, c.m * c.k, true), nb = registers(c.a, c.k * c.n, true);
  const int nc = registers(c.c, c.m * c.n, false), nd = registers(c.d, c.m * c.n, false);
  const bool shared = c.space.find("shared") != std::string::npos;
  const auto layout = [](bool row) { return row ? "row" : "col"; };
  const auto stride = [&](const Stored& m) { return c.strides ? fmt::format(", {}", m.stride) : std::string(); };
  std::string text = fmt::format(
      ".visible .entry k(.param .u64 pa, .param .u64 pb, .param .u64 pc, .param .u64 pd)\n{{\n"
      ".reg .{} a<{}>, b<{}>; .reg .{} c<{}>; .reg .{} d<{}>; .reg .b64 p;\n"
      ".shared .align 32 .b8 sa[{}]; .shared .align 32 .b8 sb[{}]; .shared .align 32 .b8 sc[{}]; .shared .align 32 .b8 sd[{}];\n",
      register_type(c.a), na, nb, register_type(c.c), nc, register_type(c.d), nd, a.bytes.size(), b.bytes.size(),
      cc.bytes.size(), d.bytes.size());
  const auto at = [&](char part) { return shared ? fmt::format("s{}", part) : std::string("p"); };
  const auto find = [&](char part, const Stored& m) {
    text += fmt::format("ld.param.u64 p, [p{}];\n", part) + (shared ? copy(m, part, true) : "");
  };
  const auto load = [&](char part, bool row, const Stored& m, int count) {
    find(part, m);
    text += fmt::format("wmma.load.{}.sync.aligned.{}.{}{}.{} {}, [{}]{};\n", part, layout(row), shape_of(c), c.space,
                        name_of(m.type), names(part, count), at(part), stride(m));
  };
  load('a', c.a_row, a, na);
  load('b', c.b_row, b, nb);
  load('c', c.c_row, cc, nc);
  text += "wmma.mma" + fmt::format(fmt::runtime(c.product), fmt::format("{}.{}.{}", layout(c.a_row), layout(c.b_row), shape_of(c))) +
          fmt::format(" {}, {}, {}, {};\n", names('d', nd), names('a', na), names('b', nb), names('c', nc));
  find('d', d);
  text += fmt::format("wmma.store.d.sync.aligned.{}.{}{}.{} [{}], {}{};\n", layout(c.d_row), shape_of(c), c.space,
                      name_of(c.d), at('d'), names('d', nd), stride(d));
  return text + (shared ? copy(d, 'd', false) : "") + "ret;\n}\n";
}

struct Product {
  Stored a, b, c, d;
};

Product multiply(const Case& c, bool exact, bool wild, unsigned seed) {
  std::mt19937_64 random(seed);
  Product r{{c.m, c.k, c.a_row, c.a, c.strides}, {c.k, c.n, c.b_row, c.a, c.strides},
        {c.m, c.n, c.c_row, c.c, c.strides}, {c.m, c.n, c.d_row, c.d, c.strides}};
  for (Stored* m : {&r.a, &r.b, &r.c}) {
    for (int row = 0; row < m->rows; ++row) {
      for (int column = 0; column < m->columns; ++column) {
        std::uint64_t value = m->type == Type::f64 ? std::bit_cast<std::uint64_t>(std::ldexp(static_cast<double>(random()), -64) - 0.5)
                                                   : random_element(m->type, random, wild);
        if (c.satfinite && m == &r.c) value = random() % 2 != 0 ? 0x7FFFFFF0 : 0x80000010;
        m->put(row, column, value);
      }
    }
  }
  MachineOptions options = Program::one_sm();
  options.exact_tensor = exact;
  const std::string text = kernel(c, r.a, r.b, r.c, r.d);
  Program program(text, options);
  const std::uint64_t d = program.buffer(r.d.bytes);
  EXPECT_EQ(program.run("k", {program.buffer(r.a.bytes), program.buffer(r.b.bytes), program.buffer(r.c.bytes), d}), "") << text;
  r.d.bytes = program.read<std::uint8_t>(d, r.d.bytes.size());
  return r;
}

void expect_floats(const Case& c) {
  for (const bool exact : {true, false}) {
    const Product r = multiply(c, exact, exact, 3);
    for (int row = 0; row < c.m; ++row) {
      for (int column = 0; column < c.n; ++column) {
        std::vector<Number> a, b;
        const Number start = number(c.c, static_cast<std::uint32_t>(r.c.get(row, column)));
        double sum = start.value(), size = std::abs(sum);
        for (int k = 0; k < c.k; ++k) {
          a.push_back(number(c.a, static_cast<std::uint32_t>(r.a.get(row, k))));
          b.push_back(number(c.a, static_cast<std::uint32_t>(r.b.get(k, column))));
          sum += a.back().value() * b.back().value();
          size += std::abs(a.back().value() * b.back().value());
        }
        const auto got = static_cast<std::uint32_t>(r.d.get(row, column));
        if (exact) {
          const double fused = fused_sum(a, b, start, 25);
          ASSERT_EQ(got, c.d == Type::f16 ? f16_nearest(fused) : f32_toward_zero(fused, 23)) << c.product << " " << row << "," << column;
        } else if (std::isfinite(sum)) {
          const double bound = size * (2 * c.k * 0x1p-24 + (c.d == Type::f16 ? 0x1p-11 : 0));
          ASSERT_NEAR(number(c.d, got).value(), sum, bound) << c.product << " " << row << "," << column;
        }
      }
    }
  }
}

std::int64_t integer(Type type, std::uint64_t value) {
  const int n = bits_of(type);
  const bool negative = is_signed(type) && (value >> (n - 1) & 1) != 0;
  return static_cast<std::int64_t>(value) - (negative ? std::int64_t{1} << n : 0);
}

void expect_integers(const Case& c) {
  const Product r = multiply(c, false, false, 4);
  const bool both = c.product.find(".and") != std::string::npos;
  for (int row = 0; row < c.m; ++row) {
    for (int column = 0; column < c.n; ++column) {
      std::int64_t sum = integer(Type::s32, r.c.get(row, column));
      for (int k = 0; k < c.k; ++k) {
        const std::int64_t x = integer(c.a, r.a.get(row, k)), y = integer(c.a, r.b.get(k, column));
        sum += c.a != Type::b1 ? x * y : both ? x & y : x ^ y;
      }
      if (c.satfinite) sum = std::clamp<std::int64_t>(sum, INT32_MIN, INT32_MAX);
      ASSERT_EQ(static_cast<std::uint32_t>(r.d.get(row, column)), static_cast<std::uint32_t>(sum)) << c.product << " " << row << "," << column;
    }
  }
}

const std::vector<std::array<int, 3>> halves = {{16, 16, 16}, {8, 32, 16}, {32, 8, 16}};

constexpr std::array<const char*, 4> spaces = {".global", "", ".shared", ".shared::cta"};

/// Both layouts of A and B with those of C and D, strides and spaces mixed in.
template <class F>
void each_layout(Case c, F&& expect) {
  for (int which = 0; which < 8; ++which) {
    c.a_row = (which & 1) != 0, c.b_row = (which & 2) != 0, c.c_row = (which & 4) != 0, c.d_row = ((which ^ which >> 1) & 1) != 0;
    c.strides = which % 3 != 0;
    c.space = spaces[static_cast<std::size_t>(which / 2)];
    expect(c);
  }
}

TEST(Wmma, Halves) {
  for (const auto& [m, n, k] : halves) {
    for (const Type d : {Type::f32, Type::f16}) {
      for (const Type c : {Type::f32, Type::f16}) {
        each_layout({m, n, k, Type::f16, c, d, fmt::format(".sync.aligned.{{}}.{}.{}", name_of(d), name_of(c))}, expect_floats);
      }
    }
    each_layout({m, n, k, Type::bf16, Type::f32, Type::f32, ".sync.aligned.{}.f32.bf16.bf16.f32"}, expect_floats);
  }
  each_layout({16, 16, 8, Type::tf32, Type::f32, Type::f32, ".sync.aligned.{}.f32.tf32.tf32.f32"}, expect_floats);
}

TEST(Wmma, Integers) {
  for (const bool saturate : {false, true}) {
    const std::string end = saturate ? ".satfinite" : "";
    for (const Type a : {Type::s8, Type::u8}) {
      for (const auto& [m, n, k] : halves) {
        Case c{m, n, k, a, Type::s32, Type::s32, fmt::format(".sync.aligned.{{}}.s32.{0}.{0}.s32{1}", name_of(a), end)};
        c.satfinite = saturate;
        each_layout(c, expect_integers);
      }
    }
    for (const Type a : {Type::s4, Type::u4}) {
      Case c{8, 8, 32, a, Type::s32, Type::s32, fmt::format(".sync.aligned.{{}}.s32.{0}.{0}.s32{1}", name_of(a), end)};
      c.satfinite = saturate;
      for (const char* space : spaces) {
        c.space = space;
        for (const bool strides : {false, true}) {
          c.strides = strides;
          expect_integers(c);
        }
      }
    }
  }
  for (const std::string op : {"xor", "and"}) {
    Case c{8, 8, 128, Type::b1, Type::s32, Type::s32, "." + op + ".popc.sync.aligned.{}.s32.b1.b1.s32"};
    for (const char* space : spaces) {
      c.space = space;
      for (const bool row : {false, true}) {
        c.c_row = c.d_row = row;
        expect_integers(c);
      }
    }
  }
}

TEST(Wmma, Doubles) {
  for (const std::string mode : {"", "rn", "rz", "rm", "rp"}) {
    each_layout({8, 8, 4, Type::f64, Type::f64, Type::f64, ".sync.aligned.{}" + (mode.empty() ? "" : "." + mode) + ".f64.f64.f64.f64"}, [&](const Case& c) {
      const Product r = multiply(c, false, false, 5);
      for (int row = 0; row < 8; ++row) {
        for (int column = 0; column < 8; ++column) {
          auto sum = std::bit_cast<double>(r.c.get(row, column));
          for (int k = 0; k < 4; ++k) sum = fma_rounded(std::bit_cast<double>(r.a.get(row, k)), std::bit_cast<double>(r.b.get(k, column)), sum, mode);
          ASSERT_EQ(std::bit_cast<double>(r.d.get(row, column)), sum) << row << "," << column;
        }
      }
    });
  }
}

// Elements that no operand has are left alone, in registers and in memory.
TEST(Wmma, StoresNothingBetweenTheRows) {
  Case c{16, 16, 16, Type::f16, Type::f32, Type::f32, ".sync.aligned.{}.f32.f32"};
  const Product r = multiply(c, false, false, 6);
  for (int row = 0; row < 15; ++row) {
    for (std::size_t pad = 0; pad < 64; ++pad) EXPECT_EQ(r.d.bytes[r.d.at(row, 15) / 8 + 4 + pad], 0) << row;
  }
}

TEST(Wmma, NeedsAWholeWarp) {
  const Case c{16, 16, 16, Type::f16, Type::f32, Type::f32, ".sync.aligned.{}.f32.f32"};
  const Stored half{16, 16, true, Type::f16, true}, single{16, 16, true, Type::f32, true};
  Program program(kernel(c, half, half, single, single));
  const std::uint64_t at = program.buffer(std::vector<std::uint64_t>(1024));
  EXPECT_NE(program.run("k", {at, at, at, at}, {.block = {16, 1, 1}}).find("all 32 lanes"), std::string::npos);
}

}  // namespace
}  // namespace triptych::emulator::test

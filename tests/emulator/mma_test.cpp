// ctest: timeout=240
// mma.sync in every shape and type, against sums over host matrices; fragments by the ISA's formulas.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "emulator/instruction/matrix.h"
#include "tests/emulator/matrix_model.h"
#include "tests/emulator/ptx_run.h"

namespace triptych::emulator::test {
namespace {

[[maybe_unused]] const bool checked = every_form_must_run("mma");

using Bits = std::vector<std::uint64_t>;

struct Case {
  int m, k;
  Type a, b, c;                    ///< c also D's
  std::string words;               ///< the opcode without "mma.sync.aligned"
  bool satfinite = false, bits_and = false;
};

int element_bits(Type t) { return t == Type::tf32 ? 32 : bits_of(t); }
int per_register(Type t) { return t == Type::f64 ? 1 : 32 / element_bits(t); }
std::string register_type(Type t) { return t == Type::f64 ? "b64" : "b32"; }

/// Where element i of A, B and C lies that lane t holds.
struct At {
  int row, column;
};
At a_at(const Case& c, int t, int i) {
  const int e = per_register(c.a), r = i / e, g = t / 4, q = t % 4;
  if (c.m == 8) return {g, e * q + i % e + 4 * e * r};
  return {g + 8 * (r & 1), e * q + i % e + 4 * e * (r >> 1)};
}
At b_at(const Case& c, int t, int i) {
  const int e = per_register(c.b);
  return {e * (t % 4) + i % e + 4 * e * (i / e), t / 4};
}
At c_at(int t, int i) { return {t / 4 + 8 * (i >> 1), 2 * (t % 4) + (i & 1)}; }

/// A, B, C or D of a case as elements' bits, row by row; and as the registers that the lanes hold.
struct Matrix {
  int rows, columns;
  Bits at;
  std::uint64_t& operator()(const At& p) { return at[static_cast<std::size_t>(p.row * columns + p.column)]; }
};

/// One register after the other, 32 lanes each; f(lane, element) is an element's bits.
template <class F>
Bits to_registers(Type type, int elements, F f) {
  const int e = per_register(type);
  Bits words(static_cast<std::size_t>(elements / e * 32));
  for (int t = 0; t < 32; ++t) {
    for (int i = 0; i < elements; ++i) words[static_cast<std::size_t>(i / e * 32 + t)] |= f(t, i) << (i % e * element_bits(type));
  }
  return words;
}

std::string names(char letter, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += fmt::format("{}{}{}", i == 0 ? "{" : ", ", letter, i);
  return text + "}";
}

/// A kernel that loads the fragments, multiplies and stores D.
std::string kernel(const Case& c, const std::string& opcode, int na, int nb, int nc) {
  std::string text = fmt::format(
      ".visible .entry k(.param .u64 pa, .param .u64 pb, .param .u64 pc, .param .u64 pd)\n{{\n"
      ".reg .{} a<{}>; .reg .{} b<{}>; .reg .{} c<{}>, d<{}>; .reg .b64 p, l; .reg .b32 t;\n"
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
  text += fmt::format("{} {}, {}, {}, {};\n", opcode, names('d', nc), names('a', na), names('b', nb), names('c', nc));
  move('d', nc, c.c, false);
  return text + "ret;\n}\n";
}

struct Result {
  Matrix a, b, c, d;
};

Result multiply(const Case& c, bool exact, bool wild, unsigned seed) {
  std::mt19937_64 random(seed);
  Result r{{c.m, c.k, {}}, {c.k, 8, {}}, {c.m, 8, {}}, {c.m, 8, {}}};
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
  const int ea = c.m * c.k / 32, eb = c.k * 8 / 32, ec = c.m * 8 / 32;
  const int na = ea / per_register(c.a), nb = eb / per_register(c.b), nc = ec / per_register(c.c);
  MachineOptions options = Program::one_sm();
  options.exact_tensor = exact;
  Program program(kernel(c, "mma.sync.aligned" + c.words, na, nb, nc), options);
  const std::uint64_t d = program.buffer(Bits(static_cast<std::size_t>(nc * 32)));
  const std::string fault = program.run(
      "k", {program.buffer(to_registers(c.a, ea, [&](int t, int i) { return r.a(a_at(c, t, i)); })),
            program.buffer(to_registers(c.b, eb, [&](int t, int i) { return r.b(b_at(c, t, i)); })),
            program.buffer(to_registers(c.c, ec, [&](int t, int i) { return r.c(c_at(t, i)); })), d});
  EXPECT_EQ(fault, "") << c.words;
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
void each(const Case& c, F&& f) {
  for (int row = 0; row < c.m; ++row) {
    for (int column = 0; column < 8; ++column) f(row, column);
  }
}

void expect_exact(const Case& c) {
  Result r = multiply(c, true, true, 3);
  each(c, [&](int row, int column) {
    std::vector<Number> a, b;
    for (int k = 0; k < c.k; ++k) {
      a.push_back(number(c.a, static_cast<std::uint32_t>(r.a({row, k}))));
      b.push_back(number(c.b, static_cast<std::uint32_t>(r.b({k, column}))));
    }
    const double sum = fused_sum(a, b, number(c.c, static_cast<std::uint32_t>(r.c({row, column}))), 25);
    const std::uint32_t expected = c.c == Type::f16 ? f16_nearest(sum) : f32_toward_zero(sum, 23);
    ASSERT_EQ(r.d({row, column}), expected) << c.words << " exact " << row << "," << column << " " << sum;
  });
}

void expect_fast(const Case& c) {
  Result r = multiply(c, false, false, 4);
  each(c, [&](int row, int column) {
    double sum = number(c.c, static_cast<std::uint32_t>(r.c({row, column}))).value(), size = std::abs(sum);
    for (int k = 0; k < c.k; ++k) {
      const double product = number(c.a, static_cast<std::uint32_t>(r.a({row, k}))).value() *
                             number(c.b, static_cast<std::uint32_t>(r.b({k, column}))).value();
      sum += product;
      size += std::abs(product);
    }
    const double d = number(c.c, static_cast<std::uint32_t>(r.d({row, column}))).value();
    if (!std::isfinite(sum)) {
      ASSERT_TRUE(std::isnan(sum) ? std::isnan(d) : d == sum) << c.words;
      return;
    }
    const double bound = size * (2 * c.k * 0x1p-24 + (c.c == Type::f16 ? 0x1p-11 : 0));
    ASSERT_NEAR(d, sum, bound) << c.words << " fast " << row << "," << column;
  });
}

TEST(Mma, SmallFloats) {
  for (const bool half : {false, true}) {
    const Type c = half ? Type::f16 : Type::f32;
    const std::string f = half ? ".f16" : ".f32";
    std::vector<Case> cases = {{16, 8, Type::f16, Type::f16, c, ".m16n8k8.row.col" + f + ".f16.f16" + f},
                               {16, 16, Type::f16, Type::f16, c, ".m16n8k16.row.col" + f + ".f16.f16" + f}};
    for (const int k : {16, 32}) {
      for (const Type a : {Type::e4m3, Type::e5m2}) {
        for (const Type b : {Type::e4m3, Type::e5m2}) {
          cases.push_back({16, k, a, b, c, fmt::format(".m16n8k{}.row.col{}.{}.{}{}", k, f, name_of(a), name_of(b), f)});
        }
      }
    }
    if (!half) {
      for (const int k : {8, 16}) cases.push_back({16, k, Type::bf16, Type::bf16, c, fmt::format(".m16n8k{}.row.col.f32.bf16.bf16.f32", k)});
      for (const int k : {4, 8}) cases.push_back({16, k, Type::tf32, Type::tf32, c, fmt::format(".m16n8k{}.row.col.f32.tf32.tf32.f32", k)});
    }
    for (const Case& one : cases) {
      expect_exact(one);
      expect_fast(one);
    }
  }
}

std::int64_t integer(Type type, std::uint64_t bits) {
  const int n = bits_of(type);
  const bool negative = is_signed(type) && (bits >> (n - 1) & 1) != 0;
  return static_cast<std::int64_t>(bits) - (negative ? std::int64_t{1} << n : 0);
}

TEST(Mma, Integers) {
  std::vector<Case> cases;
  const auto add = [&](int m, int k, Type a, Type b) {
    for (const bool saturate : {false, true}) {
      cases.push_back({m, k, a, b, Type::s32, fmt::format(".m{}n8k{}.row.col{}.s32.{}.{}.s32", m, k, saturate ? ".satfinite" : "", name_of(a), name_of(b)), saturate});
    }
  };
  for (const Type a : {Type::s8, Type::u8}) {
    for (const Type b : {Type::s8, Type::u8}) add(8, 16, a, b), add(16, 16, a, b), add(16, 32, a, b);
  }
  for (const Type a : {Type::s4, Type::u4}) {
    for (const Type b : {Type::s4, Type::u4}) add(8, 32, a, b), add(16, 32, a, b), add(16, 64, a, b);
  }
  for (const auto& [m, k] : {std::pair{8, 128}, {16, 128}, {16, 256}}) {
    for (const bool both : {false, true}) {
      cases.push_back({m, k, Type::b1, Type::b1, Type::s32, fmt::format(".m{}n8k{}.row.col.s32.b1.b1.s32.{}.popc", m, k, both ? "and" : "xor"), false, both});
    }
  }
  for (const Case& c : cases) {
    Result r = multiply(c, false, false, 5);
    each(c, [&](int row, int column) {
      std::int64_t sum = integer(Type::s32, r.c({row, column}));
      for (int k = 0; k < c.k; ++k) {
        const std::int64_t x = integer(c.a, r.a({row, k})), y = integer(c.b, r.b({k, column}));
        sum += c.a != Type::b1 ? x * y : c.bits_and ? x & y : x ^ y;
      }
      if (c.satfinite) sum = std::clamp<std::int64_t>(sum, INT32_MIN, INT32_MAX);
      ASSERT_EQ(static_cast<std::uint32_t>(r.d({row, column})), static_cast<std::uint32_t>(sum)) << c.words;
    });
  }
}

TEST(Mma, Doubles) {
  for (const std::string rn : {"", ".rn"}) {
    for (const auto& [m, k] : {std::pair{8, 4}, {16, 4}, {16, 8}, {16, 16}}) {
      const Case c{m, k, Type::f64, Type::f64, Type::f64, fmt::format(".m{}n8k{}.row.col{}.f64.f64.f64.f64", m, k, rn)};
      Result r = multiply(c, false, false, 6);
      each(c, [&](int row, int column) {
        auto sum = std::bit_cast<double>(r.c({row, column}));
        for (int i = 0; i < k; ++i) sum = std::fma(std::bit_cast<double>(r.a({row, i})), std::bit_cast<double>(r.b({i, column})), sum);
        ASSERT_EQ(std::bit_cast<double>(r.d({row, column})), sum) << c.words;
      });
    }
  }
}

TEST(Mma, NeedsAWholeWarp) {
  const Case c{16, 8, Type::f16, Type::f16, Type::f32, ""};
  Program program(kernel(c, "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32", 2, 1, 4));
  const std::uint64_t at = program.buffer(Bits(1024));
  EXPECT_NE(program.run("k", {at, at, at, at}, {.block = {16, 1, 1}}).find("all 32 lanes"), std::string::npos);
}

}  // namespace
}  // namespace triptych::emulator::test

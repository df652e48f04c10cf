// ctest: timeout=240 labels=sanitize
// mma.sync in every shape and type, against sums over host matrices.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/emulator/mma_run.h"

namespace triptych::emulator::test {
namespace {

[[maybe_unused]] const bool checked = every_form_must_run("mma");

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
  for (const Case& c : cases) expect_integers(c);
}

TEST(Mma, Doubles) {
  for (const std::string mode : {"", "rn", "rz", "rm", "rp"}) {
    for (const auto& [m, k] : {std::pair{8, 4}, {16, 4}, {16, 8}, {16, 16}}) {
      const Case c{m, k, Type::f64, Type::f64, Type::f64, fmt::format(".m{}n8k{}.row.col{}{}.f64.f64.f64.f64", m, k, mode.empty() ? "" : ".", mode)};
      Result r = multiply(c, false, false, 6);
      each(c, [&](int row, int column) {
        auto sum = std::bit_cast<double>(r.c({row, column}));
        for (int i = 0; i < k; ++i) sum = fma_rounded(std::bit_cast<double>(r.a({row, i})), std::bit_cast<double>(r.b({i, column})), sum, mode);
        ASSERT_EQ(std::bit_cast<double>(r.d({row, column})), sum) << c.words;
      });
    }
  }
}

/// Row and column that lane t holds of the four products of m8n8k4, by the ISA.
At quad_a(bool column, int t, int i) { return column ? At{i + t / 16 * 4, t % 4} : At{t % 4 + t / 16 * 4, i}; }
At quad_b(bool column, int t, int i) { return column ? At{i, t % 4 + t / 16 * 4} : At{t % 4, i + t / 16 * 4}; }
At quad_c(bool half, int t, int i) {
  return half ? At{t % 4 + t / 16 * 4, i} : At{(t & 1) + (i & 2) + t / 16 * 4, (i & 4) + (t & 2) + (i & 1)};
}

void expect_quads(bool a_column, bool b_column, Type d, Type c, bool exact) {
  const std::string opcode = fmt::format("mma.sync.aligned.m8n8k4.{}.{}.{}.f16.f16.{}", a_column ? "col" : "row", b_column ? "col" : "row", name_of(d), name_of(c));
  std::mt19937_64 random(8);
  const auto matrices = [&](int rows, int columns, Type type, bool empty) {
    std::vector<Matrix> four(4, Matrix{rows, columns, Bits(static_cast<std::size_t>(rows * columns))});
    for (Matrix& m : four) {
      for (auto& bits : m.at) bits = empty ? 0 : random_element(type, random, exact);
    }
    return four;
  };
  std::vector<Matrix> a = matrices(8, 4, Type::f16, false), b = matrices(4, 8, Type::f16, false), before = matrices(8, 8, c, false), after = matrices(8, 8, d, true);
  const int nc = c == Type::f16 ? 4 : 8, nd = d == Type::f16 ? 4 : 8;
  std::string text = ".visible .entry k(.param .u64 pa, .param .u64 pb, .param .u64 pc, .param .u64 pd)\n{\n.reg .b32 a<2>, b<2>, c<8>, d<8>, t; .reg .b64 p, l;\n"
                     "mov.u32 t, %laneid;\nmul.wide.u32 l, t, 8;\n";
  const auto move = [&](char letter, int count, bool load) {
    text += fmt::format("ld.param.u64 p, [p{}];\nadd.u64 p, p, l;\n", letter);
    for (int i = 0; i < count; ++i) text += load ? fmt::format("ld.global.b32 {}{}, [p+{}];\n", letter, i, i * 256) : fmt::format("st.global.b32 [p+{}], {}{};\n", i * 256, letter, i);
  };
  move('a', 2, true), move('b', 2, true), move('c', nc, true);
  text += fmt::format("{} {}, {{a0, a1}}, {{b0, b1}}, {};\n", opcode, names('d', nd), names('c', nc));
  move('d', nd, false);
  MachineOptions options = Program::one_sm();
  options.exact_tensor = exact;
  Program program(text + "ret;\n}\n", options);
  const auto of = [](std::vector<Matrix>& m, int t) -> Matrix& { return m[static_cast<std::size_t>(t % 16 / 4)]; };
  const std::uint64_t out = program.buffer(Bits(8 * 32));
  ASSERT_EQ(program.run("k", {program.buffer(to_registers(Type::f16, 4, [&](int t, int i) { return of(a, t)(quad_a(a_column, t, i)); })),
                              program.buffer(to_registers(Type::f16, 4, [&](int t, int i) { return of(b, t)(quad_b(b_column, t, i)); })),
                              program.buffer(to_registers(c, 8, [&](int t, int i) { return of(before, t)(quad_c(c == Type::f16, t, i)); })), out}), "");
  const Bits words = program.read<std::uint64_t>(out, static_cast<std::size_t>(nd * 32));
  const int e = per_register(d);
  for (int t = 0; t < 32; ++t) {
    for (int i = 0; i < 8; ++i) {
      const std::uint64_t word = words[static_cast<std::size_t>(i / e * 32 + t)] >> (i % e * 16);
      of(after, t)(quad_c(d == Type::f16, t, i)) = d == Type::f16 ? word & 0xFFFF : word;
    }
  }
  for (std::size_t p = 0; p < 4; ++p) {
    for (int row = 0; row < 8; ++row) {
      for (int column = 0; column < 8; ++column) {
        std::vector<Number> x, y;
        const Number start = number(c, static_cast<std::uint32_t>(before[p]({row, column})));
        double sum = start.value(), size = std::abs(sum);
        for (int k = 0; k < 4; ++k) {
          x.push_back(number(Type::f16, static_cast<std::uint32_t>(a[p]({row, k}))));
          y.push_back(number(Type::f16, static_cast<std::uint32_t>(b[p]({k, column}))));
          sum += x.back().value() * y.back().value();
          size += std::abs(x.back().value() * y.back().value());
        }
        const auto found = static_cast<std::uint32_t>(after[p]({row, column}));
        if (exact) {
          const double fused = fused_sum(x, y, start, 25);
          ASSERT_EQ(found, d == Type::f16 ? f16_nearest(fused) : f32_toward_zero(fused, 23)) << opcode;
        } else {
          ASSERT_NEAR(number(d, found).value(), sum, size * (8 * 0x1p-24 + (d == Type::f16 ? 0x1p-11 : 0))) << opcode;
        }
      }
    }
  }
}

TEST(Mma, FourProductsOfEightLanes) {
  for (const bool a_column : {false, true}) {
    for (const bool b_column : {false, true}) {
      for (const bool exact : {false, true}) {
        expect_quads(a_column, b_column, Type::f16, Type::f16, exact);
        expect_quads(a_column, b_column, Type::f32, Type::f16, exact);
        expect_quads(a_column, b_column, Type::f32, Type::f32, exact);
      }
    }
  }
}

// As ptxas: halves may be .b32 or .f16x2, what has no register type of its own .b32 alone, the others any of 32 bits.
TEST(Mma, TypesOfRegisters) {
  const auto error = [](const std::string& type, const std::string& shape, const std::string& types) {
    return error_of(fmt::format(".visible .entry k()\n{{\n.reg .{} a<4>; .reg .b32 b<2>; .reg .f32 c<4>, d<4>;\n"
                                "mma.sync.aligned.{}.row.col.f32.{}.f32 {{d0, d1, d2, d3}}, {{a0, a1, a2, a3}}, {{b0, b1}}, {{c0, c1, c2, c3}};\nret;\n}}\n", type, shape, types));
  };
  for (const std::string type : {"b32", "f16x2", "u32", "s32", "f32"}) {
    EXPECT_EQ(error(type, "m16n8k16", "f16.f16").empty(), type == "b32" || type == "f16x2") << type;
    EXPECT_EQ(error(type, "m16n8k16", "bf16.bf16").empty(), type == "b32") << type;
    EXPECT_EQ(error(type, "m16n8k8", "tf32.tf32").empty(), type == "b32") << type;
    EXPECT_EQ(error(type, "m16n8k32", "e4m3.e4m3"), "") << type;
  }
}

TEST(Mma, NeedsAWholeWarp) {
  Program program(kernel({16, 8, Type::f16, Type::f16, Type::f32, ".m16n8k8.row.col.f32.f16.f16.f32"}, 2, 1, 4));
  const std::uint64_t at = program.buffer(Bits(1024));
  EXPECT_NE(program.run("k", {at, at, at, at, at}, {.block = {16, 1, 1}}).find("all 32 lanes"), std::string::npos);
}

}  // namespace
}  // namespace triptych::emulator::test

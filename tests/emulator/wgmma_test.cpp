// ctest: timeout=300
// wgmma in every shape and type, against sums over host matrices. Operands are laid out in shared memory by
// the descriptor's formulas; D and A in registers by the ISA's tables.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/emulator/wgmma_run.h"

namespace triptych::emulator::test {
namespace {

[[maybe_unused]] const bool checked = every_form_must_run("wgmma");

std::string describe(const Case& c) {
  return fmt::format("{} A {}{} {} B {}{} {}", opcode(c), c.la.width, c.la.turned ? " turned" : "", c.registers ? "in registers" : "",
                     c.lb.width, c.lb.turned ? " turned" : "", c.slice);
}

Number signed_number(Type type, std::uint32_t bits, int scale) {
  Number n = number(type, bits);
  n.significand *= scale;
  return n;
}

void expect_floats(const Case& c, bool exact, unsigned seed) {
  MachineOptions options = Program::one_sm();
  options.exact_tensor = exact;
  options.seed = seed % 3;
  Matrices m;
  ASSERT_EQ(multiply(c, m, options, exact, seed), "") << describe(c);
  const int depth = depth_of(c.a);
  const bool fp8 = element_bits(c.a) == 8;
  for (int row = 0; row < 64; ++row) {
    for (int column = 0; column < c.n; ++column) {
      std::vector<Number> a, b;
      const auto at = static_cast<std::size_t>(row * c.n + column);
      const Number start = c.adds ? number(c.d, m.c[at]) : Number{};
      double sum = start.value(), size = std::abs(sum);
      for (int k = 0; k < depth; ++k) {
        a.push_back(signed_number(c.a, m.a[static_cast<std::size_t>(row * depth + k)], c.scale_a));
        b.push_back(signed_number(c.b, m.b[static_cast<std::size_t>(column * depth + k)], c.scale_b));
        sum += a.back().value() * b.back().value();
        size += std::abs(a.back().value() * b.back().value());
      }
      if (exact) {
        const double fused = fused_sum(a, b, start, fp8 ? 13 : 25);
        ASSERT_EQ(m.d[at], c.d == Type::f16 ? f16_nearest(fused) : f32_toward_zero(fused, fp8 ? 13 : 23))
            << describe(c) << " exact " << row << "," << column;
      } else if (std::isfinite(sum)) {
        ASSERT_NEAR(number(c.d, m.d[at]).value(), sum, size * (2 * depth * 0x1p-24 + (c.d == Type::f16 ? 0x1p-11 : 0)))
            << describe(c) << " fast " << row << "," << column;
      }
    }
  }
}

std::int64_t integer(Type type, std::uint32_t bits) {
  const int n = bits_of(type);
  return static_cast<std::int64_t>(bits) - (is_signed(type) && (bits >> (n - 1) & 1) != 0 ? std::int64_t{1} << n : 0);
}

void expect_integers(const Case& c, unsigned seed) {
  Matrices m;
  ASSERT_EQ(multiply(c, m, Program::one_sm(), false, seed), "") << describe(c);
  const int depth = depth_of(c.a);
  for (int row = 0; row < 64; ++row) {
    for (int column = 0; column < c.n; ++column) {
      const auto at = static_cast<std::size_t>(row * c.n + column);
      std::int64_t sum = c.adds ? integer(Type::s32, m.c[at]) : 0;
      for (int k = 0; k < depth; ++k) {
        sum += integer(c.a, m.a[static_cast<std::size_t>(row * depth + k)]) * integer(c.b, m.b[static_cast<std::size_t>(column * depth + k)]);
      }
      if (c.satfinite) sum = std::clamp<std::int64_t>(sum, INT32_MIN, INT32_MAX);
      ASSERT_EQ(m.d[at], static_cast<std::uint32_t>(sum)) << describe(c);
    }
  }
}

/// Every layout of a type, one after the other.
std::vector<Layout> layouts(Type type) {
  std::vector<Layout> all;
  for (const int width : {16, 32, 64, 128}) {
    all.push_back({width, false});
    if (element_bits(type) == 16) all.push_back({width, true});
  }
  return all;
}

TEST(Wgmma, SmallFloatsInEveryShapeAndLayout) {
  struct Kind { Type a, b, d; };
  std::vector<Kind> kinds = {{Type::f16, Type::f16, Type::f32}, {Type::f16, Type::f16, Type::f16},
                             {Type::bf16, Type::bf16, Type::f32}, {Type::tf32, Type::tf32, Type::f32}};
  for (const Type d : {Type::f32, Type::f16}) {
    for (const Type a : {Type::e4m3, Type::e5m2}) {
      for (const Type b : {Type::e4m3, Type::e5m2}) kinds.push_back({a, b, d});
    }
  }
  unsigned turn = 0;
  for (const Kind& kind : kinds) {
    const std::vector<Layout> all = layouts(kind.a);
    for (int step = 2; step < 66; ++step, ++turn) {   // each shape twice: A in shared memory, in registers
      Case c{step / 2 * 8, kind.a, kind.b, kind.d, all[turn % all.size()], all[turn / 3 % all.size()]};
      c.registers = step % 2 == 1;
      c.adds = turn % 5 != 2;
      c.scale_a = turn % 7 == 3 ? -1 : 1;
      c.scale_b = turn % 11 == 3 ? -1 : 1;
      if (c.la.width == 128 && c.lb.width == 128 && !c.la.turned && !c.lb.turned) c.slice = static_cast<int>(turn % 4);
      ASSERT_NO_FATAL_FAILURE(expect_floats(c, turn % 2 == 0, turn));
    }
    // Each layout of A with each of B.
    for (const Layout& la : all) {
      for (const Layout& lb : all) ASSERT_NO_FATAL_FAILURE(expect_floats({72, kind.a, kind.b, kind.d, la, lb}, false, 1));
    }
    for (const bool registers : {false, true}) {
      ASSERT_NO_FATAL_FAILURE(expect_floats({.n = 40, .a = kind.a, .b = kind.b, .d = kind.d, .registers = registers}, true, 2));
    }
  }
}

TEST(Wgmma, Integers) {
  unsigned turn = 0;
  for (int n = 8; n <= 256; n += n < 32 ? 8 : 16) {
    for (const Type a : {Type::s8, Type::u8}) {
      for (const Type b : {Type::s8, Type::u8}) {
        Case c{.n = n, .a = a, .b = b, .d = Type::s32};
        c.satfinite = turn % 3 == 1;
        c.adds = turn % 5 != 1;
        c.la.width = c.lb.width = 16 << turn % 4;
        for (const bool registers : {false, true}) {
          c.registers = registers;
          ASSERT_NO_FATAL_FAILURE(expect_integers(c, ++turn));
        }
      }
    }
    for (const bool registers : {false, true}) {
      ASSERT_NO_FATAL_FAILURE(expect_integers({.n = n, .a = Type::b1, .b = Type::b1, .d = Type::s32, .lb = {64}, .registers = registers}, ++turn));
    }
  }
  EXPECT_NE(error_of(kernel({.n = 40, .a = Type::s8, .b = Type::s8, .d = Type::s32}, 20)), "");
}

TEST(Wgmma, ResultsComeWhenTheyAreWaitedFor) {
  // Right after the issue D still has what it had.
  const std::string body = kernel({.n = 8, .a = Type::bf16, .b = Type::bf16, .d = Type::f32, .adds = false}, 4,
                                  "st.global.b32 [l], d0;\nst.global.b32 [l+512], d1;\nbra Lend;\n") ;
  Program program(std::string(body).replace(body.rfind("ret;"), 4, "Lend: ret;"));
  std::vector<std::uint32_t> before(512, 0x40000000), zero(2 * operand_bytes / 4);
  const std::uint64_t d = program.buffer(before);
  const std::uint64_t z = program.buffer(zero);
  const Place p = place({}, 64, base, 0);
  ASSERT_EQ(program.run("k", {z, z, d, descriptor({}, p), descriptor({}, p)}, {.block = {128, 1, 1}, .dynamic_shared = 2 * operand_bytes}), "");
  EXPECT_EQ(program.read<std::uint32_t>(d, 256), std::vector<std::uint32_t>(256, 0x40000000));
}

TEST(Wgmma, RefusesWhatHasNoMeaning) {
  const Case c{.n = 8, .a = Type::bf16, .b = Type::bf16, .d = Type::f32};
  Program program(kernel(c, 4));
  const std::uint64_t room = program.buffer(std::vector<std::uint32_t>(2 * operand_bytes / 4));
  const std::uint64_t good = descriptor({}, place({}, 64, base, 0));
  const auto run = [&](std::uint64_t a, std::uint64_t b, std::uint32_t threads) {
    return program.run("k", {room, room, room, a, b}, {.block = {threads, 1, 1}, .dynamic_shared = 2 * operand_bytes});
  };
  EXPECT_EQ(run(good, good, 128), "");
  EXPECT_NE(run(good | std::uint64_t{1} << 49, good, 128).find("base offset"), std::string::npos);
  EXPECT_NE(run(good, good | 0x3FFF, 128).find("matrix descriptor leads to shared address"), std::string::npos);
  EXPECT_NE(run(good, good, 96).find("no warpgroup"), std::string::npos);
}

}  // namespace
}  // namespace triptych::emulator::test

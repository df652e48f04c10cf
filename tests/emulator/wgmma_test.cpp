// ctest: timeout=300
// wgmma in every shape and type, against sums over host matrices. Operands are laid out in shared memory by
// the descriptor's formulas; D and A in registers by the ISA's tables.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/emulator/wgmma_expect.h"

namespace triptych::emulator::test {
namespace {

[[maybe_unused]] const bool checked = every_form_must_run("wgmma");

TEST(Wgmma, SmallFloatsInEveryShapeAndLayout) {
  unsigned turn = 0;
  for (const Kind& kind : kinds()) {
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
  ASSERT_EQ(program.run("k", {z, z, z, d, descriptor({}, p), descriptor({}, p)}, {.block = {128, 1, 1}, .dynamic_shared = 2 * operand_bytes}), "");
  EXPECT_EQ(program.read<std::uint32_t>(d, 256), std::vector<std::uint32_t>(256, 0x40000000));
}

TEST(Wgmma, RefusesWhatHasNoMeaning) {
  const Case c{.n = 8, .a = Type::bf16, .b = Type::bf16, .d = Type::f32};
  Program program(kernel(c, 4));
  const std::uint64_t room = program.buffer(std::vector<std::uint32_t>(2 * operand_bytes / 4));
  const std::uint64_t good = descriptor({}, place({}, 64, base, 0));
  const auto run = [&](std::uint64_t a, std::uint64_t b, std::uint32_t threads) {
    return program.run("k", {room, room, room, room, a, b}, {.block = {threads, 1, 1}, .dynamic_shared = 2 * operand_bytes});
  };
  EXPECT_EQ(run(good, good, 128), "");
  EXPECT_NE(run(good | std::uint64_t{1} << 49, good, 128).find("base offset"), std::string::npos);
  EXPECT_NE(run(good, good | 0x3FFF, 128).find("matrix descriptor leads to shared address"), std::string::npos);
  EXPECT_NE(run(good, good, 96).find("no warpgroup"), std::string::npos);
}

}  // namespace
}  // namespace triptych::emulator::test

// ctest: timeout=240
// Sparse wgmma in every shape, type and selector: A has random places in B, which the metadata tells.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/emulator/wgmma_expect.h"

namespace triptych::emulator::test {
namespace {

[[maybe_unused]] const bool checked = every_form_must_run("wgmma_sparse");

/// Layouts of B, which has 64 bytes along K: a swizzle of 32 is not known to mean anything.
std::vector<Layout> wide_layouts(Type type) {
  std::vector<Layout> all = layouts(type);
  std::erase_if(all, [](const Layout& l) { return !l.turned && l.width == 32; });
  return all;
}

TEST(WgmmaSparse, SmallFloatsInEveryShapeAndLayout) {
  unsigned turn = 0;
  for (const Kind& kind : kinds()) {
    const std::vector<Layout> of_a = layouts(kind.a), of_b = wide_layouts(kind.a);
    for (int step = 2; step < 66; ++step, ++turn) {   // each shape twice: A in shared memory, in registers
      Case c{step / 2 * 8, kind.a, kind.b, kind.d, of_a[turn % of_a.size()], of_b[turn / 3 % of_b.size()]};
      c.sparse = true;
      c.registers = step % 2 == 1;
      c.selector = element_bits(kind.a) >= 16 ? static_cast<int>(turn / 2 % 2) : 0;
      c.adds = turn % 5 != 2;
      c.scale_a = turn % 7 == 3 ? -1 : 1;
      c.scale_b = turn % 11 == 3 ? -1 : 1;
      if (c.la.width == 128 && c.lb.width == 128 && !c.la.turned && !c.lb.turned) c.slice = static_cast<int>(turn % 4);
      ASSERT_NO_FATAL_FAILURE(expect_floats(c, turn % 2 == 0, turn));
    }
    for (const Layout& la : of_a) {
      for (const Layout& lb : of_b) {
        ASSERT_NO_FATAL_FAILURE(expect_floats({.n = 40, .a = kind.a, .b = kind.b, .d = kind.d, .la = la, .lb = lb, .sparse = true}, false, 1));
      }
    }
  }
}

TEST(WgmmaSparse, Integers) {
  unsigned turn = 0;
  for (int n = 8; n <= 256; n += n < 32 ? 8 : 16) {
    for (const Type a : {Type::s8, Type::u8}) {
      for (const Type b : {Type::s8, Type::u8}) {
        Case c{.n = n, .a = a, .b = b, .d = Type::s32};
        c.sparse = true;
        c.satfinite = turn % 3 == 1;
        c.adds = turn % 5 != 1;
        c.la.width = 16 << turn % 4;
        c.lb.width = turn % 3 == 0 ? 16 : 32 << turn % 3;
        for (const bool registers : {false, true}) {
          c.registers = registers;
          ASSERT_NO_FATAL_FAILURE(expect_integers(c, ++turn));
        }
      }
    }
  }
}

TEST(WgmmaSparse, TheMetadataIsTakenAtTheIssue) {
  // The register is overwritten before the product is waited for.
  const Case c{.n = 8, .a = Type::bf16, .b = Type::bf16, .d = Type::f32, .sparse = true};
  const auto run = [&](const std::string& after) {
    Program program(kernel(c, 4, after));
    std::vector<std::uint32_t> image(2 * operand_bytes / 4);
    for (std::size_t i = 0; i < image.size(); ++i) image[i] = 0x3F803F80 + static_cast<std::uint32_t>(i % 8);
    const std::uint64_t d = program.buffer(std::vector<std::uint32_t>(512));
    const std::uint64_t e = program.buffer(std::vector<std::uint32_t>(128, 0x4E4E4E4E)), at = program.buffer(image);
    const Place p = place({}, 64, base, 0);
    EXPECT_EQ(program.run("k", {at, at, e, d, descriptor({}, p), descriptor({}, p)}, {.block = {128, 1, 1}, .dynamic_shared = 2 * operand_bytes}), "");
    return program.read<std::uint32_t>(d, 512);
  };
  EXPECT_EQ(run("mov.b32 e, 0;\n"), run(""));
}

TEST(WgmmaSparse, RefusesWhatHasNoMeaning) {
  const auto fault = [](const Layout& lb, std::uint32_t metadata) {
    Program program(kernel({.n = 8, .a = Type::bf16, .b = Type::bf16, .d = Type::f32, .lb = lb, .sparse = true}, 4));
    const std::uint64_t room = program.buffer(std::vector<std::uint32_t>(2 * operand_bytes / 4)), e = program.buffer(std::vector<std::uint32_t>(128, metadata));
    return program.run("k", {room, room, e, room, descriptor({}, place({}, 64, base, 0)), descriptor(lb, place(lb, 8, base, 0))},
                       {.block = {128, 1, 1}, .dynamic_shared = 2 * operand_bytes});
  };
  EXPECT_EQ(fault({64}, 0x44444444), "");
  EXPECT_NE(fault({64}, 0x44445444).find("indices 0b0101"), std::string::npos);
  EXPECT_NE(fault({32}, 0x44444444).find("swizzle of 32 bytes"), std::string::npos);
  EXPECT_NE(error_of(kernel({.n = 8, .a = Type::bf16, .b = Type::bf16, .d = Type::f32, .sparse = true, .selector = 2}, 4)), "");
  EXPECT_NE(error_of(kernel({.n = 8, .a = Type::s8, .b = Type::s8, .d = Type::s32, .sparse = true, .selector = 1}, 4)), "");
}

}  // namespace
}  // namespace triptych::emulator::test

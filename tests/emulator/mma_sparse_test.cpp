// ctest: timeout=240 labels=sanitize
// mma.sp in every shape, type and selector: A has random places in B, which the metadata tells.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/emulator/mma_run.h"

namespace triptych::emulator::test {
namespace {

[[maybe_unused]] const bool checked = every_form_must_run("mma_sparse");

/// Calls f(case) for a shape with each kind of metadata and each selector.
template <class F>
void each_selector(Case c, F&& f) {
  const int bits = element_bits(c.a), lanes = c.k / (bits == 32 ? 8 : bits == 4 ? 32 : 16);   // of four that hold metadata
  c.sparse = true;
  for (const bool ordered : {false, true}) {
    for (c.selector = 0; c.selector < 4 / lanes; ++c.selector) {
      c.ordered = ordered;
      f(c);
    }
  }
}

TEST(MmaSparse, SmallFloats) {
  const auto expect = [](const Case& c) {
    expect_exact(c);
    expect_fast(c);
  };
  for (const bool half : {false, true}) {
    const Type c = half ? Type::f16 : Type::f32;
    const auto add = [&](int k, Type a, Type b) {
      each_selector({16, k, a, b, c, fmt::format(".m16n8k{}.row.col.{}.{}.{}.{}", k, name_of(c), name_of(a), name_of(b), name_of(c))}, expect);
    };
    for (const int k : {16, 32}) add(k, Type::f16, Type::f16);
    if (half) continue;
    for (const Type a : {Type::e4m3, Type::e5m2}) {
      for (const Type b : {Type::e4m3, Type::e5m2}) add(64, a, b);
    }
    for (const int k : {16, 32}) add(k, Type::bf16, Type::bf16);
    for (const int k : {8, 16}) add(k, Type::tf32, Type::tf32);
  }
}

TEST(MmaSparse, Integers) {
  const auto add = [&](int k, Type a, Type b) {
    for (const bool saturate : {false, true}) {
      each_selector({16, k, a, b, Type::s32, fmt::format(".m16n8k{}.row.col{}.s32.{}.{}.s32", k, saturate ? ".satfinite" : "", name_of(a), name_of(b)), saturate},
                    [](const Case& c) { expect_integers(c); });
    }
  };
  for (const Type a : {Type::s8, Type::u8}) {
    for (const Type b : {Type::s8, Type::u8}) add(32, a, b), add(64, a, b);
  }
  for (const Type a : {Type::s4, Type::u4}) {
    for (const Type b : {Type::s4, Type::u4}) add(64, a, b), add(128, a, b);
  }
}

/// The fault of f16, k 16, or of tf32, k 8, whose lanes all hold the same four bits of metadata.
std::string fault_of(Type a, bool ordered, std::uint64_t indices) {
  const std::string words = a == Type::f16 ? ".m16n8k16.row.col.f32.f16.f16.f32" : ".m16n8k8.row.col.f32.tf32.tf32.f32";
  Program program(kernel({.m = 16, .k = 16, .a = a, .b = a, .c = Type::f32, .words = words, .sparse = true, .ordered = ordered}, 2, 2, 4));
  const std::uint64_t at = program.buffer(Bits(1024));
  return program.run("k", {at, at, at, program.buffer(Bits(32, indices * 0x11111111)), at});
}

TEST(MmaSparse, IndicesWithoutAMeaning) {
  for (std::uint64_t indices = 0; indices < 16; ++indices) {
    const bool equal = indices % 4 == indices / 4, falling = indices % 4 > indices / 4;
    EXPECT_EQ(fault_of(Type::f16, false, indices).empty(), !equal) << indices;
    EXPECT_EQ(fault_of(Type::f16, true, indices).empty(), !equal && !falling) << indices;
    EXPECT_EQ(fault_of(Type::tf32, false, indices).empty(), indices == 0b0100 || indices == 0b1110) << indices;
  }
  EXPECT_NE(fault_of(Type::f16, false, 10).find("indices 0b1010"), std::string::npos);
}

TEST(MmaSparse, SelectorsThatNoLaneHas) {
  const auto error = [](int k, int selector) {
    Case c{16, k, Type::f16, Type::f16, Type::f32, fmt::format(".m16n8k{}.row.col.f32.f16.f16.f32", k)};
    c.sparse = true;
    c.selector = selector;
    return error_of(kernel(c, k / 8, k / 8, 4));
  };
  EXPECT_EQ(error(16, 3), "");
  EXPECT_NE(error(16, 4), "");
  EXPECT_EQ(error(32, 1), "");
  EXPECT_NE(error(32, 2), "");
}

}  // namespace
}  // namespace triptych::emulator::test

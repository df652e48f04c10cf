// mov: copies of every type, special registers, and values put together and taken apart.
#include <cstdint>

#include "tests/emulator/lanewise.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("mov");

using U64 = std::uint64_t;

TEST(Mov, Copies) {
  for (const std::string t : {"b16", "b32", "b64", "u16", "u32", "u64", "s16", "s32", "s64", "f32", "f64"}) {
    const Type bits = parse_type(fmt::format("b{}", bits_of(parse_type(t))));
    expect_lanes("mov." + t + " d0, s0;", {{t}, {t}}, operands({bits}), [](const U64* s) { return s[0]; });
    const auto swapped = [](const U64* s) -> std::vector<U64> { return {s[1], s[0]}; };
    expect_lanes("mov.v2." + t + " {d0, d1}, {s1, s0};", {{t, t}, {t, t}}, operands({bits, bits}), swapped);
  }
  expect_lanes("mov.pred d0, !s0;", {{"pred"}, {"pred"}}, operands({Type::pred}), [](const U64* s) { return 1 - s[0]; });
  expect_lanes("mov.pred d0, 1;", {{"pred"}, {}}, {}, [](const U64*) { return U64{1}; });
  expect_lanes("mov.f32 d0, 0f3F800000;", {{"f32"}, {}}, {}, [](const U64*) { return U64{0x3F800000}; });
  expect_lanes("mov.b64 d0, -2;", {{"b64"}, {}}, {}, [](const U64*) { return ~U64{1}; });
}

TEST(Mov, VectorsInAnotherOrder) {
  const std::string body = R"({ .reg .b32 a, b, c, d;
    @p mov.v4.b32 {a, b, c, d}, {s0, s1, s2, s3};
    @p mov.v4.b32 {a, b, c, d}, {d, a, b, c};
    @p mov.b64 d0, {a, b};
    @p mov.b64 d1, {c, d}; })";
  expect_lanes(body, {{"b64", "b64"}, {"b32", "b32", "b32", "b32"}}, operands({Type::b32, Type::b32, Type::b32, Type::b32}),
               [](const U64* s) -> std::vector<U64> { return {s[3] | s[0] << 32, s[1] | s[2] << 32}; });
}

/// mov.b<n·bits> d0, {s0, …} and back.
void check_pack(int n, int bits) {
  const std::string whole = fmt::format("b{}", n * bits), part = fmt::format("b{}", bits);
  std::string list_s, list_d;
  std::vector<std::string> parts(static_cast<std::size_t>(n), part);
  for (int k = 0; k < n; ++k) {
    list_s += fmt::format("{}s{}", k == 0 ? "" : ", ", k);
    list_d += fmt::format("{}d{}", k == 0 ? "" : ", ", k);
  }
  const std::vector<Type> types(static_cast<std::size_t>(n), parse_type(part));
  expect_lanes(fmt::format("mov.{} d0, {{{}}};", whole, list_s), {{whole}, parts}, operands(types), [&](const U64* s) {
    U64 value = 0;
    for (int k = 0; k < n; ++k) value |= s[k] << bits * k;
    return value;
  });
  expect_lanes(fmt::format("mov.{} {{{}}}, s0;", whole, list_d), {parts, {whole}}, operands({parse_type(whole)}), [&](const U64* s) {
    std::vector<U64> values;
    for (int k = 0; k < n; ++k) values.push_back(s[0] >> bits * k);
    return values;
  });
}

TEST(Mov, PacksAndUnpacks) {
  check_pack(2, 8);
  check_pack(4, 8);
  check_pack(2, 16);
  check_pack(4, 16);
  check_pack(2, 32);
  expect_lanes("mov.b64 {_, d0}, s0;", {{"b32"}, {"b64"}}, operands({Type::b64}), [](const U64* s) { return s[0] >> 32; });
  expect_lanes("mov.b64 d0, {s0, 7};", {{"b64"}, {"b32"}}, operands({Type::b32}), [](const U64* s) { return s[0] | U64{7} << 32; });
}

TEST(Mov, WideValues) {
  const auto columns = operands({Type::b64, Type::b64});
  expect_lanes("{ .reg .b128 a, b; @p mov.b128 a, {s0, s1}; @p mov.b128 b, a; @p mov.b128 {d1, d0}, b; }", {{"b64", "b64"}, {"b64", "b64"}}, columns,
               [](const U64* s) -> std::vector<U64> { return {s[1], s[0]}; });
  const std::string words = R"({ .reg .b128 a; .reg .b32 w, x, y, z;
    mov.b64 {w, x}, s0;
    mov.b64 {y, z}, s1;
    @p mov.b128 a, {w, x, y, z};
    @p mov.b128 {w, x, y, z}, a;
    @p mov.b64 d0, {z, y};
    @p mov.b64 d1, {x, w}; })";
  const auto turned = [](U64 value) { return value >> 32 | value << 32; };
  expect_lanes(words, {{"b64", "b64"}, {"b64", "b64"}}, columns, [&](const U64* s) -> std::vector<U64> { return {turned(s[1]), turned(s[0])}; });
}

TEST(Mov, SpecialRegisters) {
  Program program(R"(.visible .entry k(.param .u64 out) {
    .reg .b32 t, c, n, i; .reg .b16 h; .reg .b64 a;
    mov.u32 t, %tid.x;
    mov.u32 c, %ctaid.x;
    mov.s32 n, %ntid.x;
    mov.u16 h, %laneid;
    mad.lo.u32 i, c, n, t;
    ld.param.u64 a, [out];
    mad.wide.u32 a, i, 4, a;
    mov.b32 i, {h, h};
    st.global.u32 [a], i;
    ret; })");
  const U64 out = program.buffer(std::vector<std::uint32_t>(128));
  ASSERT_EQ(program.run("k", {out}, {.grid = {2, 1, 1}, .block = {64, 1, 1}}), "");
  const auto lanes = program.read<std::uint32_t>(out, 128);
  for (std::uint32_t i = 0; i < 128; ++i) ASSERT_EQ(lanes[i], i % 32 * 0x10001) << i;
}

TEST(Mov, Addresses) {
  Program program(R"(.global .u32 word[4] = {1, 2, 3, 4};
    .func (.reg .u32 r) plus_five(.reg .u32 a) { add.u32 r, a, 5; ret; }
    .visible .entry k(.param .u64 out) {
    .reg .b64 a, b, f; .reg .b32 x, y;
    ld.param.u64 a, [out];
    mov.u64 b, word+8;
    ld.global.u32 x, [b];
    mov.u64 f, plus_five;
    prototype: .callprototype (.reg .u32 r) _ (.reg .u32 a);
    call (y), f, (x), prototype;
    st.global.u64 [a], b;
    st.global.u32 [a+8], x;
    st.global.u32 [a+12], y;
    ret; })");
  const U64 out = program.buffer(std::vector<U64>(2));
  ASSERT_EQ(program.run("k", {out}, {.block = {1, 1, 1}}), "");
  EXPECT_EQ(program.read<U64>(out, 1)[0], program.address_of("word") + 8);
  EXPECT_EQ(program.read<U64>(out, 2)[1], U64{3} | U64{8} << 32);
}

}  // namespace
}  // namespace triptych::emulator::test

// Sums with carries, one instruction at a time and as long integers.
#include <algorithm>
#include <cstdint>
#include <limits>

#include "tests/emulator/lanewise.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("integer_carry");

using U64 = std::uint64_t;
using S64 = std::int64_t;
__extension__ typedef __int128 Wide;
__extension__ typedef unsigned __int128 UnsignedWide;

U64 cut(U64 value, int bits) { return value & (~U64{0} >> (64 - bits)); }

/// The upper or lower half of the product of two values of a type.
U64 product(U64 a, U64 b, Type type, bool high) {
  const int bits = bits_of(type), unused = 64 - bits;
  if (!high) return a * b;
  if (!is_signed(type)) return static_cast<U64>(UnsignedWide{a} * b >> bits);
  const auto number = [&](U64 value) { return Wide{static_cast<S64>(value << unused) >> unused}; };
  return static_cast<U64>(number(a) * number(b) >> bits);
}

/// What is computed: x + y + carry or x - y - borrow.
struct Step {
  std::string root;
  bool carry_in, subtract;
  int sources;
};

/// Runs one instruction between one that makes the carry of s3 and one that reads it into d1; both are proved
/// by the rest of these tests. Lanes without s4 leave it out: they keep their carry.
void check(const Step& step, const std::string& modifiers, const std::string& t) {
  const Type type = parse_type(t);
  const int bits = bits_of(type);
  const auto has = [&](const char* modifier) { return modifiers.find(modifier) != std::string::npos; };
  const std::string body = fmt::format(
      "{{ .reg .b32 c; .reg .pred q;\n@p mov.b{} d0, 0;\nsetp.ne.and.u32 q, s4, 0, p;\n{} c, s3, {};\n"
      "@q {}{}.{} d0, s0, s1{};\n{} c, 0, 0;\n@p {}.s32 d1, c;\n}}",
      bits, step.subtract ? "sub.cc.u32" : "add.cc.u32", step.subtract ? "1" : "0xFFFFFFFF", step.root, modifiers, t,
      step.sources == 3 ? ", s2" : "", step.subtract ? "subc.u32" : "addc.u32", step.subtract ? "neg" : "mov");
  std::vector<Values> columns = operands({type, type, type});
  columns.resize(5, Values(columns[0].size()));
  for (std::size_t r = 0; r < columns[3].size(); ++r) {
    columns[3][r] = r / 3 % 2;
    columns[4][r] = r % 5 != 0 ? 1 : 0;
  }
  expect_lanes(body, {{t, "b32"}, {t, t, t, "b32", "b32"}}, columns, [&](const U64* s) -> std::vector<U64> {
    const U64 before = step.subtract ? 1 - s[3] : s[3];
    if (s[4] == 0) return {0, before};
    const U64 carry = step.carry_in ? before : 0;
    const U64 x = cut(step.sources == 3 ? product(s[0], s[1], type, has(".hi")) : s[0], bits), y = step.sources == 3 ? s[2] : s[1];
    const Wide total = step.subtract ? Wide{x} - y - carry : Wide{x} + y + carry;
    U64 result = static_cast<U64>(total);
    if (has(".sat")) {
      const auto number = [](U64 value) { return Wide{static_cast<std::int32_t>(value)}; };
      const Wide sum = step.subtract ? number(x) - number(y) - carry : number(x) + number(y) + carry;
      using Limits = std::numeric_limits<std::int32_t>;
      result = static_cast<U64>(std::clamp<Wide>(sum, Limits::min(), Limits::max()));
    }
    return {result, has(".cc") ? static_cast<U64>(total < 0 || total >> bits != 0) : before};
  });
}

const Step add{"add", false, false, 2}, addc{"addc", true, false, 2}, sub{"sub", false, true, 2}, subc{"subc", true, true, 2},
    mad{"mad", false, false, 3}, madc{"madc", true, false, 3};

TEST(IntegerCarry, OutAndThrough) {
  for (const std::string t : {"u32", "s32", "u64", "s64"}) {
    for (const Step& step : {add, addc, sub, subc}) check(step, ".cc", t);
    for (const Step& step : {mad, madc}) {
      check(step, ".lo.cc", t);
      check(step, ".hi.cc", t);
    }
  }
}

TEST(IntegerCarry, In) {
  for (const std::string t : {"u16", "s16", "u32", "s32", "u64", "s64"}) {
    check(addc, "", t);
    check(subc, "", t);
    check(madc, ".lo", t);
    check(madc, ".hi", t);
  }
  check(addc, ".sat", "s32");
  check(subc, ".sat", "s32");
  check(madc, ".hi.sat", "s32");
}

TEST(IntegerCarry, LongProduct) {
  // 64 by 64 bits in steps of 32, as nvcc writes it.
  const std::string body = R"({ .reg .b32 a, b, c, d, r, t, u, v;
    mov.b64 {a, b}, s0;
    mov.b64 {c, d}, s1;
    mul.lo.u32 r, a, c;
    mul.hi.u32 t, a, c;
    mad.lo.cc.u32 t, a, d, t;
    madc.hi.u32 u, a, d, 0;
    mad.lo.cc.u32 t, b, c, t;
    madc.hi.cc.u32 u, b, c, u;
    addc.u32 v, 0, 0;
    mad.lo.cc.u32 u, b, d, u;
    madc.hi.u32 v, b, d, v;
    @p mov.b64 d0, {r, t};
    @p mov.b64 d1, {u, v}; })";
  expect_lanes(body, {{"b64", "b64"}, {"b64", "b64"}}, operands({Type::u64, Type::u64}), [](const U64* s) -> std::vector<U64> {
    const UnsignedWide whole = UnsignedWide{s[0]} * s[1];
    return {static_cast<U64>(whole), static_cast<U64>(whole >> 64)};
  });
}

}  // namespace
}  // namespace triptych::emulator::test

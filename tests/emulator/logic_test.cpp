// Logic on bits, shifts, and permutations of bytes.
#include <algorithm>
#include <cstdint>

#include "tests/emulator/lanewise.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("logic");

using U64 = std::uint64_t;
using S64 = std::int64_t;

TEST(Logic, Bits) {
  for (const std::string t : {"b16", "b32", "b64"}) {
    const auto two = operands({parse_type(t), parse_type(t)}), one = operands({parse_type(t)});
    const Registers binary{{t}, {t, t}}, unary{{t}, {t}};
    expect_lanes("and." + t + " d0, s0, s1;", binary, two, [](const U64* s) { return s[0] & s[1]; });
    expect_lanes("or." + t + " d0, s0, s1;", binary, two, [](const U64* s) { return s[0] | s[1]; });
    expect_lanes("xor." + t + " d0, s0, s1;", binary, two, [](const U64* s) { return s[0] ^ s[1]; });
    expect_lanes("not." + t + " d0, s0;", unary, one, [](const U64* s) { return ~s[0]; });
    expect_lanes("cnot." + t + " d0, s0;", unary, one, [](const U64* s) { return U64{s[0] == 0}; });
  }
}

TEST(Logic, Predicates) {
  const auto two = operands({Type::pred, Type::pred});
  const Registers binary{{"pred"}, {"pred", "pred"}};
  expect_lanes("and.pred d0, s0, s1;", binary, two, [](const U64* s) { return s[0] & s[1]; });
  expect_lanes("or.pred d0, s0, !s1;", binary, two, [](const U64* s) { return s[0] | (1 - s[1]); });
  expect_lanes("xor.pred d0, !s0, s1;", binary, two, [](const U64* s) { return (1 - s[0]) ^ s[1]; });
  expect_lanes("not.pred d0, s0;", {{"pred"}, {"pred"}}, operands({Type::pred}), [](const U64* s) { return 1 - s[0]; });
}

/// Values of a type and shift counts, most of them near its width.
std::vector<Values> with_counts(std::vector<Type> types) {
  types.push_back(Type::u32);
  std::vector<Values> columns = operands(types);
  std::mt19937_64 random(5);
  for (U64& count : columns.back()) {
    if (random() % 4 != 0) count = random() % 80;
  }
  return columns;
}

TEST(Logic, Shifts) {
  for (const std::string t : {"b16", "b32", "b64", "u16", "u32", "u64", "s16", "s32", "s64"}) {
    const Type type = parse_type(t);
    const U64 bits = static_cast<U64>(bits_of(type));
    const Registers registers{{t}, {t, "u32"}};
    if (t[0] == 'b') {
      expect_lanes("shl." + t + " d0, s0, s1;", registers, with_counts({type}), [&](const U64* s) { return s[1] < bits ? s[0] << s[1] : 0; });
    }
    expect_lanes("shr." + t + " d0, s0, s1;", registers, with_counts({type}), [&](const U64* s) {
      const U64 count = std::min(s[1], bits - 1);
      if (is_signed(type)) return static_cast<U64>(static_cast<S64>(s[0] << (64 - bits)) >> (64 - bits) >> count);
      return s[1] < bits ? s[0] >> s[1] : 0;
    });
  }
}

TEST(Logic, FunnelShifts) {
  for (const bool wrap : {false, true}) {
    const std::string mode = wrap ? "wrap" : "clamp";
    const auto count = [&](U64 c) { return wrap ? c % 32 : std::min<U64>(c, 32); };
    const Registers registers{{"b32"}, {"b32", "b32", "u32"}};
    const auto columns = with_counts({Type::b32, Type::b32});
    expect_lanes("shf.l." + mode + ".b32 d0, s0, s1, s2;", registers, columns, [&](const U64* s) {
      U64 high = s[1];
      for (U64 n = 0; n < count(s[2]); ++n) high = high << 1 | (s[0] >> (31 - n) & 1);
      return high;
    });
    expect_lanes("shf.r." + mode + ".b32 d0, s0, s1, s2;", registers, columns, [&](const U64* s) { return (s[1] << 32 | s[0]) >> count(s[2]); });
  }
}

U64 look_up(const U64* s, unsigned table) {
  U64 result = 0;
  for (int n = 0; n < 32; ++n) {
    const U64 entry = (s[0] >> n & 1) << 2 | (s[1] >> n & 1) << 1 | (s[2] >> n & 1);
    result |= static_cast<U64>(table >> entry & 1) << n;
  }
  return result;
}

TEST(Logic, AnyFunctionOfThree) {
  const auto columns = operands({Type::b32, Type::b32, Type::b32}, 64);
  for (unsigned table = 0; table < 256; ++table) {
    expect_lanes(fmt::format("lop3.b32 d0, s0, s1, s2, {};", table), {{"b32"}, {"b32", "b32", "b32"}}, columns,
                 [&](const U64* s) { return look_up(s, table); });
  }
}

TEST(Logic, FunctionOfThreeWithPredicate) {
  auto columns = operands({Type::b32, Type::b32, Type::b32, Type::pred}, 256);
  for (const unsigned table : {0x80u, 0x00u, 0x96u, 0xFFu}) {
    const Registers registers{{"b32", "pred"}, {"b32", "b32", "b32", "pred"}};
    expect_lanes(fmt::format("lop3.and.b32 d0|d1, s0, s1, s2, {}, s3;", table), registers, columns, [&](const U64* s) -> std::vector<U64> {
      return {look_up(s, table), U64{look_up(s, table) != 0} & s[3]};
    });
    expect_lanes(fmt::format("lop3.or.b32 _|d0, s0, s1, s2, {}, !s3;", table), {{"pred"}, registers.s}, columns,
                 [&](const U64* s) { return U64{look_up(s, table) != 0} | (1 - s[3]); });
    // The predicate is found of the result even where that replaces a source.
    expect_lanes(fmt::format("{{ .reg .b32 x; mov.b32 x, s0; @p lop3.or.b32 x|d1, x, s1, s2, {}, s3; @p mov.b32 d0, x; }}", table), registers, columns,
                 [&](const U64* s) -> std::vector<U64> { return {look_up(s, table), U64{look_up(s, table) != 0} | s[3]}; });
  }
}

TEST(Logic, Permutations) {
  const auto columns = operands({Type::b32, Type::b32, Type::b32});
  const Registers registers{{"b32"}, {"b32", "b32", "b32"}};
  const auto byte = [](const U64* s, U64 n) { return (s[1] << 32 | s[0]) >> 8 * n & 0xFF; };
  expect_lanes("prmt.b32 d0, s0, s1, s2;", registers, columns, [&](const U64* s) {
    U64 result = 0;
    for (int k = 0; k < 4; ++k) {
      const U64 pick = s[2] >> 4 * k & 15, value = byte(s, pick & 7);
      result |= (pick < 8 ? value : value >= 0x80 ? 0xFF : 0) << 8 * k;
    }
    return result;
  });
  // Bytes of the result, the lowest first, for each value of the control's lowest bits.
  using Table = unsigned[4][4];
  const auto mode = [&](const std::string& name, const Table& table) {
    expect_lanes("prmt.b32." + name + " d0, s0, s1, s2;", registers, columns, [&](const U64* s) {
      U64 result = 0;
      for (int k = 0; k < 4; ++k) result |= byte(s, table[s[2] & 3][k]) << 8 * k;
      return result;
    });
  };
  mode("f4e", {{0, 1, 2, 3}, {1, 2, 3, 4}, {2, 3, 4, 5}, {3, 4, 5, 6}});
  mode("b4e", {{0, 7, 6, 5}, {1, 0, 7, 6}, {2, 1, 0, 7}, {3, 2, 1, 0}});
  mode("rc8", {{0, 0, 0, 0}, {1, 1, 1, 1}, {2, 2, 2, 2}, {3, 3, 3, 3}});
  mode("ecl", {{0, 1, 2, 3}, {1, 1, 2, 3}, {2, 2, 2, 3}, {3, 3, 3, 3}});
  mode("ecr", {{0, 0, 0, 0}, {0, 1, 1, 1}, {0, 1, 2, 2}, {0, 1, 2, 3}});
  mode("rc16", {{0, 1, 0, 1}, {2, 3, 2, 3}, {0, 1, 0, 1}, {2, 3, 2, 3}});
}

}  // namespace
}  // namespace triptych::emulator::test

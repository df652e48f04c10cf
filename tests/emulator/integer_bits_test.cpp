// Bits and fields of bits, each result made bit by bit.
#include <cstdint>

#include "tests/emulator/lanewise.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("integer_bits");

using U64 = std::uint64_t;

bool bit(U64 value, int n) { return (value >> n & 1) != 0; }

TEST(IntegerBits, Counts) {
  for (const std::string t : {"b32", "b64"}) {
    const Type type = parse_type(t);
    const int bits = bits_of(type);
    expect_lanes("popc." + t + " d0, s0;", {{"u32"}, {t}}, operands({type}), [&](const U64* s) {
      U64 count = 0;
      for (int n = 0; n < bits; ++n) count += bit(s[0], n) ? 1 : 0;
      return count;
    });
    expect_lanes("clz." + t + " d0, s0;", {{"u32"}, {t}}, operands({type}), [&](const U64* s) {
      int zeros = 0;
      while (zeros < bits && !bit(s[0], bits - 1 - zeros)) ++zeros;
      return zeros;
    });
    expect_lanes("brev." + t + " d0, s0;", {{t}, {t}}, operands({type}), [&](const U64* s) {
      U64 reversed = 0;
      for (int n = 0; n < bits; ++n) reversed |= static_cast<U64>(bit(s[0], n)) << (bits - 1 - n);
      return reversed;
    });
  }
}

TEST(IntegerBits, HighestBit) {
  for (const std::string t : {"u32", "u64", "s32", "s64"}) {
    const Type type = parse_type(t);
    const int bits = bits_of(type);
    const auto found = [&](U64 value) {
      const bool sign = is_signed(type) && bit(value, bits - 1);
      int n = bits - 1;
      while (n >= 0 && bit(value, n) == sign) --n;
      return n;
    };
    expect_lanes("bfind." + t + " d0, s0;", {{"u32"}, {t}}, operands({type}), [&](const U64* s) { return static_cast<U64>(found(s[0])); });
    expect_lanes("bfind.shiftamt." + t + " d0, s0;", {{"u32"}, {t}}, operands({type}), [&](const U64* s) {
      const int n = found(s[0]);
      return static_cast<U64>(n < 0 ? -1 : bits - 1 - n);
    });
  }
}

TEST(IntegerBits, NthSetBit) {
  std::vector<Values> columns = operands({Type::u32, Type::u32, Type::s32});
  std::mt19937_64 random(3);
  for (std::size_t r = 0; r < columns[0].size(); ++r) {
    columns[1][r] &= 31;
    if (r % 2 == 0) columns[2][r] = random() % 41 - 20;
  }
  expect_lanes("fns.b32 d0, s0, s1, s2;", {{"b32"}, {"b32", "b32", "b32"}}, columns, [](const U64* s) -> U64 {
    const int base = static_cast<int>(s[1]);
    const auto n = static_cast<std::int64_t>(static_cast<std::int32_t>(s[2]));
    if (n == 0) return bit(s[0], base) ? s[1] : ~U64{0};
    std::int64_t seen = 0;
    for (int at = base; at >= 0 && at < 32; at += n > 0 ? 1 : -1) {
      if (bit(s[0], at)) ++seen;
      if (seen == (n > 0 ? n : -n)) return static_cast<U64>(at);
    }
    return ~U64{0};
  });
}

/// Operands of which the last two are positions and lengths, mostly within a register.
std::vector<Values> with_fields(std::vector<Type> types) {
  types.insert(types.end(), {Type::u32, Type::u32});
  std::vector<Values> columns = operands(types);
  std::mt19937_64 random(5);
  for (std::size_t c = types.size() - 2; c < types.size(); ++c) {
    for (U64& value : columns[c]) {
      if (random() % 4 != 0) value = random() % 70;
    }
  }
  return columns;
}

TEST(IntegerBits, FieldsOut) {
  for (const std::string t : {"u32", "u64", "s32", "s64"}) {
    const Type type = parse_type(t);
    const int top = bits_of(type) - 1;
    expect_lanes("bfe." + t + " d0, s0, s1, s2;", {{t}, {t, "u32", "u32"}}, with_fields({type}), [&](const U64* s) {
      const int position = static_cast<int>(s[1] & 0xFF), length = static_cast<int>(s[2] & 0xFF);
      const bool sign = is_signed(type) && length != 0 && bit(s[0], std::min(position + length - 1, top));
      U64 result = 0;
      for (int n = 0; n <= top; ++n) {
        const bool one = n < length && position + n <= top ? bit(s[0], position + n) : sign;
        result |= static_cast<U64>(one) << n;
      }
      return result;
    });
  }
}

TEST(IntegerBits, FieldsIn) {
  for (const std::string t : {"b32", "b64"}) {
    const Type type = parse_type(t);
    expect_lanes("bfi." + t + " d0, s0, s1, s2, s3;", {{t}, {t, t, "u32", "u32"}}, with_fields({type, type}), [&](const U64* s) {
      const int position = static_cast<int>(s[2] & 0xFF), length = static_cast<int>(s[3] & 0xFF);
      U64 result = s[1];
      for (int n = 0; n < length && position + n < bits_of(type); ++n) {
        const U64 one = U64{1} << (position + n);
        result = bit(s[0], n) ? result | one : result & ~one;
      }
      return result;
    });
  }
}

TEST(IntegerBits, Masks) {
  for (const bool clamp : {true, false}) {
    const std::string mode = clamp ? "clamp" : "wrap";
    expect_lanes("bmsk." + mode + ".b32 d0, s0, s1;", {{"b32"}, {"b32", "b32"}}, with_fields({}), [&](const U64* s) {
      const U64 from = clamp ? s[0] : s[0] % 32, count = clamp ? s[1] : s[1] % 32;
      U64 mask = 0;
      for (U64 n = from; n < 32 && n - from < count; ++n) mask |= U64{1} << n;
      return mask;
    });
    for (const std::string t : {"u32", "s32"}) {
      std::vector<Values> columns = with_fields({Type::u32});
      columns.pop_back();
      expect_lanes("szext." + mode + "." + t + " d0, s0, s1;", {{t}, {t, "u32"}}, columns, [&](const U64* s) -> U64 {
        const U64 count = clamp ? std::min<U64>(s[1], 32) : s[1] % 32;
        U64 result = 0;
        for (U64 n = 0; n < 32 && count != 0; ++n) {
          const bool one = n < count ? bit(s[0], static_cast<int>(n)) : t == "s32" && bit(s[0], static_cast<int>(count) - 1);
          result |= static_cast<U64>(one) << n;
        }
        return result;
      });
    }
  }
}

}  // namespace
}  // namespace triptych::emulator::test

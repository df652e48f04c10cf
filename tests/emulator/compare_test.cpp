// set, setp, selp and slct: every comparison of every type, with NaNs, pairs and predicates.
#include <cmath>
#include <cstdint>
#include <map>

#include "tests/emulator/lanewise.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("compare");

using U64 = std::uint64_t;

/// The number that the bits of a type stand for; long double holds all of them.
long double number(U64 bits, Type type, bool flush) {
  const auto small = [&](int exponent_bits, int mantissa_bits) {
    const int bias = (1 << (exponent_bits - 1)) - 1, top = (1 << exponent_bits) - 1;
    const auto exponent = static_cast<int>(bits >> mantissa_bits & static_cast<U64>(top));
    const U64 mantissa = bits & ((U64{1} << mantissa_bits) - 1);
    const bool negative = (bits >> (exponent_bits + mantissa_bits) & 1) != 0;
    long double value = std::ldexp(static_cast<long double>(mantissa | (exponent == 0 ? 0 : U64{1} << mantissa_bits)),
                                   std::max(exponent, 1) - bias - mantissa_bits);
    if (exponent == 0 && flush) value = 0;
    if (exponent == top) value = mantissa == 0 ? INFINITY : NAN;
    return negative ? -value : value;
  };
  switch (type) {
    case Type::f16: return small(5, 10);
    case Type::bf16: return small(8, 7);
    case Type::f32: return small(8, 23);
    case Type::f64: return small(11, 52);
    default: break;
  }
  const int unused = 64 - bits_of(type);
  if (is_signed(type)) return static_cast<long double>(static_cast<std::int64_t>(bits << unused) >> unused);
  return static_cast<long double>(bits << unused >> unused);
}

bool holds(const std::string& comparison, long double a, long double b) {
  static const std::map<std::string, std::string> synonyms = {{"lo", "lt"}, {"ls", "le"}, {"hi", "gt"}, {"hs", "ge"}};
  const auto found = synonyms.find(comparison);
  const std::string c = found == synonyms.end() ? comparison : found->second;
  const bool unordered = std::isnan(a) || std::isnan(b);
  if (c == "num") return !unordered;
  if (c == "nan") return unordered;
  if (unordered) return c.size() == 3;
  const std::string base = c.substr(0, 2);
  if (base == "eq") return a == b;
  if (base == "ne") return a != b;
  if (base == "lt") return a < b;
  if (base == "le") return a <= b;
  return base == "gt" ? a > b : a >= b;
}
bool combine(const std::string& op, bool found, bool with) {
  if (op == "and") return found && with;
  if (op == "or") return found || with;
  return op == "xor" ? found != with : found;
}

const std::vector<std::string> ordered = {"eq", "ne", "lt", "le", "gt", "ge"};
std::vector<std::string> comparisons_of(Type type) {
  std::vector<std::string> names = ordered;
  if (is_float(type)) names.insert(names.end(), {"equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"});
  if (is_untyped(type)) names.resize(2);
  if (is_integer(type) && !is_signed(type)) names.insert(names.end(), {"lo", "ls", "hi", "hs"});
  return names;
}
const std::vector<std::string> booleans = {"", "and", "or", "xor"};
std::string dotted(const std::string& word) { return word.empty() ? "" : "." + word; }

/// The type as the numbers that it is made of, and of how many.
struct Shape {
  Type element;
  int count, bits;
};
Shape shape_of(const std::string& t) {
  if (t == "f16x2") return {Type::f16, 2, 32};
  if (t == "bf16x2") return {Type::bf16, 2, 32};
  return {parse_type(t), 1, bits_of(parse_type(t))};
}
std::string register_of(const std::string& t) { return parse_type(t) == Type::f64 || t == "f32" ? t : fmt::format("b{}", bits_of(parse_type(t))); }

/// Two columns of a type, and a predicate.
std::vector<Values> columns_of(const std::string& t) {
  const Shape shape = shape_of(t);
  if (shape.count == 1) return operands({shape.element, shape.element, Type::pred}, 400);
  const auto parts = operands({shape.element, shape.element, shape.element, shape.element, Type::pred}, 400);
  std::vector<Values> columns(3);
  for (std::size_t r = 0; r < parts[0].size(); ++r) {
    columns[0].push_back(parts[0][r] | parts[1][r] << 16);
    columns[1].push_back(parts[2][r] | parts[3][r] << 16);
    columns[2].push_back(parts[4][r]);
  }
  return columns;
}

const std::vector<std::string> setp_types = {"u16", "u32", "u64", "s16", "s32", "s64", "b16", "b32", "b64", "f32", "f64", "f16", "bf16", "f16x2", "bf16x2"};
bool flushable(const std::string& t) { return t == "f32" || t == "f16" || t == "f16x2"; }

/// Comparison k of a row.
bool found(const std::string& comparison, const Shape& shape, bool flush, const U64* s, int k) {
  return holds(comparison, number(s[0] >> 16 * k, shape.element, flush), number(s[1] >> 16 * k, shape.element, flush));
}

TEST(Compare, Setp) {
  for (const std::string& t : setp_types) {
    const Shape shape = shape_of(t);
    const std::string r = register_of(t);
    const auto columns = columns_of(t);
    for (const bool flush : {false, true}) {
      if (flush && !flushable(t)) continue;
      for (const std::string& c : comparisons_of(shape.element)) {
        for (const std::string& b : booleans) {
          const std::string opcode = "setp." + c + dotted(b) + (flush ? ".ftz." : ".") + t, with = b.empty() ? "" : ", s2";
          const auto p = [&](const U64* s) { return U64{combine(b, found(c, shape, flush, s, 0), s[2] != 0)}; };
          const auto q = [&](const U64* s) {
            const bool second = shape.count == 2 ? found(c, shape, flush, s, 1) : !found(c, shape, flush, s, 0);
            return U64{combine(b, second, s[2] != 0)};
          };
          expect_lanes(opcode + " d0, s0, s1" + with + ";", {{"pred"}, {r, r, "pred"}}, columns, p);
          if (t == "f16" || t == "bf16") continue;
          expect_lanes(opcode + " d0|d1, s0, s1" + with + ";", {{"pred", "pred"}, {r, r, "pred"}}, columns,
                       [&](const U64* s) -> std::vector<U64> { return {p(s), q(s)}; });
        }
      }
    }
  }
  expect_lanes("setp.lt.and.s32 _|d0, s0, s1, !s2;", {{"pred"}, {"s32", "s32", "pred"}}, columns_of("s32"), [](const U64* s) {
    return U64{static_cast<std::int32_t>(s[0]) >= static_cast<std::int32_t>(s[1]) && s[2] == 0};
  });
}

/// What stands for true, in each number of the destination.
U64 truth(const std::string& d, bool pair) {
  if (d == "f32") return 0x3F800000;
  if (d == "f16" || d == "f16x2") return 0x3C00;
  if (d == "bf16" || d == "bf16x2") return 0x3F80;
  return pair || bits_of(parse_type(d)) == 16 ? 0xFFFF : 0xFFFFFFFF;
}
std::vector<std::string> set_results(const std::string& t, bool flush) {
  if (t == "f16x2" || t == "bf16x2") return {"u32", "s32", t};
  std::vector<std::string> d = {"u32", "s32"};
  if (t == "f16" || t == "bf16") d.insert(d.end(), {"u16", "s16"});
  else d.emplace_back("f32");
  if (t != "bf16") d.emplace_back("f16");
  if (!flush) d.emplace_back("bf16");
  return d;
}

TEST(Compare, Set) {
  for (const std::string& t : setp_types) {
    const Shape shape = shape_of(t);
    const std::string r = register_of(t);
    const auto columns = columns_of(t);
    for (const bool flush : {false, true}) {
      if (flush && !flushable(t)) continue;
      const auto results = set_results(t, flush);
      for (const std::string& c : comparisons_of(shape.element)) {
        for (const std::string& b : booleans) {
          for (const std::string& d : results) {
            const std::string text = "set." + c + dotted(b) + (flush ? ".ftz." : ".") + d + "." + t + " d0, s0, s1" + (b.empty() ? ";" : ", s2;");
            expect_lanes(text, {{register_of(d)}, {r, r, "pred"}}, columns, [&](const U64* s) {
              U64 result = 0;
              for (int k = 0; k < shape.count; ++k) {
                if (combine(b, found(c, shape, flush, s, k), s[2] != 0)) result |= truth(d, shape.count == 2) << 16 * k;
              }
              return result;
            });
          }
        }
      }
    }
  }
}

TEST(Compare, Selections) {
  for (const std::string t : {"b16", "b32", "b64", "u16", "u32", "u64", "s16", "s32", "s64", "f32", "f64"}) {
    const Type bits = parse_type(fmt::format("b{}", bits_of(parse_type(t))));
    expect_lanes("selp." + t + " d0, s0, s1, s2;", {{t}, {t, t, "pred"}}, operands({bits, bits, Type::pred}),
                 [](const U64* s) { return s[2] != 0 ? s[0] : s[1]; });
    expect_lanes("slct." + t + ".s32 d0, s0, s1, s2;", {{t}, {t, t, "s32"}}, operands({bits, bits, Type::s32}),
                 [](const U64* s) { return static_cast<std::int32_t>(s[2]) >= 0 ? s[0] : s[1]; });
    for (const bool flush : {false, true}) {
      expect_lanes(std::string(flush ? "slct.ftz." : "slct.") + t + ".f32 d0, s0, s1, s2;", {{t}, {t, t, "f32"}}, operands({bits, bits, Type::f32}),
                   [&](const U64* s) { return number(s[2], Type::f32, flush) >= 0 ? s[0] : s[1]; });
    }
  }
}

}  // namespace
}  // namespace triptych::emulator::test

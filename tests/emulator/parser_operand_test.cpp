// The parser: operands and constants in the syntax tree.
// ctest: timeout=30 labels=sanitize
#include <bit>
#include <limits>

#include "parse_text.h"

namespace triptych::emulator {
namespace {

using testing::parse_body;
using testing::parse_module;
using Kind = Operand::Kind;

/// Operand `index` of the first instruction; the module is kept, for the operand points into it.
struct Parsed1 {
  std::unique_ptr<Module> module;
  const Operand& operator[](std::size_t index) const {
    return module->functions[0].body[0].operands.at(index);
  }
  std::size_t size() const { return module->functions[0].body[0].operands.size(); }
};
Parsed1 operands(const std::string& statement) { return {parse_body(statement)}; }

TEST(Operands, RegistersPointToTheirDeclarations) {
  const auto o = operands("add.s32 r1, r2, r1;");
  ASSERT_EQ(o.size(), 3u);
  EXPECT_EQ(o[0].kind, Kind::reg);
  EXPECT_EQ(o[0].name, "r1");
  EXPECT_EQ(o[0].type, Type::b32);
  EXPECT_EQ(o[0].component, -1);
  EXPECT_EQ(o[0].reg, o[2].reg);
  EXPECT_NE(o[0].reg, o[1].reg);
  EXPECT_EQ(o[0].reg, &o.module->functions[0].registers[o[0].reg->index]);
}

TEST(Operands, ComponentsOfVectorRegisters) {
  const char* const names[2] = {"xyzw", "rgba"};
  for (const char* set : names) {
    for (int i = 0; i < 4; ++i) {
      const auto o = operands(std::string(".reg .v4 .f32 v; mov.f32 f1, v.") + set[i] + ";");
      EXPECT_EQ(o[1].component, i);
      EXPECT_EQ(o[1].reg->width, 4);
      EXPECT_EQ(o[1].type, Type::f32);
    }
  }
  EXPECT_EQ(operands(".reg .v2 .b32 v; mov.b32 v.y, r1;")[0].component, 1);
}

TEST(Operands, SpecialRegisters) {
  auto o = operands("mov.u32 r1, %tid.y;");
  EXPECT_EQ(o[1].kind, Kind::special);
  EXPECT_EQ(o[1].name, "tid.y");
  EXPECT_EQ(o[1].component, 1);
  EXPECT_EQ(o[1].type, Type::u32);
  o = operands("mov.u32 r1, %tid .r;");
  EXPECT_EQ(o[1].name, "tid.x");
  o = operands("mov.u64 rd1, %clock64;");
  EXPECT_EQ(o[1].name, "clock64");
  EXPECT_EQ(o[1].type, Type::u64);
  EXPECT_EQ(operands("mov.pred p, %is_explicit_cluster;")[1].type, Type::pred);
  EXPECT_EQ(operands("{ .reg .b32 %laneid; mov.u32 r1, %laneid; }")[1].kind, Kind::reg);
}

TEST(Operands, SelectorsOfVideoInstructions) {
  const auto o = operands("vadd4.u32.u32.u32 r1.b3210, r2.b7654, r3, r4;");
  EXPECT_EQ(o[0].selector, "b3210");
  EXPECT_EQ(o[1].selector, "b7654");
  EXPECT_EQ(o[2].selector, "");
}

TEST(Operands, Variables) {
  const auto module = parse_module(
      ".global .u32 g[4]; .entry k() { .reg .b64 r; mov.u64 r, g; mov.u64 r, g+4*2; mov.u64 r, "
      "g[3];\n"
      "mov.u64 r, g+-4; mov.u64 r, k; }");
  const auto& body = module->functions[0].body;
  const std::int64_t offsets[] = {0, 8, 12, -4};
  for (std::size_t i = 0; i < 4; ++i) {
    const Operand& o = body[i].operands[1];
    EXPECT_EQ(o.kind, Kind::variable);
    EXPECT_EQ(o.variable, &module->variables[0]);
    EXPECT_EQ(o.type, Type::u32);
    EXPECT_EQ(o.offset, offsets[i]);
  }
  EXPECT_EQ(body[4].operands[1].kind, Kind::function);
  EXPECT_EQ(body[4].operands[1].function, &module->functions[0]);
}

TEST(Operands, Addresses) {
  auto o = operands("ld.global.u32 r1, [rd1+-4];");
  EXPECT_EQ(o[1].kind, Kind::address);
  ASSERT_EQ(o[1].parts.size(), 1u);
  EXPECT_EQ(o[1].parts[0].kind, Kind::reg);
  EXPECT_EQ(o[1].offset, -4);
  EXPECT_EQ(operands("ld.global.u32 r1, [rd1+4+(8>>1)];")[1].offset, 8);
  EXPECT_EQ(operands("ld.global.u32 r1, [rd1+4-8];")[1].offset, -4);
  EXPECT_EQ(operands("ld.global.u32 r1, [rd1].unified;")[1].selector, "unified");
  o = operands("ld.param.u64 rd1, [pa+8];");
  EXPECT_EQ(o[1].parts[0].kind, Kind::variable);
  EXPECT_EQ(o[1].parts[0].variable->space, Space::param);
  EXPECT_EQ(o[1].parts[0].offset, 0);
  EXPECT_EQ(o[1].offset, 8);
  o = operands("ld.local.u32 r1, [8 + 8];");
  EXPECT_EQ(o[1].parts[0].kind, Kind::integer);
  EXPECT_EQ(o[1].parts[0].bits, 16u);
  o = operands(".shared .u16 s[8]; ld.shared.u16 r1, s[3];");
  EXPECT_EQ(o[1].kind, Kind::address);
  EXPECT_EQ(o[1].parts[0].kind, Kind::variable);
  EXPECT_EQ(o[1].offset, 6);
}

TEST(Operands, AddressesOfTensors) {
  const auto o =
      operands("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [rd1, {r1, 5}], [r2+16];");
  ASSERT_EQ(o.size(), 2u);
  ASSERT_EQ(o[0].parts.size(), 2u);
  EXPECT_EQ(o[0].parts[0].name, "rd1");
  EXPECT_EQ(o[0].parts[1].kind, Kind::vector);
  ASSERT_EQ(o[0].parts[1].parts.size(), 2u);
  EXPECT_EQ(o[0].parts[1].parts[1].bits, 5u);
  EXPECT_EQ(o[1].offset, 16);
}

TEST(Operands, VectorsPairsSinksAndNegation) {
  auto o = operands("mov.b64 {_, r1}, rd1;");
  EXPECT_EQ(o[0].kind, Kind::vector);
  EXPECT_EQ(o[0].parts[0].kind, Kind::sink);
  EXPECT_EQ(o[0].parts[1].kind, Kind::reg);
  o = operands("setp.lt.and.s32 p|_, r1, -1, !q;");
  EXPECT_EQ(o[0].kind, Kind::pair);
  EXPECT_EQ(o[0].parts[0].name, "p");
  EXPECT_EQ(o[0].parts[1].kind, Kind::sink);
  EXPECT_FALSE(o[0].negated);
  EXPECT_TRUE(o[3].negated);
  EXPECT_EQ(o[3].type, Type::pred);
  EXPECT_EQ(operands("elect.sync _|p, -1;")[0].parts[0].kind, Kind::sink);
  EXPECT_EQ(operands("atom.global.add.u32 _, [rd1], 1;")[0].kind, Kind::sink);
}

TEST(Operands, KnowWhereTheyStand) {
  const auto o = operands("add.s32 r1,\n   r2, 3;");
  EXPECT_EQ(o[0].at.line, 5u);
  EXPECT_EQ(o[0].at.column, 9u);
  EXPECT_EQ(o[1].at.line, 6u);
  EXPECT_EQ(o[1].at.column, 4u);
  EXPECT_EQ(o[2].at.column, 8u);
}

struct Row {
  const char* text;
  Type type;
  std::uint64_t bits;
};
constexpr auto s64 = Type::s64, u64 = Type::u64;
constexpr std::uint64_t minus(std::uint64_t value) { return 0 - value; }

// What ptxas 13 makes of them as initial values.
const Row integers[] = {
    {"5", s64, 5},
    {"0x1F", s64, 31},
    {"0X1f", s64, 31},
    {"017", s64, 15},
    {"0b101", s64, 5},
    {"0B1", s64, 1},
    {"0", s64, 0},
    {"12U", u64, 12},
    {"017U", u64, 15},
    {"0x8000000000000000", u64, 1ull << 63},
    {"9223372036854775807", s64, (1ull << 63) - 1},
    {"9223372036854775808", u64, 1ull << 63},
    {"WARP_SZ", s64, 32},
    {"-5", s64, minus(5)},
    {"+5", s64, 5},
    {"--2", s64, 2},
    {"- -2", s64, 2},
    {"~-1", u64, 0},
    {"~0", u64, minus(1)},
    {"!0", s64, 1},
    {"!!5", s64, 1},
    {"!1+2", s64, 2},
    {"-WARP_SZ+64", s64, 32},
    {"1+2*3", s64, 7},
    {"(1+2)*3", s64, 9},
    {"1-2-3", s64, minus(4)},
    {"3-5U", u64, minus(2)},
    {"(3-5)/2", s64, minus(1)},
    {"(3-5U)/2", u64, (1ull << 63) - 1},
    {"-7/2", s64, minus(3)},
    {"(-9223372036854775807-1)/-1", s64, 1ull << 63},
    {"7 % 3", u64, 1},
    {"7 % -3", u64, 7},
    {"-7 % 3", u64, 0},
    {"1<<63", s64, 1ull << 63},
    {"1<<64", s64, 1},
    {"1<<-1", s64, 1ull << 63},
    {"-7>>1", s64, minus(4)},
    {"-1>>70", s64, minus(1)},
    {"~0>>1", u64, minus(1) >> 1},
    {"(.u64)-7>>1", u64, minus(7) >> 1},
    {"5U-10>>1", u64, minus(5) >> 1},
    {"5&-1", s64, 5},
    {"5U|2", u64, 7},
    {"5^1", s64, 4},
    {"1|2^3&4", s64, 3},
    {"1==1<2", s64, 1},
    {"-1<0", s64, 1},
    {"-1<0U", s64, 0},
    {"1>=1", s64, 1},
    {"1!=1", s64, 0},
    {"2>1", s64, 1},
    {"2<=1", s64, 0},
    {"1||0&&0", s64, 1},
    {"2&&0", s64, 0},
    {"1?2:3", s64, 2},
    {"0?2:0?4:5", s64, 5},
    {"1?-1:2U", s64, minus(1)},
    {"(.s64)0xFFFFFFFFFFFFFFFF<0", s64, 1},
    {"(.u64)(.s64)-1", u64, minus(1)},
    {"(.s64)5U-10<0", s64, 1},
    {"1.5<2.5", s64, 1},
    {"1.0==1.5", s64, 0},
    {"(((((1)))))", s64, 1},
};

TEST(Constants, Integers) {
  for (const Row& row : integers) {
    const auto o = operands(std::string("mov.u64 rd1, ") + row.text + ";");
    EXPECT_EQ(o[1].kind, Kind::integer) << row.text;
    EXPECT_EQ(o[1].type, row.type) << row.text;
    EXPECT_EQ(o[1].bits, row.bits) << row.text;
    EXPECT_EQ(o[1].name, row.text);
  }
}

TEST(Constants, Reals) {
  const std::pair<const char*, double> rows[] = {
      {"1.5", 1.5},
      {".5", 0.5},
      {"1.", 1},
      {"1e5", 1e5},
      {"1.5e-5", 1.5e-5},
      {"09.5", 9.5},
      {".5e1", 5},
      {"-1.5", -1.5},
      {"1.5*2.0-1.0/4.0", 2.75},
      {"(1.5+2.5)", 4},
      {"+1.5", 1.5},
      {"0d3FF8000000000000", 1.5},
      {"-0D3ff8000000000000", -1.5},
      {"1e308*10.0", std::numeric_limits<double>::infinity()},
      {"0.1", 0.1},
  };
  for (const auto& [text, value] : rows) {
    const auto o = operands(std::string("mov.f64 rd1, ") + text + ";");
    EXPECT_EQ(o[1].kind, Kind::real) << text;
    EXPECT_EQ(o[1].type, Type::f64) << text;
    EXPECT_EQ(o[1].bits, std::bit_cast<std::uint64_t>(value)) << text;
  }
  for (const char* text : {"0f7FA00001", "(0F7fa00001)"}) {
    const auto o = operands(std::string("mov.f32 f1, ") + text + ";");
    EXPECT_EQ(o[1].kind, Kind::real);
    EXPECT_EQ(o[1].type, Type::f32);
    EXPECT_EQ(o[1].bits, 0x7FA00001u);
  }
}

}  // namespace
}  // namespace triptych::emulator

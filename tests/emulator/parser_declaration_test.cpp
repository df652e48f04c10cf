// The parser: variables, registers, functions and directives in the syntax tree.
// ctest: timeout=30 labels=sanitize
#include "parse_text.h"

namespace triptych::emulator {
namespace {

using testing::function;
using testing::parse_module;
using testing::variable;

TEST(Variables, SpaceTypeSizeAndLinkage) {
  const auto module = parse_module(
      ".visible .global .align 16 .v4 .f32 a[2][3]; .const .u8 b; .extern .shared .align 128 .b8 "
      "c[];\n"
      ".weak .global .attribute(.managed) .s64 d; .common .global .u32 e; .global .align 2 .u32 "
      "f;\n"
      ".entry k(.param .u64 x) { .local .align 8 .b8 l[100]; .param .b32 y; .global .u32 a; }");
  const Variable& a = variable(*module, "a");
  EXPECT_EQ(a.space, Space::global);
  EXPECT_EQ(a.type, Type::f32);
  EXPECT_EQ(a.width, 4);
  EXPECT_EQ(a.align, 16u);
  EXPECT_EQ(a.bytes, 96u);
  EXPECT_EQ(a.linkage, Linkage::visible);
  EXPECT_EQ(a.owner, nullptr);
  EXPECT_EQ(a.at.line, 4u);
  EXPECT_EQ(variable(*module, "b").space, Space::constant);
  EXPECT_EQ(variable(*module, "b").linkage, Linkage::internal);
  const Variable& c = variable(*module, "c");
  EXPECT_TRUE(c.unsized);
  EXPECT_EQ(c.bytes, 0u);
  EXPECT_EQ(c.linkage, Linkage::external);
  EXPECT_TRUE(variable(*module, "d").managed);
  EXPECT_EQ(variable(*module, "d").linkage, Linkage::weak);
  EXPECT_EQ(variable(*module, "e").linkage, Linkage::common);
  EXPECT_EQ(variable(*module, "f").align, 4u);
  const Function& k = module->functions[0];
  ASSERT_EQ(k.variables.size(), 4u);
  EXPECT_EQ(k.variables[0].space, Space::param);
  EXPECT_EQ(k.variables[1].space, Space::local);
  EXPECT_EQ(k.variables[1].bytes, 100u);
  EXPECT_EQ(k.variables[2].space, Space::param);
  EXPECT_EQ(k.variables[3].owner, &k);
}

TEST(Variables, DeclaredAgainAreOneVariable) {
  const auto module = parse_module(
      ".extern .global .u32 a[]; .entry k() { .reg .b64 r; mov.u64 r, a; }\n"
      ".visible .global .u32 a[4] = {1}; .extern .global .u32 a[];");
  ASSERT_EQ(module->variables.size(), 1u);
  const Variable& a = module->variables[0];
  EXPECT_EQ(module->functions[0].body[0].operands[1].variable, &a);
  EXPECT_EQ(a.bytes, 16u);
  EXPECT_EQ(a.linkage, Linkage::visible);
  EXPECT_FALSE(a.unsized);
  EXPECT_EQ(a.initial.size(), 4u);
}

TEST(Variables, FamiliesComeIntoBeingOneByOne) {
  const auto module = parse_module(
      ".shared .u32 s<4000000000>; .entry k() { .reg .b64 r; mov.u64 r, s3999999999; }");
  ASSERT_EQ(module->variables.size(), 1u);
  EXPECT_EQ(module->variables[0].name, "s3999999999");
  EXPECT_EQ(module->variables[0].bytes, 4u);
  EXPECT_EQ(module->variables[0].owner, nullptr);
}

using Bytes = std::vector<std::uint8_t>;

// The bytes that ptxas 13 puts into a cubin; trailing zeros may be left out.
TEST(Initialisers, Bytes) {
  const std::pair<const char*, Bytes> rows[] = {
      {".u8 x[4] = {1, 2}", {1, 2}},
      {".u8 x = 300", {0x2C}},
      {".s8 x = -300", {0xD4}},
      {".u8 x[4] = {}", {}},
      {".u32 x = 0x1FFFFFFFF", {0xFF, 0xFF, 0xFF, 0xFF}},
      {".u16 x[] = {1, 0x203}", {1, 0, 3, 2}},
      {".u8 x[2][3] = {{1}, {2, 3}}", {1, 0, 0, 2, 3}},
      {".u8 x[][3] = {{1}, {2, 3}}", {1, 0, 0, 2, 3}},
      {".u8 x[2][3][4] = {{{1}, {2}}, {{3}}}", {1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3}},
      {".v2 .u8 x[2] = {{1, 2}, {3, 4}}", {1, 2, 3, 4}},
      {".f32 x = 1.5", {0, 0, 0xC0, 0x3F}},
      {".f32 x = 0.1", {0xCD, 0xCC, 0xCC, 0x3D}},
      {".f32 x = 1e300", {0, 0, 0x80, 0x7F}},
      {".f32 x = 0f7FA00001", {1, 0, 0xA0, 0x7F}},
      {".f32 x = 0d3FF0000000000000", {0, 0, 0x80, 0x3F}},
      {".f64 x = 1.5", {0, 0, 0, 0, 0, 0, 0xF8, 0x3F}},
      {".b32 x = 1.5", {0, 0, 0xC0, 0x3F}},
      {".b64 x = 1.5", {0, 0, 0, 0, 0, 0, 0xF8, 0x3F}},
      {".b16 x = 1.1", {0x9A, 0x99}},
      {".f64 x = 0f3F800000", {0, 0, 0x80, 0x3F, 0, 0, 0, 0}},
      {".b128 x = 5", {5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
  };
  for (const auto& [text, bytes] : rows) {
    const auto module = parse_module(std::string(".global ") + text + ";");
    EXPECT_EQ(module->variables[0].initial, bytes) << text;
    EXPECT_TRUE(module->variables[0].relocations.empty());
  }
  EXPECT_EQ(parse_module(".global .u8 x[][3] = {{1}, {2}};")->variables[0].bytes, 6u);
}

TEST(Initialisers, Addresses) {
  const auto module = parse_module(
      ".global .u32 a[4]; .func f() { ret; }\n"
      ".global .u64 x[5] = {a, 7, generic(a)+8, f, a+-4}; .global .u8 y[3] = {1, 0xFF00(a+4), "
      "0xFF(f)};");
  const Variable& x = variable(*module, "x");
  ASSERT_EQ(x.relocations.size(), 4u);
  EXPECT_EQ(x.initial.size(), 40u);
  EXPECT_EQ(x.initial[8], 7);
  EXPECT_EQ(x.relocations[0].at, 0u);
  EXPECT_EQ(x.relocations[0].bytes, 8);
  EXPECT_EQ(x.relocations[0].variable, &variable(*module, "a"));
  EXPECT_FALSE(x.relocations[0].generic);
  EXPECT_EQ(x.relocations[1].at, 16u);
  EXPECT_EQ(x.relocations[1].addend, 8);
  EXPECT_TRUE(x.relocations[1].generic);
  EXPECT_EQ(x.relocations[2].function, &module->functions[0]);
  EXPECT_EQ(x.relocations[3].addend, -4);
  const Variable& y = variable(*module, "y");
  ASSERT_EQ(y.relocations.size(), 2u);
  EXPECT_EQ(y.relocations[0].at, 1u);
  EXPECT_EQ(y.relocations[0].bytes, 1);
  EXPECT_EQ(y.relocations[0].shift, 8);
  EXPECT_EQ(y.relocations[0].addend, 4);
  EXPECT_EQ(y.relocations[1].shift, 0);
}

TEST(Functions, ParametersAndResults) {
  const auto module = parse_module(
      ".visible .entry k(.param .u64 .ptr .global .align 16 a, .param .align 8 .b8 b[24]) { ret; "
      "}\n"
      ".func (.param .b32 r) f(.param .b64 a, .reg .f32 b) { ret; }");
  const Function& k = module->functions[0];
  EXPECT_TRUE(k.entry);
  EXPECT_TRUE(k.defined);
  EXPECT_EQ(k.linkage, Linkage::visible);
  ASSERT_EQ(k.parameters.size(), 2u);
  EXPECT_EQ(k.parameters[0]->align, 8u);
  EXPECT_EQ(k.parameters[1]->bytes, 24u);
  EXPECT_EQ(k.parameters[1]->ordinal, 1u);
  EXPECT_EQ(k.parameters[1]->owner, &k);
  const Function& f = module->functions[1];
  EXPECT_FALSE(f.entry);
  ASSERT_EQ(f.results.size(), 1u);
  EXPECT_EQ(f.results[0]->name, "r");
  EXPECT_EQ(f.results[0]->ordinal, 0u);
  EXPECT_EQ(f.parameters[0]->reg, nullptr);
  EXPECT_EQ(f.parameters[1]->space, Space::reg);
  EXPECT_EQ(f.parameters[1]->reg, &f.registers[0]);
}

TEST(Functions, APrototypeAndItsDefinitionAreOne) {
  const auto module = parse_module(
      ".func (.param .b32 r) f(.param .b32 p);\n"
      ".entry k() { .param .b32 x; call (x), f, (x); }\n"
      ".func (.param .b32 s) f(.param .b32 q) { ret; }\n.extern .func g(); .visible .func h(); "
      ".func h() { ret; }");
  ASSERT_EQ(module->functions.size(), 4u);
  const Function& f = function(*module, "f");
  EXPECT_EQ(function(*module, "k").body[0].operands[1].function, &f);
  EXPECT_TRUE(f.defined);
  EXPECT_EQ(f.body.size(), 1u);
  ASSERT_EQ(f.variables.size(), 2u);
  EXPECT_EQ(f.results[0], &f.variables[0]);
  EXPECT_EQ(f.parameters[0]->name, "q");
  EXPECT_EQ(f.parameters[0]->owner, &f);
  EXPECT_FALSE(function(*module, "g").defined);
  EXPECT_EQ(function(*module, "h").linkage, Linkage::visible);
}

TEST(Functions, Aliases) {
  const auto module = parse_module(
      ".func f() { ret; } .visible .func a(); .alias a, f; .visible .func b(); .alias b, a;");
  EXPECT_EQ(function(*module, "a").alias_of, &function(*module, "f"));
  EXPECT_EQ(function(*module, "b").alias_of, &function(*module, "f"));
}

TEST(Functions, Directives) {
  const auto module = parse_module(
      ".entry a() .maxntid 16, 4 .minnctapersm 2 .maxnreg 64 .pragma \"x\"; { .pragma "
      "\"nounroll\"; ret; }\n"
      ".entry b() .reqntid 1, 2, 3 .reqnctapercluster 2 .explicitcluster .blocksareclusters { ret; "
      "}\n"
      ".entry c() .maxclusterrank 8 { ret; } .func d() .noreturn { trap; }");
  using Extent = std::array<std::uint32_t, 3>;
  const Directives& a = module->functions[0].directives;
  EXPECT_EQ(a.maxntid, (Extent{16, 4, 1}));
  EXPECT_EQ(a.reqntid, (Extent{0, 0, 0}));
  EXPECT_EQ(a.minnctapersm, 2u);
  EXPECT_EQ(a.maxnreg, 64u);
  EXPECT_EQ(a.pragmas, (std::vector<std::string_view>{"x", "nounroll"}));
  const Directives& b = module->functions[1].directives;
  EXPECT_EQ(b.reqntid, (Extent{1, 2, 3}));
  EXPECT_EQ(b.cluster, (Extent{2, 1, 1}));
  EXPECT_TRUE(b.explicit_cluster);
  EXPECT_TRUE(b.blocks_are_clusters);
  EXPECT_EQ(module->functions[2].directives.maxclusterrank, 8u);
  EXPECT_TRUE(module->functions[3].directives.noreturn);
}

}  // namespace
}  // namespace triptych::emulator

// The parser: header, blocks, labels, instructions and places in the syntax tree.
// ctest: timeout=30 labels=sanitize
#include "parse_text.h"

namespace triptych::emulator {
namespace {

using testing::function;
using testing::parse_body;
using testing::parse_module;
using testing::refusal;

TEST(Header, VersionAndTarget) {
  Parsed parsed = parse(".version 7.8\n.target sm_90\n.entry k() { ret; }", "dir/a.ptx");
  ASSERT_FALSE(parsed.error);
  EXPECT_EQ(parsed.module->name, "dir/a.ptx");
  EXPECT_EQ(parsed.module->files, std::vector<std::string>{"dir/a.ptx"});
  EXPECT_EQ(parsed.module->version, 78);
  EXPECT_EQ(parsed.module->target, 90);
  EXPECT_FALSE(parsed.module->target_a);
  EXPECT_EQ(parsed.module->address_size, 64);
  EXPECT_TRUE(parse_module("")->target_a);
  EXPECT_EQ(refusal(".version 9.0\n.target sm_9x"),
            "a.ptx:2:9: 'sm_9x' does not exist; expected a target such as sm_90a");
}

TEST(Instructions, OpcodesAreInterned) {
  const auto module = parse_body(
      "add.s32 r1, r2, r3; add .s32 r1, r2, r3; ld.global.L2::128B.u32 r1, [rd1]; add.s32 r1, r2, "
      "1; ret;");
  const auto& body = module->functions[0].body;
  ASSERT_EQ(body.size(), 5u);
  EXPECT_EQ(body[0].opcode, "add.s32");
  EXPECT_EQ(body[0].root, "add");
  EXPECT_EQ(body[0].modifiers, std::vector<std::string_view>{"s32"});
  EXPECT_EQ(body[0].opcode.data(), body[1].opcode.data());
  EXPECT_EQ(body[0].opcode.data(), body[3].opcode.data());
  EXPECT_EQ(body[2].modifiers, (std::vector<std::string_view>{"global", "L2::128B", "u32"}));
  EXPECT_TRUE(body[4].operands.empty());
  // A first one with blanks in it, too.
  const auto spaced = parse_body("add\n.s32 r1, r2, r3; add.s32 r1, r2, r3;");
  EXPECT_EQ(spaced->functions[0].body[0].opcode, "add.s32");
  EXPECT_EQ(spaced->functions[0].body[0].opcode.data(), spaced->functions[0].body[1].opcode.data());
}

TEST(Instructions, Guards) {
  const auto module = parse_body("@p ret; @!q ret; ret;");
  const auto& body = module->functions[0].body;
  EXPECT_EQ(body[0].guard->name, "p");
  EXPECT_FALSE(body[0].guard_negated);
  EXPECT_EQ(body[1].guard->name, "q");
  EXPECT_TRUE(body[1].guard_negated);
  EXPECT_EQ(body[2].guard, nullptr);
}

TEST(Instructions, CallsHaveLists) {
  const auto module = parse_module(
      ".func (.param .b32 r) f(.param .b32 a, .param .b32 b) { ret; }\n"
      ".entry k() { .param .b32 x; .reg .b32 r; .reg .b64 t; call (x), f, (r, 4);\n"
      "P: .callprototype (.param .b32 _) _ (.param .b32 _, .param .b32 _); mov.u64 t, f; call (_), "
      "t, (x, r), P;\n"
      "T: .calltargets f; call (_), t, (x, r), T; }");
  const auto& body = function(*module, "k").body;
  ASSERT_EQ(body[0].operands.size(), 3u);
  EXPECT_EQ(body[0].operands[0].kind, Operand::Kind::list);
  EXPECT_EQ(body[0].operands[0].parts[0].kind, Operand::Kind::variable);
  EXPECT_EQ(body[0].operands[1].kind, Operand::Kind::function);
  EXPECT_EQ(body[0].operands[2].parts[1].bits, 4u);
  ASSERT_EQ(body[2].operands.size(), 4u);
  EXPECT_EQ(body[2].operands[0].parts[0].kind, Operand::Kind::sink);
  EXPECT_EQ(body[2].operands[1].kind, Operand::Kind::reg);
  const Function* prototype = body[2].operands[3].label->prototype;
  ASSERT_NE(prototype, nullptr);
  EXPECT_EQ(prototype->results.size(), 1u);
  EXPECT_EQ(prototype->parameters.size(), 2u);
  EXPECT_EQ(module->functions.size(), 2u);
  EXPECT_EQ(body[3].operands[3].label->call_targets,
            std::vector<const Function*>{&module->functions[0]});
}

TEST(Blocks, RegistersAreTheInnermostBlocks) {
  const auto module = parse_body(
      ".reg .b32 x; mov.b32 x, 1; { mov.b32 x, 1; .reg .f32 x; mov.f32 x, r3; { .reg .f32 r<2>; "
      "mov.f32 r1, r3; } } mov.b32 x, r3;");
  const auto& body = module->functions[0].body;
  const auto reg = [&](std::size_t instruction, std::size_t operand) {
    return body[instruction].operands[operand].reg;
  };
  EXPECT_EQ(reg(0, 0), reg(1, 0));  // declared later in the inner block
  EXPECT_NE(reg(0, 0), reg(2, 0));
  EXPECT_EQ(reg(2, 0)->type, Type::f32);
  EXPECT_EQ(reg(3, 0)->type, Type::f32);
  EXPECT_EQ(reg(3, 1), reg(2, 1));  // r3 is none of the inner r<2>
  EXPECT_EQ(reg(4, 0), reg(0, 0));
}

TEST(Blocks, FamiliesTakeNoMemory) {
  const auto module =
      parse_body(".reg .b32 x<4000000000>; mov.b32 x3999999999, x007; mov.b32 x7, x0;");
  const Function& k = module->functions[0];
  EXPECT_EQ(k.registers.size(), 5u);  // and p and q
  EXPECT_EQ(k.body[0].operands[1].reg, k.body[1].operands[0].reg);
  for (std::uint32_t i = 0; i < k.registers.size(); ++i) EXPECT_EQ(k.registers[i].index, i);
}

TEST(Labels, BelongToTheirWholeBlock) {
  const auto module =
      parse_body("L: bra L; { bra L; ret; L: } { { bra M; } bra L; } bra L; M: ret;");
  const auto& body = module->functions[0].body;
  const auto target = [&](std::size_t i) { return body[i].operands[0].label->target; };
  EXPECT_EQ(target(0), 0u);
  EXPECT_EQ(target(1), 3u);  // the block's own, though the outer one was seen first
  EXPECT_EQ(target(3), 6u);  // M
  EXPECT_EQ(target(4), 0u);
  EXPECT_EQ(target(5), 0u);
}

TEST(Labels, TablesOfTargets) {
  const auto module = parse_body("{ T: .branchtargets B, A, B; A: brx.idx r1, T; } B: ret;");
  const Operand& table = module->functions[0].body[0].operands[1];
  EXPECT_EQ(table.kind, Operand::Kind::label);
  ASSERT_EQ(table.label->branch_targets.size(), 3u);
  EXPECT_EQ(table.label->branch_targets[0]->target, 1u);
  EXPECT_EQ(table.label->branch_targets[1]->target, 0u);
  EXPECT_EQ(table.label->branch_targets[2], table.label->branch_targets[0]);
}

TEST(Places, FollowLineMarkers) {
  const auto module = parse_body(
      "ret; ret;\n# 100 \"b.inc\" 1\n  ret;\n\nret;\n# 7 \"a.ptx\" 2\nret;ret; ret;\n#line 3 "
      "\"c.inc\"\nret;");
  const auto& body = module->functions[0].body;
  EXPECT_EQ(module->files, (std::vector<std::string>{"a.ptx", "b.inc", "c.inc"}));
  const auto expect = [&](std::size_t i, std::uint32_t file, std::uint32_t line,
                          std::uint32_t column, std::uint16_t within) {
    EXPECT_EQ(body[i].at.file, file) << i;
    EXPECT_EQ(body[i].at.line, line) << i;
    EXPECT_EQ(body[i].at.column, column) << i;
    EXPECT_EQ(body[i].within_line, within) << i;
  };
  expect(0, 0, 5, 1, 0);
  expect(1, 0, 5, 6, 1);
  expect(2, 1, 100, 3, 0);
  expect(3, 1, 102, 1, 0);
  expect(4, 0, 7, 1, 0);
  expect(5, 0, 7, 5, 1);
  expect(6, 0, 7, 10, 2);
  expect(7, 2, 3, 1, 0);
  EXPECT_EQ(refusal("# 12 \"b.inc\"\n.version 9.0\n.target x"),
            "b.inc:13:9: 'x' is no target; expected one such as sm_90a");
}

TEST(Places, OfTheHighLevelSource) {
  const auto module = parse_module(
      ".entry k() { ret;\n.loc 2 12 5\nret;\n.loc 1 30 1, function_name F, inlined_at 2 12 5\n.loc "
      "9 1 1\nret; }\n"
      ".file 1 \"a.cu\"\n.file 2 \"b.cuh\", 5, 6\n.section .debug_str { F: .b8 1, -1 .b32 F+4, "
      ".debug_str }");
  ASSERT_EQ(module->locs.size(), 2u);  // no .file has the number 9
  EXPECT_EQ(module->locs[0].function, &module->functions[0]);
  EXPECT_EQ(module->locs[0].first, 1u);
  EXPECT_EQ(module->files[module->locs[0].at.file], "b.cuh");
  EXPECT_EQ(module->locs[0].at.line, 12u);
  EXPECT_EQ(module->locs[0].at.column, 5u);
  EXPECT_EQ(module->locs[1].first, 2u);
  EXPECT_EQ(module->files[module->locs[1].at.file], "a.cu");
}

}  // namespace
}  // namespace triptych::emulator

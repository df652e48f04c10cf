// ctest: timeout=120 labels=sanitize
// Where the operands of an instruction land: the convention of instruction/form.h.
#include "emulator/decode/decode.h"

#include <cstring>

#include "emulator/decode/moves.h"
#include "emulator/decoded.h"

namespace triptych::emulator {
namespace {

constexpr const char* declarations = R"(
.global .align 16 .b8 gv[64];
.shared .align 16 .b8 sv[64];
.func (.param .b32 out) twice(.param .b32 in) { .reg .b32 t; ld.param.b32 t, [in]; st.param.b32 [out], t; ret; }
.func (.reg .b32 out) same(.reg .b32 in, .reg .pred how) { @how ld.shared.b32 out, [in]; ret; }
.extern .func (.param .b32 out) vprintf(.param .b64 format, .param .b64 values);
)";

/// The code of an entry with a few registers around `body`.
struct Kernel {
  std::unique_ptr<ModuleCode> module;
  const FunctionCode* code;
  explicit Kernel(const std::string& body)
      : module(decode_text(
            declarations +
            (".visible .entry k(.param .u64 pointer, .param .align 64 .b8 map[128]) {\n"
             ".local .align 8 .b8 lv[40];\n.reg .pred p, q;\n.reg .b16 h;\n.reg .b32 a, b, c, d;\n"
             ".reg .b64 w, x, y;\n.reg .f32 f, g;\n.reg .f64 e;\n" +
             body + "\n}\n"))),
        code(module->by_name.at("k")) {}
  const Instr& operator[](std::size_t i) const { return code->instrs.at(i); }
  std::size_t size() const { return code->instrs.size() - 1; }  // without the ret that was added
  template <class T>
  T constant(Slot slot, int lane = 0) const {
    EXPECT_EQ(slot.bank(), Slot::constants);
    T value;
    std::memcpy(
        &value,
        code->constants.data() + slot.byte_offset() + static_cast<std::size_t>(lane) * sizeof(T),
        sizeof(T));
    return value;
  }
};

bool same(Slot a, Slot b) { return std::memcmp(&a, &b, sizeof(Slot)) == 0; }

TEST(Decode, ScalarsGoToOpInOrder) {
  const Kernel k("atom.shared.cas.b32 a, [b+8], c, d;\nst.shared.v4.b32 [a], {a, b, c, d};");
  ASSERT_EQ(k.size(), 2u);
  const Instr& cas = k[0];
  EXPECT_EQ(cas.imm, 8);
  EXPECT_TRUE(cas.guard.absent());
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(cas.op[static_cast<std::size_t>(i)].bank(), Slot::frame) << i;
  EXPECT_TRUE(cas.op[4].absent());
  const FunctionCode& code = *k.code;
  EXPECT_TRUE(same(code.lists[k[1].list + 0], cas.op[0]));
  EXPECT_TRUE(same(code.lists[k[1].list + 1], cas.op[1]));
  EXPECT_TRUE(same(code.lists[k[1].list + 2], cas.op[2]));
  EXPECT_TRUE(same(code.lists[k[1].list + 3], cas.op[3]));
  EXPECT_EQ(k[1].list_count, 4);
  EXPECT_EQ(k[1].at_list, 4);
}

TEST(Decode, GuardsAndPredicates) {
  const Kernel k(
      "@!p shfl.sync.idx.b32 a|q, b, 1, 31, -1;\nshfl.sync.idx.b32 a, b, 1, 31, -1;\n"
      "vote.sync.any.pred p, !q, -1;\nvote.sync.any.pred p, 1, -1;\nshfl.sync.idx.b32 a|_, b, 1, "
      "31, -1;");
  EXPECT_TRUE(k[0].guard.negated());
  EXPECT_FALSE(k[0].op[1].absent());
  EXPECT_EQ(k[0].op[1].predicate_index(), k[2].op[1].predicate_index());
  EXPECT_TRUE(k[1].op[1].absent());
  EXPECT_TRUE(k[2].op[1].negated());
  // A constant: a predicate that nobody writes, negated for 1.
  EXPECT_TRUE(k[3].op[1].negated());
  EXPECT_NE(k[3].op[1].predicate_index(), k[2].op[1].predicate_index());
  EXPECT_FALSE(k[4].op[1].absent());
}

TEST(Decode, ConstantsAreRowsOfTheInstructionsType) {
  const Kernel k(
      "atom.shared.cas.b32 a, [b], 7, -1;\nst.shared.u64 [b], -2;\nst.shared.u8 [b], 0x1FF;\n"
      "add.f32 f, g, 1.5;\nadd.f32 f, g, 0f3FC00000;\nadd.f64 e, e, 0f3FC00000;\nst.shared.b64 "
      "[b], 1.5;");
  EXPECT_EQ(k.constant<std::uint32_t>(k[0].op[2]), 7u);
  EXPECT_EQ(k.constant<std::uint32_t>(k[0].op[2], 31), 7u);
  EXPECT_EQ(k.constant<std::uint32_t>(k[0].op[3]), 0xFFFFFFFFu);
  EXPECT_EQ(k.constant<std::int64_t>(k.code->lists[k[1].list]), -2);
  EXPECT_EQ(k.constant<std::uint32_t>(k.code->lists[k[2].list]), 0xFFu);
  EXPECT_EQ(k.constant<float>(k[3].op[2]), 1.5f);
  EXPECT_TRUE(same(k[3].op[2], k[4].op[2]));
  EXPECT_EQ(k.constant<double>(k[5].op[2]), 1.5);
  EXPECT_EQ(k.constant<double>(k.code->lists[k[6].list]), 1.5);
}

TEST(Decode, AddressesOfVariables) {
  const Kernel k(
      "ld.global.u32 a, [gv+4];\nld.shared.u32 a, [sv+4];\nld.local.u32 a, [lv+4];\nld.param.u64 "
      "w, [pointer];\n"
      "ld.param.u32 a, [map+4];\nld.u32 a, [sv];\nld.u32 a, [gv];\nld.u32 a, [lv+8];");
  const std::int64_t expected[] = {static_cast<std::int64_t>(fake_address + 4),
                                   shared_reserved + 4,
                                   4,
                                   0,
                                   68,
                                   static_cast<std::int64_t>(window::shared + shared_reserved),
                                   static_cast<std::int64_t>(fake_address),
                                   static_cast<std::int64_t>(window::local + 8)};
  for (std::size_t i = 0; i < std::size(expected); ++i) {
    EXPECT_EQ(k[i].imm, expected[i]) << i;
    EXPECT_TRUE(k[i].op[0].absent()) << i;  // the destination is in the list
  }
  EXPECT_EQ(k.code->static_shared_bytes, 64u);
  EXPECT_EQ(k.code->parameter_bytes, 192u);
  EXPECT_EQ(k.code->local_bytes, 48u);
}

TEST(Decode, BasesHaveTheWidthOfTheirSpace) {
  const Kernel k(
      "ld.shared.u32 a, [w];\nld.local.u32 a, [b];\nld.global.u32 a, [h];\nld.param.u32 a, "
      "[b];\nld.shared.u32 a, [b];");
  EXPECT_EQ(k[0].run, &moves::cut_64_to_32);
  EXPECT_TRUE(same(k[1].op[0], k[0].op[0]));
  EXPECT_EQ(k[2].run, &moves::zero_extend_32_to_64);
  EXPECT_EQ(k[4].run, &moves::zero_extend_16_to_32);
  EXPECT_EQ(k[5].run, &moves::zero_extend_32_to_64);
  EXPECT_EQ(k[7].run, &moves::zero_extend_32_to_64);
  EXPECT_EQ(k.size(), 10u);
  for (const std::size_t move : {0u, 2u, 4u, 5u, 7u}) {
    EXPECT_TRUE((k[move].flags & Instr::added) != 0);
    EXPECT_EQ(k.code->sites[move].source, k.code->sites[move == 4 ? 6 : move + 1].source);
  }
}

TEST(Decode, FurtherAddressesAreComplete) {
  const Kernel k(
      "cp.async.ca.shared.global [sv+4], [gv+8], 16;\ncp.async.ca.shared.global [a+16], [w+32], "
      "4;\n"
      "cp.async.ca.shared.global [a+16], [w], 4;");
  EXPECT_EQ(k[0].imm, shared_reserved + 4);
  EXPECT_TRUE(k[0].op[0].absent());
  EXPECT_EQ(k.constant<std::uint64_t>(k[0].op[1]), fake_address + 8);
  EXPECT_EQ(k[1].run, &moves::add_64);
  EXPECT_EQ(k[1].imm, 32);
  EXPECT_EQ(k[2].imm, 16);
  EXPECT_TRUE(same(k[2].op[1], k[1].op[0]));
  EXPECT_EQ(k.size(), 4u);
}

TEST(Decode, WiderRegistersGetMoves) {
  const Kernel k(
      "ld.shared.s8 w, [a];\nld.shared.u16 w, [a];\nld.shared.s8 b, [a];\nst.shared.u32 [a], w;\n"
      "@p ld.shared.v2.f32 {w, x}, [a];");
  EXPECT_EQ(k[1].run, &moves::sign_extend_32_to_64);
  EXPECT_EQ(k[3].run, &moves::zero_extend_32_to_64);
  EXPECT_EQ(k[5].run, &moves::cut_64_to_32);
  EXPECT_TRUE(same(k[1].op[1], k.code->lists[k[0].list]));
  // Both moves have the load's guard.
  for (const std::size_t move : {8u, 9u}) {
    EXPECT_EQ(k[move].run, &moves::zero_extend_32_to_64);
    EXPECT_TRUE(same(k[move].guard, k[7].guard));
  }
}

TEST(Decode, ConditionalOperandsKeepTheirSlot) {
  const Kernel k(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [a], [w], "
      "16, [b], x;\n"
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [a], "
      "[w], 16, [b], h;\n"
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [a], [w], 16, [b];");
  const bool mask[] = {false, true, false}, hint[] = {true, false, false};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(!k[i].op[4].absent(), mask[i]) << i;
    EXPECT_EQ(!k[i].op[5].absent(), hint[i]) << i;
  }
}

TEST(Decode, CallsPassMemoryRegistersAndConstants) {
  const Kernel k(
      "{ .param .b32 in; .param .b32 out;\nst.param.b32 [in], a;\ncall.uni (out), twice, "
      "(in);\nld.param.b32 b, [out]; }\n"
      "call (c), same, (d, p);\ncall (_), same, (5, 1);");
  const FunctionCode& code = *k.code;
  ASSERT_EQ(code.calls.size(), 3u);
  const CallSite &first = code.calls[0], &second = code.calls[1], &third = code.calls[2];
  EXPECT_EQ(first.callee, k.module->by_name.at("twice"));
  EXPECT_TRUE(first.arguments[0].slot.absent());
  EXPECT_EQ(first.arguments[0].bytes, 4u);
  EXPECT_EQ(first.arguments[0].local, static_cast<std::uint32_t>(k[0].imm));
  EXPECT_EQ(first.results[0].local, static_cast<std::uint32_t>(k[2].imm));
  EXPECT_NE(first.results[0].local, first.arguments[0].local);
  EXPECT_EQ(second.results[0].slot.bank(), Slot::frame);
  EXPECT_EQ(second.arguments[0].bytes, 4u);
  EXPECT_EQ(second.arguments[1].bytes, 0u);
  EXPECT_FALSE(second.arguments[1].slot.negated());
  EXPECT_EQ(k.constant<std::uint32_t>(third.arguments[0].slot), 5u);
  EXPECT_TRUE(third.arguments[1].slot.negated());
  EXPECT_FALSE(third.results[0].slot.absent());
  EXPECT_EQ(k[3].list, 1u);
}

TEST(Decode, DeviceFunctionsHaveTheirParametersInTheFrame) {
  const Kernel k("");
  const FunctionCode& twice = *k.module->by_name.at("twice");
  ASSERT_EQ(twice.parameters.size(), 1u);
  EXPECT_EQ(twice.results[0].local, 0u);
  EXPECT_EQ(twice.parameters[0].local, 4u);
  EXPECT_TRUE(twice.parameters[0].slot.absent());
  EXPECT_EQ(twice.local_bytes, 16u);
  // The frame's place is read once and is the base of both accesses.
  ASSERT_EQ(twice.instrs.size(), 4u);
  EXPECT_EQ(twice.instrs[0].run, &moves::frame_base);
  EXPECT_TRUE(same(twice.instrs[1].op[0], twice.instrs[0].op[0]));
  EXPECT_EQ(twice.instrs[1].imm, 4);
  const FunctionCode& with_registers = *k.module->by_name.at("same");
  EXPECT_EQ(with_registers.parameters[0].bytes, 4u);
  EXPECT_EQ(with_registers.parameters[1].bytes, 0u);
  EXPECT_EQ(with_registers.parameters[1].slot.predicate_index(),
            with_registers.instrs[0].guard.predicate_index());
  EXPECT_TRUE(same(with_registers.parameters[0].slot, with_registers.instrs[0].op[0]));
  EXPECT_FALSE(with_registers.results[0].slot.absent());
  EXPECT_FALSE(same(with_registers.results[0].slot, with_registers.parameters[0].slot));
}

TEST(Decode, TablesOfBranches) {
  const Kernel k("T: .branchtargets L, M;\nbrx.idx a, T;\nL: ld.shared.s8 w, [a];\nM: ret;");
  EXPECT_EQ(k[0].list_count, 2);
  EXPECT_EQ(k.code->targets[k[0].list], 1u);
  EXPECT_EQ(k.code->targets[k[0].list + 1], 3u);  // after the load's move
}

}  // namespace
}  // namespace triptych::emulator

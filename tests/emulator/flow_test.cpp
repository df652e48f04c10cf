// ctest: timeout=120
// Blocks and the order in which diverged lanes run them.
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "emulator/decoded.h"

namespace triptych::emulator {
namespace {

/// A kernel of labelled nops and branches, one statement a line; `nop` stands for something that is
/// not a branch.
std::unique_ptr<ModuleCode> kernel(const std::string& statements) {
  return decode_text(".visible .entry k() {\n.reg .pred p;\n.reg .u32 i;\n" + statements + "\n}\n");
}

std::uint32_t order(const ModuleCode& m, std::string_view label) {
  const FunctionCode& code = *m.by_name.at("k");
  return code.blocks[block_at(code, label)].order;
}

std::uint32_t loop_end(const ModuleCode& m, std::string_view label) {
  const FunctionCode& code = *m.by_name.at("k");
  return code.blocks[block_at(code, label)].loop_end;
}

TEST(Flow, CutsBlocksAtTargetsAndAfterBranches) {
  const auto m = kernel("pmevent 1;\n@p bra B;\npmevent 2;\nB:\npmevent 3;\nret;");
  const FunctionCode& code = *m->by_name.at("k");
  ASSERT_EQ(code.blocks.size(), 3u);
  EXPECT_EQ(code.blocks[0].end, 2u);
  EXPECT_EQ(code.blocks[1].begin, 2u);
  EXPECT_EQ(code.blocks[2].begin, 3u);
  EXPECT_EQ(code.block_of[4], 2u);
  EXPECT_EQ(code.instrs[1].imm, 3);
  EXPECT_EQ(code.instrs.size(), 5u);  // ret ends it: nothing was added
}

TEST(Flow, EndsAFunctionThatDoesNotEnd) {
  for (const char* body : {"pmevent 1;", "@p ret;", "@p bra A;\nret;\nA:", ""}) {
    const auto m = kernel(body);
    const FunctionCode& code = *m->by_name.at("k");
    ASSERT_FALSE(code.instrs.empty());
    EXPECT_TRUE(code.instrs.back().guard.absent()) << body;
    EXPECT_EQ(all_forms()[code.instrs.back().form]->pattern, std::string("ret{.uni}")) << body;
  }
}

TEST(Flow, JoinsAfterBothSides) {
  // The join stands before one side in the text.
  const auto m = kernel(
      "@p bra ELSE;\nTHEN: pmevent 1;\nbra JOIN;\nJOIN: pmevent 2;\nret;\nELSE: pmevent 3;\nbra "
      "JOIN;");
  EXPECT_LT(order(*m, "THEN"), order(*m, "JOIN"));
  EXPECT_LT(order(*m, "ELSE"), order(*m, "JOIN"));
}

TEST(Flow, KeepsALoopTogether) {
  // Part of the body stands after the exit.
  const auto m = kernel(
      "HEAD: @p bra EXIT;\nBODY: @p bra FAR;\npmevent 1;\nbra HEAD;\nEXIT: pmevent 2;\nret;\nFAR: "
      "pmevent 3;\nbra HEAD;");
  const std::uint32_t end = loop_end(*m, "HEAD");
  EXPECT_LT(order(*m, "HEAD"), order(*m, "BODY"));
  for (const char* inside : {"HEAD", "BODY", "FAR"}) EXPECT_LT(order(*m, inside), end) << inside;
  EXPECT_GT(order(*m, "EXIT"), end);
}

TEST(Flow, TheHeaderIsFirstInTheTextWhereverALoopIsEntered) {
  // `while`, as it is often written by hand: the test stands at the end and is entered first.
  const auto m = kernel("bra TEST;\nBODY: pmevent 1;\nTEST: @p bra BODY;\nEXIT: ret;");
  EXPECT_NE(loop_end(*m, "BODY"), 0u);
  EXPECT_EQ(loop_end(*m, "TEST"), 0u);
  EXPECT_LT(order(*m, "BODY"), order(*m, "TEST"));
  EXPECT_LT(order(*m, "TEST"), loop_end(*m, "BODY"));
  EXPECT_GT(order(*m, "EXIT"), loop_end(*m, "BODY"));
}

TEST(Flow, NestsLoops) {
  const auto m = kernel(
      "OUTER: pmevent 1;\nINNER: pmevent 2;\n@p bra INNER;\nAFTER: pmevent 3;\n@p bra "
      "OUTER;\nEXIT: ret;");
  EXPECT_LT(order(*m, "OUTER"), order(*m, "INNER"));
  EXPECT_LT(loop_end(*m, "INNER"), order(*m, "AFTER"));
  EXPECT_LT(order(*m, "AFTER"), loop_end(*m, "OUTER"));
  EXPECT_LT(loop_end(*m, "OUTER"), order(*m, "EXIT"));
}

TEST(Flow, TwoBackEdgesAreOneLoop) {
  const auto m =
      kernel("HEAD: pmevent 1;\n@p bra HEAD;\nREST: pmevent 2;\n@p bra HEAD;\nEXIT: ret;");
  EXPECT_NE(loop_end(*m, "HEAD"), 0u);
  EXPECT_LT(order(*m, "REST"), loop_end(*m, "HEAD"));
  EXPECT_LT(loop_end(*m, "HEAD"), order(*m, "EXIT"));
}

TEST(Flow, ALoopMayHaveTwoEntries) {
  const auto m = kernel("@p bra B;\nA: pmevent 1;\nB: pmevent 2;\n@p bra A;\nEXIT: ret;");
  EXPECT_NE(loop_end(*m, "A"), 0u);
  EXPECT_LT(order(*m, "A"), order(*m, "B"));
  EXPECT_LT(loop_end(*m, "A"), order(*m, "EXIT"));
}

/// What must hold whatever the graph: orders are unique; an edge leads to a greater order, or
/// backwards in the text to the header of a loop that the source is in; loops lie within each other
/// or apart.
void check(const FunctionCode& code) {
  std::vector<std::uint32_t> orders;
  for (const Block& b : code.blocks) {
    orders.push_back(b.order);
    if (b.loop_end != 0) orders.push_back(b.loop_end);
  }
  std::sort(orders.begin(), orders.end());
  EXPECT_TRUE(std::adjacent_find(orders.begin(), orders.end()) == orders.end());
  const auto edge = [&](const Block& from, const Block& to) {
    EXPECT_TRUE(to.order > from.order || (to.loop_end > from.order && to.begin <= from.begin))
        << from.begin << " -> " << to.begin;
  };
  for (std::size_t b = 0; b < code.blocks.size(); ++b) {
    const std::uint32_t last = code.blocks[b].end - 1;
    const Instr& i = code.instrs[last];
    const std::string form = all_forms()[i.form]->pattern;
    const bool bra = form.starts_with("bra"), brx = form.starts_with("brx"),
               ret = form.starts_with("ret");
    if (bra) edge(code.blocks[b], code.blocks[code.block_of[static_cast<std::size_t>(i.imm)]]);
    for (std::uint32_t t = 0; brx && t < i.list_count; ++t) {
      edge(code.blocks[b], code.blocks[code.block_of[code.targets[i.list + t]]]);
    }
    if (!(bra || brx || ret) || !i.guard.absent()) edge(code.blocks[b], code.blocks[b + 1]);
  }
  for (const Block& a : code.blocks) {
    for (const Block& b : code.blocks) {
      if (a.loop_end == 0 || b.loop_end == 0 || a.order >= b.order) continue;
      EXPECT_TRUE(b.order > a.loop_end || b.loop_end < a.loop_end);
    }
  }
}

TEST(Flow, HoldsForRandomGraphs) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    const int blocks = 1 + static_cast<int>(random() % 14);
    std::string text;
    const auto label = [&] { return fmt::format("L{}", random() % static_cast<unsigned>(blocks)); };
    for (int b = 0; b < blocks; ++b) {
      text += fmt::format("L{}: pmevent 1;\n", b);
      switch (random() % 6) {
        case 0:
          break;
        case 1:
          text += fmt::format("bra {};\n", label());
          break;
        case 2:
          text += "@p ret;\n";
          break;
        case 3: {
          text += fmt::format("T{}: .branchtargets {}, {}, {};\n", b, label(), label(), label());
          text += fmt::format("brx.idx i, T{};\n", b);
          break;
        }
        default:
          text += fmt::format("@p bra {};\n", label());
          break;
      }
    }
    SCOPED_TRACE(text);
    check(*kernel(text)->by_name.at("k"));
    if (HasFailure()) return;
  }
}

TEST(Flow, ManyLoopsWithinEachOtherAreOrdered) {
  constexpr int depth = 1500;
  std::string text;
  for (int i = 0; i < depth; ++i) text += fmt::format("L{}: pmevent 1;\n", i);
  for (int i = depth; i-- > 0;) text += fmt::format("@p bra L{};\n", i);
  const auto m = kernel(text);
  EXPECT_LT(order(*m, "L0"), order(*m, "L100"));
  EXPECT_LT(loop_end(*m, "L100"), loop_end(*m, "L0"));
}

}  // namespace
}  // namespace triptych::emulator

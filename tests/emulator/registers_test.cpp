// ctest: timeout=120
// Registers that share rows: a value is never overwritten while somebody may still read it.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "emulator/decoded.h"
#include "emulator/instruction/signature.h"

namespace triptych::emulator {
namespace {

/// A slot of an instruction, and what the instruction does with it.
struct Use {
  std::uint64_t slot;
  bool predicate, read, write;
};

std::uint64_t key(Slot slot, bool predicate) {
  return predicate ? slot.predicate_index() : (std::uint64_t{1} << 40) + slot.byte_offset();
}

/// What an instruction reads and writes in its frame, by its form's signature.
std::vector<Use> uses_of(const FunctionCode& code, const Instr& i) {
  std::vector<Use> uses;
  const auto add = [&](Slot slot, bool predicate, bool read, bool write) {
    if (slot.absent() || (!predicate && slot.bank() != Slot::frame)) return;
    uses.push_back({key(slot, predicate), predicate, read, write});
  };
  add(i.guard, true, true, false);
  if (i.form == Instr::no_form) {
    add(i.op[0], false, false, true);
    add(i.op[1], false, true, false);
    return uses;
  }
  for (const Element& e : parse_signature(all_forms()[i.form]->operands)) {
    const bool predicate = e.type == "pred";
    if (e.kind == Element::Kind::vector) {
      for (std::uint32_t l = 0; l < i.list_count; ++l)
        add(code.lists[i.list + l], predicate, e.read, e.write);
    } else if (e.ops > 0) {
      add(i.op[static_cast<std::size_t>(e.op)], predicate, e.read, e.write);
    }
  }
  return uses;
}

/// A random kernel over a few registers of each class, with branches between its blocks.
std::string random_kernel(std::mt19937& random) {
  const auto below = [&](unsigned n) { return random() % n; };
  const auto r = [&] { return fmt::format("r{}", below(8)); };
  const auto d = [&] { return fmt::format("d{}", below(5)); };
  const auto p = [&] { return fmt::format("p{}", below(4)); };
  std::string text = ".visible .entry k() {\n.reg .b32 r<8>;\n.reg .b64 d<5>;\n.reg .pred p<4>;\n";
  const unsigned blocks = 1 + below(8);
  for (unsigned b = 0; b < blocks; ++b) {
    text += fmt::format("L{}:\n", b);
    for (unsigned n = below(8); n > 0; --n) {
      if (below(3) == 0) text += fmt::format("@{}{} ", below(2) == 0 ? "!" : "", p());
      switch (below(10)) {
        case 0:
          text += fmt::format("ld.shared.u32 {}, [{}];\n", r(), r());
          break;
        case 1:
          text += fmt::format("ld.shared.v2.u32 {{{}, {}}}, [{}];\n", r(), r(), r());
          break;
        case 2:
          text += fmt::format("st.shared.u32 [{}], {};\n", r(), r());
          break;
        case 3:
          text += fmt::format("atom.shared.cas.b32 {}, [{}], {}, {};\n", r(), r(), r(), r());
          break;
        case 4:
          text += fmt::format("ld.shared.u64 {}, [{}];\n", d(), r());
          break;
        case 5:
          text += fmt::format("st.shared.v2.u64 [{}], {{{}, {}}};\n", r(), d(), d());
          break;
        case 6:
          text += fmt::format("ld.shared.s8 {}, [{}];\n", d(), r());
          break;
        case 7:
          text += fmt::format("mbarrier.test_wait.shared.b64 {}, [{}], {};\n", p(), r(), d());
          break;
        case 8:
          text += fmt::format("st.shared.u32 [{}], {};\n", d(), d());
          break;
        default:
          text += fmt::format("atom.shared.cas.b64 _, [{}], {}, {};\n", r(), d(), d());
          break;
      }
    }
    if (below(4) != 0)
      text +=
          fmt::format("{}bra L{};\n", below(4) != 0 ? fmt::format("@{} ", p()) : "", below(blocks));
  }
  return text + "}\n";
}

/// Walks one random path through a kernel decoded with and without sharing, and compares which
/// write each read sees.
void walk(const FunctionCode& shared, const FunctionCode& own, std::mt19937& random) {
  std::map<std::uint64_t, int> writes, own_writes;
  std::uint32_t pc = 0;
  bool executes = false;
  for (int step = 1; step < 400; ++step) {
    const Instr& i = shared.instrs[pc];
    const auto uses = uses_of(shared, i), own_uses = uses_of(own, own.instrs[pc]);
    ASSERT_EQ(uses.size(), own_uses.size());
    // What was added after a guarded instruction has the same guard.
    if (i.guard.absent()) {
      executes = true;
    } else if (i.form != Instr::no_form) {
      executes = random() % 2 == 0;
    }
    for (std::size_t u = 0; u < uses.size(); ++u) {
      const int expected = own_writes[own_uses[u].slot];
      const bool guard = u == 0 && !i.guard.absent();
      if (uses[u].read && expected != 0 && (executes || guard)) {
        ASSERT_EQ(writes[uses[u].slot], expected) << "instruction " << pc;
      }
      for (std::size_t v = 0; v < uses.size(); ++v) {
        if (!uses[u].write || !uses[v].read || uses[u].slot != uses[v].slot) continue;
        ASSERT_EQ(own_uses[u].slot, own_uses[v].slot)
            << "a result lies on an operand, instruction " << pc;
      }
    }
    for (std::size_t u = 0; u < uses.size() && executes; ++u) {
      if (!uses[u].write) continue;
      writes[uses[u].slot] = step;
      own_writes[own_uses[u].slot] = step;
    }
    const std::string form = i.form == Instr::no_form ? "" : all_forms()[i.form]->pattern;
    if (form.starts_with("ret") && executes) return;
    pc = form.starts_with("bra") && executes ? static_cast<std::uint32_t>(i.imm) : pc + 1;
  }
}

TEST(Registers, SharingChangesNothing) {
  std::mt19937 random(11);
  std::uint64_t bytes = 0, own_bytes = 0;
  for (int round = 0; round < 400; ++round) {
    const std::string text = random_kernel(random);
    SCOPED_TRACE(text);
    const auto shared = decode_text(text), own = decode_text(text, {.share_slots = false});
    const FunctionCode &a = *shared->by_name.at("k"), &b = *own->by_name.at("k");
    ASSERT_EQ(a.instrs.size(), b.instrs.size());
    bytes += a.frame_bytes;
    own_bytes += b.frame_bytes;
    for (int path = 0; path < 20 && !HasFailure(); ++path) walk(a, b, random);
    if (HasFailure()) return;
  }
  EXPECT_LT(bytes, own_bytes);
}

std::unique_ptr<ModuleCode> kernel(const std::string& body, const DecodeOptions& options = {}) {
  return decode_text(
      ".visible .entry k() {\n.reg .b32 a, b, c, d, e;\n.reg .b64 w, x;\n.reg .pred p;\n" + body +
          "\n}\n",
      options);
}

TEST(Registers, AChainTakesTwoRows) {
  const auto m = kernel(
      "ld.shared.u32 b, [a];\nld.shared.u32 c, [b];\nld.shared.u32 d, [c];\nst.shared.u32 [d], d;");
  EXPECT_EQ(m->by_name.at("k")->frame_bytes, 2 * 128u);
  EXPECT_EQ(m->by_name.at("k")->registers, 1u);
}

TEST(Registers, AGuardedWriteKeepsTheOldValue) {
  // b may be a's row if the guarded load killed a.
  const auto m = kernel(
      "ld.shared.u32 a, [e];\nld.shared.u32 b, [e];\nst.shared.u32 [b], b;\n@p ld.shared.u32 a, "
      "[e];\nst.shared.u32 [a], a;");
  const FunctionCode& k = *m->by_name.at("k");
  EXPECT_NE(key(k.instrs[1].op[0], false), key(k.instrs[4].op[0], false));
}

TEST(Registers, CountsWhatLivesAtOnce) {
  const auto m = kernel(
      "ld.shared.u64 w, [a];\nld.shared.u64 x, [a];\nst.shared.u64 [a], w;\nst.shared.u64 [a], x;");
  EXPECT_EQ(m->by_name.at("k")->registers, 5u);  // a, w, x
}

TEST(Registers, AValueLivesThroughTheLoopThatReadsIt) {
  const auto m = kernel(
      "ld.shared.u32 a, [e];\nL: st.shared.u32 [a], a;\nld.shared.u32 b, [e];\nst.shared.u32 [b], "
      "b;\n@p bra L;");
  const FunctionCode& k = *m->by_name.at("k");
  std::set<std::uint64_t> rows;
  for (std::size_t r = 0; r < k.slot_of_register.size(); ++r) {
    if (!k.slot_of_register[r].absent() && k.source->registers[r].type != Type::pred)
      rows.insert(key(k.slot_of_register[r], false));
  }
  EXPECT_EQ(rows.size(), 3u);  // a, b and e
}

TEST(Registers, UnusedRegistersHaveNoPlace) {
  for (const bool share : {true, false}) {
    const auto k = kernel("ld.shared.u32 b, [a];", {.share_slots = share});
    int placed = 0;
    for (const Slot s : k->by_name.at("k")->slot_of_register) placed += s.absent() ? 0 : 1;
    EXPECT_EQ(placed, 2);
  }
}

TEST(Registers, LimitsComeFromTheDirectives) {
  std::string body, uses;
  for (int i = 0; i < 200; ++i) body += fmt::format("ld.shared.u32 r{}, [r200];\n", i);
  for (int i = 0; i < 200; ++i) uses += fmt::format("st.shared.u32 [r{}], r{};\n", i, i);
  const auto registers = [&](const std::string& directives) {
    const auto m = decode_text(fmt::format(".visible .entry k() {} {{\n.reg .b32 r<201>;\n{}{}}}\n",
                                           directives, body, uses));
    return m->by_name.at("k")->registers;
  };
  EXPECT_EQ(registers(""), 200u);
  EXPECT_EQ(registers(".maxnreg 64"), 64u);
  EXPECT_EQ(registers(".maxntid 512, 1, 1"), 128u);
  EXPECT_EQ(registers(".maxntid 512, 1, 1 .minnctapersm 2"), 64u);
}

}  // namespace
}  // namespace triptych::emulator

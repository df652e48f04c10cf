// Which registers live together, and rows that others may have after them.
//
// A register's span reaches from the first to the last instruction where it lives. Two whose spans
// do not meet share a row. An instruction belongs to the spans of all that it reads and writes, so
// a result never lies where an operand lies.
#include <algorithm>
#include <functional>
#include <queue>

#include "emulator/decode/bits.h"
#include "emulator/decode/lowered.h"

namespace triptych::emulator {
namespace {

/// Sets of registers, one a block, are kept up to this many bits; a larger function shares rows
/// only within blocks.
constexpr std::uint64_t most_bits = std::uint64_t{1} << 26;

struct Span {
  std::uint32_t first = 0xFFFFFFFF, last = 0;
  void reach(std::uint32_t at) {
    first = std::min(first, at);
    last = std::max(last, at);
  }
};

class Placement {
 public:
  explicit Placement(Lowered& function)
      : f_(function),
        spans_(function.classes.size()),
        number_(function.classes.size(), no_register) {}

  void find_spans();
  void count_registers();
  void place(bool share);
  void write_slots();

 private:
  template <class F>
  void each_ref(std::uint32_t i, const F& visit) const {
    for (std::uint32_t r = f_.first_ref[i]; r < f_.first_ref[i + 1]; ++r) visit(f_.refs[r]);
  }
  bool guarded(std::uint32_t i) const {
    bool found = false;
    each_ref(i, [&](const Ref& r) { found = found || r.place == Ref::Place::guard; });
    return found;
  }
  /// Whether the instruction leaves nothing of the register's old value.
  static bool kills(const Ref& r, bool guarded) {
    return r.write && !r.read && (r.whole || !guarded);
  }
  bool named(std::uint32_t reg) const { return spans_[reg].first <= spans_[reg].last; }
  void find_shared();
  void find_live();
  std::uint32_t place_class(RegisterClass c, bool share);

  Lowered& f_;
  std::vector<Span> spans_;
  std::vector<std::uint32_t> number_;    // of registers that live in several blocks, in the sets
  std::vector<std::uint32_t> crossing_;  // those registers
  std::vector<Bits> in_, out_;           // of each block; empty: too many
  std::vector<std::uint32_t> row_;       // within its class
  std::uint32_t words_ = 0, wides_ = 0;
};

/// Numbers the registers that live in more than one block.
void Placement::find_shared() {
  std::vector<std::uint32_t> home(spans_.size(), no_register), killed(spans_.size(), no_register);
  const auto cross = [&](std::uint32_t reg) {
    if (number_[reg] != no_register) return;
    number_[reg] = static_cast<std::uint32_t>(crossing_.size());
    crossing_.push_back(reg);
  };
  for (std::uint32_t i = 0; i < f_.code.instrs.size(); ++i) {
    const std::uint32_t block = f_.code.block_of[i];
    const bool guard = guarded(i);
    each_ref(i, [&](const Ref& r) {
      spans_[r.reg].reach(i);
      if (home[r.reg] == no_register) home[r.reg] = block;
      if (home[r.reg] != block || (r.read && killed[r.reg] != block)) cross(r.reg);
    });
    each_ref(i, [&](const Ref& r) {
      if (kills(r, guard)) killed[r.reg] = block;
    });
  }
}

/// Which of them live at the beginning and at the end of each block.
void Placement::find_live() {
  const auto& blocks = f_.code.blocks;
  std::vector<Bits> killed(blocks.size(), Bits(crossing_.size()));
  in_ = out_ = killed;
  for (std::uint32_t b = 0; b < blocks.size(); ++b) {
    for (std::uint32_t i = blocks[b].begin; i < blocks[b].end; ++i) {
      const bool guard = guarded(i);
      each_ref(i, [&](const Ref& r) {
        if (number_[r.reg] != no_register && r.read && !killed[b].test(number_[r.reg]))
          in_[b].set(number_[r.reg]);
      });
      each_ref(i, [&](const Ref& r) {
        if (number_[r.reg] != no_register && kills(r, guard)) killed[b].set(number_[r.reg]);
      });
    }
  }
  // Last blocks first: one turn, and one more for each level of loops.
  std::vector<std::uint32_t> backwards(blocks.size());
  for (std::uint32_t b = 0; b < blocks.size(); ++b) backwards[b] = b;
  std::sort(backwards.begin(), backwards.end(),
            [&](auto a, auto b) { return blocks[a].order > blocks[b].order; });
  for (bool changed = true; changed;) {
    changed = false;
    for (const std::uint32_t b : backwards) {
      bool more = false;
      for (const std::uint32_t to : f_.successors[b]) more = out_[b].add(in_[to], nullptr) || more;
      if (more) changed = in_[b].add(out_[b], &killed[b]) || changed;
    }
  }
}

void Placement::find_spans() {
  find_shared();
  const auto& blocks = f_.code.blocks;
  const auto last = static_cast<std::uint32_t>(f_.code.instrs.size() - 1);
  if (crossing_.size() * blocks.size() <= most_bits) {
    find_live();
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      in_[b].each([&](std::size_t n) { spans_[crossing_[n]].reach(blocks[b].begin); });
      out_[b].each([&](std::size_t n) { spans_[crossing_[n]].reach(blocks[b].end - 1); });
    }
  } else {
    for (const std::uint32_t reg : crossing_) spans_[reg] = {0, last};
  }
  for (std::size_t reg = 0; reg < spans_.size(); ++reg) {
    if (f_.own_row[reg]) spans_[reg] = {0, last};
  }
}

/// The most 32-bit registers that live at once: from the end of each block backwards.
void Placement::count_registers() {
  const auto units = [&](std::uint32_t reg) {
    return row_bytes(f_.classes[reg]) / row_bytes(RegisterClass::word);
  };
  std::vector<std::uint32_t> alive(spans_.size(),
                                   no_register);  // the block in which it was found alive
  std::uint32_t most = 0;
  for (std::uint32_t b = 0; b < f_.code.blocks.size(); ++b) {
    std::uint32_t count = 0;
    const auto live = [&](std::uint32_t reg) {
      if (alive[reg] != b) count += units(reg);
      alive[reg] = b;
    };
    if (!out_.empty()) out_[b].each([&](std::size_t n) { live(crossing_[n]); });
    for (std::uint32_t i = f_.code.blocks[b].end; i-- > f_.code.blocks[b].begin;) {
      const bool guard = guarded(i);
      each_ref(i, [&](const Ref& r) {
        if (r.write) live(r.reg);
      });
      most = std::max(most, count);
      each_ref(i, [&](const Ref& r) {
        if (!kills(r, guard)) return;
        if (alive[r.reg] == b) count -= units(r.reg);
        alive[r.reg] = no_register;
      });
      each_ref(i, [&](const Ref& r) {
        if (r.read) live(r.reg);
      });
      most = std::max(most, count);
    }
  }
  f_.code.registers = most;
}

/// Linear scan; how many rows the class takes.
std::uint32_t Placement::place_class(RegisterClass c, bool share) {
  std::vector<std::uint32_t> regs;
  for (std::uint32_t reg = 0; reg < spans_.size(); ++reg) {
    if (f_.classes[reg] == c && (named(reg) || !share)) regs.push_back(reg);
  }
  std::uint32_t rows = 0;
  if (!share) {
    for (const std::uint32_t reg : regs) row_[reg] = rows++;
    return rows;
  }
  std::stable_sort(regs.begin(), regs.end(), [&](std::uint32_t a, std::uint32_t b) {
    return spans_[a].first < spans_[b].first;
  });
  using Active = std::pair<std::uint32_t, std::uint32_t>;  // last instruction, row
  std::priority_queue<Active, std::vector<Active>, std::greater<>> active;
  std::vector<std::uint32_t> free;
  for (const std::uint32_t reg : regs) {
    while (!active.empty() && active.top().first < spans_[reg].first) {
      free.push_back(active.top().second);
      active.pop();
    }
    if (free.empty()) {
      row_[reg] = rows++;
    } else {
      row_[reg] = free.back();
      free.pop_back();
    }
    active.emplace(spans_[reg].last, row_[reg]);
  }
  return rows;
}

void Placement::place(bool share) {
  using enum RegisterClass;
  row_.resize(spans_.size());
  f_.code.predicates = place_class(predicate, share);
  words_ = place_class(word, share);
  wides_ = place_class(wide, share);
  const std::uint32_t quads = place_class(quad, share);
  f_.code.frame_bytes =
      words_ * row_bytes(word) + wides_ * row_bytes(wide) + quads * row_bytes(quad);
}

void Placement::write_slots() {
  using enum RegisterClass;
  const auto slot_of = [&](std::uint32_t reg, bool negated) {
    const RegisterClass c = f_.classes[reg];
    if (c == predicate) return Slot::predicate(row_[reg], negated);
    std::uint32_t at = row_[reg] * row_bytes(c);
    if (c != word) at += words_ * row_bytes(word);
    if (c == quad) at += wides_ * row_bytes(wide);
    return Slot::row(Slot::frame, at);
  };
  FunctionCode& code = f_.code;
  for (std::uint32_t i = 0; i < code.instrs.size(); ++i) {
    each_ref(i, [&](const Ref& r) {
      const Slot slot = slot_of(r.reg, r.negated);
      switch (r.place) {
        case Ref::Place::none:
          break;
        case Ref::Place::guard:
          code.instrs[i].guard = slot;
          break;
        case Ref::Place::op:
          code.instrs[i].op[r.index] = slot;
          break;
        case Ref::Place::list:
          code.lists[r.index] = slot;
          break;
        case Ref::Place::argument:
          code.calls[r.call].arguments[r.index].slot = slot;
          break;
        case Ref::Place::result:
          code.calls[r.call].results[r.index].slot = slot;
          break;
        case Ref::Place::parameter:
          code.parameters[r.index].slot = slot;
          break;
        case Ref::Place::returned:
          code.results[r.index].slot = slot;
          break;
      }
    });
  }
  code.slot_of_register.assign(f_.register_of.size(), Slot());
  for (std::size_t r = 0; r < f_.register_of.size(); ++r) {
    const std::uint32_t reg = f_.register_of[r];
    if (reg != no_register && named(reg)) code.slot_of_register[r] = slot_of(reg, false);
  }
}

}  // namespace

void place_registers(Lowered& function, bool share) {
  Placement placement(function);
  placement.find_spans();
  placement.count_registers();
  placement.place(share);
  placement.write_slots();
}

}  // namespace triptych::emulator

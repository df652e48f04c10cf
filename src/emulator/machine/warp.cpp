// The interpreter: which lanes run, and in what order. Memory is in warp_memory.cpp, control flow in
// warp_control.cpp.
#include "emulator/machine/warp.h"

#include <algorithm>
#include <bit>

#include "emulator/machine/machine.h"
#include "emulator/machine/observer.h"

namespace triptych::emulator {
namespace {

/// Backward branches that a split may take while others could go on.
constexpr std::uint32_t patience = 32;

std::uint64_t load_word(const std::uint8_t* host, std::uint32_t bytes) {
  std::uint64_t value = 0;
  std::memcpy(&value, host, std::min(bytes, 8u));
  return value;
}

/// Where a split is, seen from a frame above its own: the call's place.
struct Place {
  const Frame* frame;
  std::uint32_t order, pc;
};

Place up(const Place& place) {
  const Frame& caller = *place.frame->caller;
  const std::uint32_t pc = place.frame->return_pc - 1;
  return {&caller, caller.code->blocks[caller.code->block_of[pc]].order, pc};
}

/// Whether a comes before b in the order of the program: compared in the innermost frame they share.
bool before(const Split& a, const Split& b) {
  Place x{a.frame.get(), a.order, a.pc}, y{b.frame.get(), b.order, b.pc};
  while (x.frame->depth > y.frame->depth) x = up(x);
  while (y.frame->depth > x.frame->depth) y = up(y);
  while (x.frame != y.frame) {
    x = up(x);
    y = up(y);
  }
  if (x.order != y.order) return x.order < y.order;
  if (x.pc != y.pc) return x.pc < y.pc;
  return a.frame->depth > b.frame->depth;
}

}  // namespace

Warp::Warp(Cta& cta, int index, Mask lanes, const FunctionCode& entry)
    : cta_(cta), index_(index), observer_(cta.sm().machine().observer()), alive_(lanes) {
  auto frame = std::make_shared<Frame>();
  frame->allocate(entry);
  splits_.push_back({.frame = std::move(frame), .pc = 0, .lanes = lanes});
  fill_specials();
  enter(0);
}

Sm& Warp::sm() { return cta_.sm(); }

Machine& Warp::machine() { return cta_.sm().machine(); }

void Frame::allocate(const FunctionCode& function) {
  code = &function;
  storage = std::make_unique<std::uint8_t[]>(function.frame_bytes + 64);
  rows = reinterpret_cast<std::uint8_t*>((reinterpret_cast<std::uintptr_t>(storage.get()) + 63) & ~std::uintptr_t{63});
  predicates.assign(function.predicates, 0);
}

void Frame::set_end(int lane, std::uint32_t end) {
  if (taken.empty()) taken.assign(warp_size, local_base + code->local_bytes);
  taken[static_cast<std::size_t>(lane)] = end;
}

void Warp::enter(std::size_t split) {
  current_ = split;
  Frame& frame = *splits_[split].frame;
  if (observer_ != nullptr && code_ != frame.code) follower_ = observer_->follows(*frame.code) ? observer_ : nullptr;
  code_ = frame.code;
  bank_[Slot::frame] = frame.rows;
  bank_[Slot::constants] = const_cast<std::uint8_t*>(frame.code->constants.data());
  predicates_ = frame.predicates.data();
  active_ = splits_[split].lanes;
}

bool Warp::can_go(Split& split, std::uint64_t clock) {
  Wait& wait = split.wait;
  if (wait.kind == Wait::Kind::none) return true;
  bool over = wait.word != nullptr && wait.word->load(std::memory_order_acquire) != wait.seen;
  over = over || (wait.deadline != 0 && clock >= wait.deadline);
  for (const Polled& p : split.watched) over = over || load_word(p.host, p.bytes) != p.value;
  if (over) {
    wait = {};
    split.watched.clear();
  }
  return over;
}

bool Warp::ready(std::uint64_t clock) {
  meet();
  return std::any_of(splits_.begin(), splits_.end(), [&](Split& s) { return can_go(s, clock); });
}

bool Warp::choose() {
  const std::uint64_t clock = sm().clock();
  if (splits_.size() != 1 || splits_[0].wait.kind == Wait::Kind::lanes) meet();
  if (splits_.size() == 1) {
    if (!can_go(splits_[0], clock)) return false;
    splits_[0].spins = 0;
    enter(0);
    return true;
  }
  std::size_t best = splits_.size();
  const auto better = [&](const Split& a, const Split& b) {
    const bool tired = a.spins >= patience, other = b.spins >= patience;
    return tired != other ? !tired : before(a, b);
  };
  for (std::size_t i = 0; i < splits_.size(); ++i) {
    if (can_go(splits_[i], clock) && (best == splits_.size() || better(splits_[i], splits_[best]))) best = i;
  }
  if (best == splits_.size()) return false;
  if (splits_[best].spins >= patience) {
    for (Split& s : splits_) s.spins = 0;
  }
  // Lanes at the same place, none of them in the middle of an instruction, go on together.
  for (std::size_t i = splits_.size(); i-- > 0;) {
    Split &one = splits_[best], &two = splits_[i];
    if (i == best || one.pc != two.pc || one.frame != two.frame || one.ticket != 0 || two.ticket != 0 ||
        two.wait.kind != Wait::Kind::none) {
      continue;
    }
    one.lanes |= two.lanes;
    splits_.erase(splits_.begin() + static_cast<std::ptrdiff_t>(i));
    if (i < best) --best;
  }
  enter(best);
  return true;
}

bool Warp::overtaken() const {
  const Split& own = splits_[current_];
  return std::any_of(splits_.begin(), splits_.end(), [&](const Split& s) {
    return &s != &own && s.wait.kind == Wait::Kind::none && s.spins < patience &&
           (before(s, own) || (s.pc == own.pc && s.frame == own.frame));
  });
}

std::uint32_t Warp::run(std::uint32_t budget) {
  std::uint32_t count = 0;
  while (count < budget && alive_ != 0 && choose()) {
    count += splits_.size() == 1 ? run_split<true>(budget - count) : run_split<false>(budget - count);
  }
  return count;
}

template <bool alone>
std::uint32_t Warp::run_split(std::uint32_t budget) {
  const Instr* const instrs = code_->instrs.data();
  std::uint32_t pc = splits_[current_].pc, count = 0, ticks = 0;
  std::uint64_t lanes = 0;
  const auto leave = [&](std::uint32_t at) {
    if (at != ~0u) splits_[current_].pc = at;
    instructions_ += count;
    thread_instructions_ += lanes;
    sm().advance(ticks);
    return count;
  };
  while (count < budget) {
    const Instr& i = instrs[pc];
    pc_ = pc;
    Mask exec = active_;
    if (!i.guard.absent()) exec &= predicate(i.guard);
    exec_ = exec;
    ++count;
    ticks += i.ticks;
    lanes += static_cast<std::uint64_t>(std::popcount(exec));
    if (follower_ != nullptr && exec != 0) [[unlikely]] follower_->instruction(*this, i);
    if ((i.flags & Instr::control) == 0 || exec == 0) [[likely]] {
      if (exec != 0) i.run(*this, i);
      ++pc;
      if constexpr (!alone) {
        // At the beginning of a block somebody may be waiting to be met.
        if (code_->block_of[pc] != code_->block_of[pc - 1]) {
          Split& own = splits_[current_];
          own.pc = pc;
          own.order = code_->blocks[code_->block_of[pc]].order;
          if (overtaken()) return leave(pc);
        }
      }
      continue;
    }
    splits_[current_].pc = pc;
    again_ = jumped_ = parted_ = false;
    i.run(*this, i);
    if (again_) {
      --count;
      lanes -= static_cast<std::uint64_t>(std::popcount(exec));
      return leave(~0u);
    }
    if (parted_) {
      move(splits_[current_], pc + 1);
      return leave(~0u);
    }
    if (jumped_) return leave(~0u);
    // The instruction left the split where it was, or a branch that all lanes took moved it.
    pc = splits_[current_].pc == pc ? pc + 1 : splits_[current_].pc;
    if constexpr (!alone) {
      move(splits_[current_], pc);
      if (jumped_ || overtaken()) return leave(pc);
    }
  }
  return leave(pc);
}

}  // namespace triptych::emulator

// How lanes part, meet, wait and end.
#include <algorithm>
#include <bit>

#include "emulator/machine/machine.h"
#include "emulator/machine/observer.h"
#include "emulator/machine/warp.h"

namespace triptych::emulator {
namespace {

/// A parked poll whose registers changed looks again after this many ticks.
constexpr std::uint64_t poll_period = 64;

/// FNV-1a over 8-byte words: only ever compared with itself.
std::uint64_t hash_of(const std::uint8_t* data, std::size_t bytes, std::uint64_t hash) {
  for (std::size_t i = 0; i + 8 <= bytes; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, data + i, 8);
    hash = (hash ^ word) * 0x100000001B3u;
  }
  return hash;
}

}  // namespace

void Warp::move(Split& split, std::uint32_t target) {
  const FunctionCode& code = *split.frame->code;
  split.order = code.blocks[code.block_of[target]].order;
  split.pc = target;
}

/// A backward branch: the split has taken one more turn of a loop.
void Warp::back_edge(Split& split) {
  const FunctionCode& code = *split.frame->code;
  const Block& header = code.blocks[code.block_of[split.pc]];
  if (header.loop_end != 0 && header.begin == split.pc) split.order = header.loop_end;
  ++split.spins;
  if (!effect_ && (!polled_.empty() || polled_clock_)) {
    const Frame& frame = *split.frame;
    std::uint64_t hash = hash_of(frame.rows, code.frame_bytes, 0xCBF29CE484222325u);
    for (const Mask p : frame.predicates) hash = (hash ^ p) * 0x100000001B3u;
    split.wait.kind = Wait::Kind::poll;
    // With the same registers as a turn ago nothing but memory can end the loop.
    if (polled_clock_ || hash != poll_hash_) split.wait.deadline = sm().clock() + poll_period;
    split.watched = std::move(polled_);
    poll_hash_ = hash;
    jumped_ = true;
    if (observer_ != nullptr) observer_->waits(*this, split);
  }
  polled_.clear();
  polled_clock_ = effect_ = false;
}

void Warp::branch(Mask taken, std::uint32_t target) {
  Split& own = splits_[current_];
  const std::uint32_t next = pc_ + 1;
  if (taken == active_) {
    move(own, target);
    if (target <= pc_) back_edge(own);
    // A branch to itself stays where it is: run_split would take it for a fall-through.
    if (target == pc_) jumped_ = true;
    return;
  }
  if (taken == 0 || target == next) return;
  Split other{.frame = own.frame, .pc = 0, .lanes = taken};
  own.lanes &= ~taken;
  move(own, next);
  move(other, target);
  if (target <= pc_) back_edge(other);
  splits_.push_back(std::move(other));
  jumped_ = true;
}

void Warp::branch_each(const Lanes<std::uint32_t>& targets) {
  Mask left = exec_;
  while (left != 0) {
    const std::uint32_t target = targets[std::countr_zero(left)];
    Mask same = 0;
    for (int l = 0; l < warp_size; ++l) same |= static_cast<Mask>((left >> l & 1) != 0 && targets[l] == target) << l;
    left &= ~same;
    if (left == 0 && splits_[current_].lanes == same) {
      active_ = same;
      branch(same, target);
      jumped_ = true;
      return;
    }
    Split other{.frame = splits_[current_].frame, .pc = 0, .lanes = same};
    splits_[current_].lanes &= ~same;
    move(other, target);
    if (target <= pc_) back_edge(other);
    splits_.push_back(std::move(other));
  }
  move(splits_[current_], pc_ + 1);
  jumped_ = true;
}

Frame& Warp::call(const FunctionCode& callee, const Instr& instr, Mask lanes, bool others_again) {
  Split& own = splits_[current_];
  auto frame = std::make_shared<Frame>();
  frame->allocate(callee);
  frame->caller = own.frame;
  frame->return_pc = pc_ + 1;
  frame->call = &instr;
  frame->depth = own.frame->depth + 1;
  std::uint32_t end = 0;   // of the caller's local memory, in the lane where it is largest
  for (Mask left = lanes; left != 0; left &= left - 1) end = std::max(end, own.frame->end_of(std::countr_zero(left)));
  frame->local_base = (end + callee.local_align - 1) / callee.local_align * callee.local_align;
  if (frame->depth > 10000) {
    throw KernelFault{FaultKind::hardware_stack, "a call 10,000 deep; is the recursion without an end?"};
  }
  Split inside{.frame = std::move(frame), .pc = 0, .lanes = lanes};
  Frame& entered = *inside.frame;
  jumped_ = true;
  if (lanes == own.lanes) {
    own = std::move(inside);
  } else {
    own.lanes &= ~lanes;
    move(own, others_again ? pc_ : pc_ + 1);
    splits_.push_back(std::move(inside));
  }
  return entered;
}

void Warp::leave() {
  Split& own = splits_[current_];
  if (own.frame->caller == nullptr) return exit_lanes(exec_);
  Split outside{.frame = own.frame->caller, .pc = 0, .lanes = exec_};
  move(outside, own.frame->return_pc);
  jumped_ = true;
  if (exec_ == own.lanes) {
    own = std::move(outside);
  } else {
    own.lanes &= ~exec_;
    move(own, pc_ + 1);
    splits_.push_back(std::move(outside));
  }
}

void Warp::exit_lanes(Mask lanes) {
  if (observer_ != nullptr) observer_->lanes_exit(*this, lanes);
  alive_ &= ~lanes;
  for (Split& s : splits_) s.lanes &= ~lanes;
  if (splits_[current_].lanes != 0) move(splits_[current_], pc_ + 1);
  std::erase_if(splits_, [](const Split& s) { return s.lanes == 0; });
  jumped_ = true;
  cta_.threads_exited(static_cast<std::uint32_t>(std::popcount(lanes)));
}

void Warp::suspend(const Wait& wait) {
  Split& own = splits_[current_];
  // The lanes that do not execute go on without the others.
  if (exec_ != own.lanes) {
    Split rest{.frame = own.frame, .pc = 0, .lanes = own.lanes & ~exec_};
    move(rest, pc_ + 1);
    own.lanes = exec_;
    splits_.push_back(std::move(rest));
  }
  splits_[current_].wait = wait;
  again_ = true;
  if (observer_ != nullptr) observer_->waits(*this, splits_[current_]);
}

void Warp::only(Mask lanes) {
  Split rest{.frame = splits_[current_].frame, .pc = 0, .lanes = exec_ & ~lanes};
  if (rest.lanes == 0) return;
  splits_[current_].lanes &= ~rest.lanes;
  move(rest, pc_);
  active_ &= ~rest.lanes;
  exec_ &= lanes;
  splits_.push_back(std::move(rest));
  parted_ = true;
}

bool Warp::gather(Mask wanted, bool anywhere) {
  wanted &= alive_;
  if ((exec_ & wanted) == wanted) return true;
  if (anywhere && splits_[current_].ticket != 0) {   // they met
    splits_[current_].ticket = 0;
    return true;
  }
  suspend({.kind = Wait::Kind::lanes, .seen = wanted, .id = anywhere ? 1u : 0u});
  return false;
}

void Warp::meet() {
  for (const Split& s : splits_) {
    if (s.wait.kind != Wait::Kind::lanes) continue;
    const Mask wanted = static_cast<Mask>(s.wait.seen) & alive_;
    const bool anywhere = s.wait.id == 1;
    const auto belongs = [&](const Split& t) {
      return t.wait.kind == Wait::Kind::lanes && (static_cast<Mask>(t.wait.seen) & alive_) == wanted &&
             t.wait.id == s.wait.id && (anywhere || (t.pc == s.pc && t.frame == s.frame));
    };
    Mask here = 0;
    for (const Split& t : splits_) here |= belongs(t) ? t.lanes : 0;
    if ((here & wanted) != wanted) continue;
    std::vector<Split*> all;
    for (Split& t : splits_) {
      if (belongs(t)) all.push_back(&t);
    }
    for (Split* t : all) {
      t->wait = {};
      t->ticket = anywhere ? 1 : 0;
    }
  }
}

void Warp::note_poll(const std::uint8_t* host, std::uint32_t bytes, std::uint64_t value) {
  constexpr std::size_t most = 64;
  if (polled_.size() == most) {
    effect_ = true;   // too much to watch: this is no polling loop
    return;
  }
  polled_.push_back({host, std::min(bytes, 8u), value});
}

}  // namespace triptych::emulator

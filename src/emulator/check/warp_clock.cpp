#include "emulator/check/warp_clock.h"

#include <algorithm>
#include <bit>

namespace triptych::emulator {
namespace {

bool knows_of(const std::shared_ptr<const VectorClock>& clock, Agent agent, int lane, Epoch epoch) {
  return clock != nullptr && clock->knows(agent, lane, epoch);
}

}  // namespace

const WarpClock::Group& WarpClock::group(int lane) const {
  for (const Group& g : groups_) {
    if ((g.lanes >> lane & 1) != 0) return g;
  }
  return groups_.front();
}

template <class F>
void WarpClock::each(Mask lanes, F&& f) {
  for (std::size_t n = groups_.size(); n-- > 0;) {
    if ((groups_[n].lanes & lanes) == 0) continue;
    if ((groups_[n].lanes & ~lanes) != 0) {
      Group rest = groups_[n];
      rest.lanes &= ~lanes;
      groups_[n].lanes &= lanes;
      f(groups_[n]);
      groups_.push_back(std::move(rest));
    } else {
      f(groups_[n]);
    }
  }
  if (groups_.size() > 1) merge();
}

void WarpClock::merge() {
  const auto same = [](const Knowledge& a, const Knowledge& b) { return a.all == b.all && a.proxied == b.proxied; };
  for (std::size_t a = 0; a < groups_.size(); ++a) {
    for (std::size_t b = groups_.size(); b-- > a + 1;) {
      Group &one = groups_[a], &two = groups_[b];
      if (!same(one.known, two.known) || !same(one.fenced, two.fenced) || !same(one.pending, two.pending) ||
          one.has_fence != two.has_fence || one.fence_scope != two.fence_scope) {
        continue;
      }
      one.lanes |= two.lanes;
      groups_.erase(groups_.begin() + static_cast<std::ptrdiff_t>(b));
    }
  }
}

bool WarpClock::knows(int lane, Agent agent, int other, Epoch epoch) const {
  if (agent == first_ && (other == lane || epoch <= synced_)) return true;
  if (agent == first_ + copies && other == lane && epoch <= waited_[static_cast<std::size_t>(lane)]) return true;
  Found& before = found(agent);
  if (agent == before.agent && epoch <= before.epoch && (before.lanes >> lane & 1) != 0) return true;
  const Group& g = group(lane);
  if (g.known.all == nullptr) return false;
  if (const Epoch all = g.known.all->of_all_lanes(agent); epoch <= all) {
    before = {agent, all, g.lanes};
    return true;
  }
  return g.known.all->knows(agent, other, epoch);
}

bool WarpClock::knows_proxied(int lane, Agent agent, int other, Epoch epoch) const {
  return knows_of(group(lane).known.proxied, agent, other, epoch);
}

void WarpClock::note_own(Mask lanes, VectorClock& clock) const {
  if ((alive_ & ~lanes) == 0) {
    clock.note(first_, epoch_);
  } else {
    LaneEpochs own;
    for (int l = 0; l < warp_size; ++l) own[static_cast<std::size_t>(l)] = (lanes >> l & 1) != 0 ? epoch_ : synced_;
    clock.note(first_, own);
  }
  if (copies_issued_ == 0) return;
  LaneEpochs waited;
  for (int l = 0; l < warp_size; ++l) {
    waited[static_cast<std::size_t>(l)] = (lanes >> l & 1) != 0 ? waited_[static_cast<std::size_t>(l)] : 0;
  }
  clock.note(first_ + copies, waited);
}

void WarpClock::give(Mask lanes, Gift& gift) const {
  for (const Group& g : groups_) {
    if ((g.lanes & lanes) != 0) gift.add(g.known);
  }
  note_own(lanes, gift.all());
}

bool WarpClock::give_fenced(int lane, Gift& gift) const {
  const Group& g = group(lane);
  if (!g.has_fence) return false;
  gift.add(g.fenced);
  const auto l = static_cast<std::size_t>(lane);
  LaneEpochs own;
  own.fill(fence_synced_[l]);
  own[l] = fence_epoch_[l];
  gift.all().note(first_, own);
  if (copies_issued_ != 0) {
    LaneEpochs waited{};
    waited[l] = waited_[l];
    gift.all().note(first_ + copies, waited);
  }
  return true;
}

void WarpClock::take(Mask lanes, const Knowledge& known) {
  each(lanes, [&](Group& g) { g.known.join(known); });
}

void WarpClock::take_whole(Mask lanes, const Gift& gift) {
  each(lanes, [&](Group& g) { g.known = gift.known(); });
}

void WarpClock::take_at_fence(int lane, const Knowledge& known) {
  each(Mask{1} << lane, [&](Group& g) { g.pending.join(known); });
}

void WarpClock::fence(Mask lanes, Order order, Scope scope) {
  for (Mask left = lanes; left != 0 && order != Order::acquire; left &= left - 1) {
    const auto l = static_cast<std::size_t>(std::countr_zero(left));
    fence_epoch_[l] = epoch_;
    fence_synced_[l] = synced_;
  }
  each(lanes, [&](Group& g) {
    if (order != Order::release) {
      g.known.join(g.pending);
      g.pending = {};
    }
    if (order == Order::acquire) return;
    g.fenced = g.known;
    g.has_fence = true;
    g.fence_scope = scope;
  });
  advance();
}

void WarpClock::proxy_fence(Mask lanes) {
  each(lanes, [&](Group& g) {
    auto seen = g.known.all == nullptr ? std::make_shared<VectorClock>() : std::make_shared<VectorClock>(*g.known.all);
    note_own(lanes, *seen);
    g.known.proxied = std::move(seen);
  });
  advance();
}

void WarpClock::sync(Mask lanes) {
  Gift gift;
  give(lanes, gift);
  if ((alive_ & ~lanes) == 0) synced_ = epoch_;
  // A single group of all lanes has nothing to learn but what its lanes have waited for.
  if (groups_.size() > 1 || copies_issued_ != 0 || (alive_ & ~lanes) != 0) take_whole(lanes, gift);
  advance();
}

void WarpClock::copies_waited(int lane, Epoch epoch) {
  auto& own = waited_[static_cast<std::size_t>(lane)];
  own = std::max(own, epoch);
}

}  // namespace triptych::emulator

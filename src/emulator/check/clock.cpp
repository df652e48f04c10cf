#include "emulator/check/clock.h"

#include <algorithm>

namespace triptych::emulator {

const VectorClock::Entry* VectorClock::find(Agent agent) const {
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), agent,
                                      [](const Entry& e, Agent a) { return e.agent < a; });
  return found == entries_.end() || found->agent != agent ? nullptr : &*found;
}

bool VectorClock::knows(Agent agent, int lane, Epoch epoch) const {
  const Entry* e = find(agent);
  return e != nullptr && (epoch <= e->epoch || (e->lanes != nullptr && epoch <= (*e->lanes)[static_cast<std::size_t>(lane)]));
}

Epoch VectorClock::of_all_lanes(Agent agent) const {
  const Entry* e = find(agent);
  return e == nullptr ? 0 : e->epoch;
}

VectorClock::Entry& VectorClock::at(Agent agent) {
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), agent,
                                      [](const Entry& e, Agent a) { return e.agent < a; });
  if (found != entries_.end() && found->agent == agent) return *found;
  return *entries_.insert(found, {agent, 0, nullptr});
}

void VectorClock::raise(Entry& entry, const Entry& other) {
  if (entry.lanes == nullptr && other.lanes == nullptr) {
    entry.epoch = std::max(entry.epoch, other.epoch);
    return;
  }
  if (entry.lanes == other.lanes) return;
  LaneEpochs each;
  for (std::size_t l = 0; l < each.size(); ++l) {
    const Epoch a = entry.lanes != nullptr ? (*entry.lanes)[l] : entry.epoch;
    const Epoch b = other.lanes != nullptr ? (*other.lanes)[l] : other.epoch;
    each[l] = std::max(a, b);
  }
  const auto [low, high] = std::minmax_element(each.begin(), each.end());
  entry.epoch = *low;
  entry.lanes = *low == *high ? nullptr : std::make_shared<const LaneEpochs>(each);
}

void VectorClock::join(const VectorClock& other) {
  // Both are sorted; mostly they have the same agents.
  const std::size_t own = entries_.size();
  std::size_t i = 0;
  for (const Entry& e : other.entries_) {
    while (i < own && entries_[i].agent < e.agent) ++i;
    if (i < own && entries_[i].agent == e.agent) {
      raise(entries_[i], e);
    } else {
      entries_.push_back(e);
    }
  }
  if (entries_.size() == own) return;
  std::inplace_merge(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(own), entries_.end(),
                     [](const Entry& a, const Entry& b) { return a.agent < b.agent; });
}

void VectorClock::note(Agent agent, Epoch epoch) { raise(at(agent), {agent, epoch, nullptr}); }

void VectorClock::note(Agent agent, const LaneEpochs& epochs) {
  const auto [low, high] = std::minmax_element(epochs.begin(), epochs.end());
  if (*low == *high) return note(agent, *low);
  raise(at(agent), {agent, *low, std::make_shared<const LaneEpochs>(epochs)});
}

namespace {

void join_shared(std::shared_ptr<const VectorClock>& own, const std::shared_ptr<const VectorClock>& other) {
  if (other == nullptr || other == own || other->empty()) return;
  if (own == nullptr || own->empty()) {
    own = other;
    return;
  }
  auto both = std::make_shared<VectorClock>(*own);
  both->join(*other);
  own = std::move(both);
}

}  // namespace

void Knowledge::join(const Knowledge& other) {
  join_shared(all, other.all);
  join_shared(proxied, other.proxied);
}

void Gift::add(const Knowledge& known) {
  if (known.all != nullptr && known.all != last_all_) all_->join(*known.all);
  if (known.proxied != nullptr && known.proxied != last_proxied_) proxied_->join(*known.proxied);
  last_all_ = known.all;
  last_proxied_ = known.proxied;
}

}  // namespace triptych::emulator

#include "emulator/check/sync.h"

#include <algorithm>

#include "emulator/machine/mbarrier.h"

namespace triptych::emulator {
namespace {

constexpr int cluster_barrier = -1;

std::size_t slot_of(int id) { return id == cluster_barrier ? 16 : static_cast<std::size_t>(id); }

}  // namespace

void BarrierClocks::arrives(Warp& warp, int id, Mask lanes, WarpClock& clock, Pending& pending) {
  Cta& cta = warp.cta();
  const NamedBarrier& barrier = id == cluster_barrier ? cta.cluster().barrier : cta.barriers[static_cast<std::size_t>(id)];
  const void* owner = id == cluster_barrier ? static_cast<const void*>(&cta.cluster()) : &cta;
  Phase& phase = phases_[{owner, id}];
  if (const std::uint64_t now = barrier.generation.load(); phase.generation != now || phase.gift == nullptr) {
    phase = {now, std::make_shared<Gift>()};
  }
  clock.give(lanes, *phase.gift);
  clock.advance();
  pending[slot_of(id)] = phase.gift;
}

void BarrierClocks::passes(int id, Mask lanes, WarpClock& clock, Pending& pending) {
  std::shared_ptr<Gift>& gift = pending[slot_of(id)];
  if (gift == nullptr) return;   // a relaxed arrival gave nothing
  if (id == cluster_barrier) {
    clock.take(lanes, gift->known());
  } else {
    clock.take_whole(lanes, *gift);   // they waited since they gave
  }
}

void BarrierClocks::forget(Cta& cta) {
  std::erase_if(phases_, [&](const auto& p) { return p.first.first == &cta || p.first.first == &cta.cluster(); });
}

BarrierObject* MbarrierClocks::find(const std::uint8_t* host) {
  const auto found = objects_.find(host);
  if (found == objects_.end()) return nullptr;
  BarrierObject& b = found->second;
  // Every phase has an arrival, and nobody arrives without passing here: no phase is overlooked.
  std::uint64_t bits;
  std::memcpy(&bits, host, sizeof bits);
  if (const bool phase = mbarrier::State::unpack(bits).phase; phase != b.phase) {
    b.phase = phase;
    b.full = std::move(b.filling);
    b.filling = std::make_shared<Gift>();
  }
  return &b;
}

BarrierObject& MbarrierClocks::initialise(const std::uint8_t* host, Agent agent) {
  BarrierObject& b = objects_[host];
  b = {};
  b.agent = agent;
  return b;
}

const std::uint8_t* MbarrierClocks::overlapping(const std::uint8_t* host, std::uint64_t bytes) const {
  auto next = objects_.lower_bound(host);
  if (next != objects_.end() && next->first < host + bytes) return next->first;
  if (next == objects_.begin()) return nullptr;
  --next;
  return next->first + 8 > host ? next->first : nullptr;
}

void MbarrierClocks::forget(const std::uint8_t* begin, std::uint64_t bytes) {
  objects_.erase(objects_.lower_bound(begin), objects_.lower_bound(begin + bytes));
}

void FlagClocks::wrote(const std::uint8_t* host, Access access, const ActorInfo& who, Scope scope, const Knowledge* given) {
  if (given == nullptr) {
    if (access == Access::write && !flags_.empty()) flags_.erase(host);
    return;
  }
  std::vector<Release>& releases = flags_[host];
  if (access == Access::write) releases.clear();
  for (Release& r : releases) {
    // Those whose scopes hold the same threads are one.
    if (r.scope == scope && Actors::within(scope, r.who, who)) return r.known.join(*given);
  }
  releases.push_back({who, scope, *given});
}

void FlagClocks::read(const std::uint8_t* host, const ActorInfo& who, Scope scope,
                      const std::function<void(const Knowledge&)>& take) const {
  if (flags_.empty()) return;
  const auto found = flags_.find(host);
  if (found == flags_.end()) return;
  for (const Release& r : found->second) {
    if (Actors::within(r.scope, r.who, who) && Actors::within(scope, r.who, who)) take(r.known);
  }
}

}  // namespace triptych::emulator

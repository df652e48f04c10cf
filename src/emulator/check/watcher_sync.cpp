// Barriers, mbarriers, fences.
#include <bit>

#include "emulator/check/watcher.h"

namespace triptych::emulator {

void Watcher::fence(Warp& warp, Order order, Scope scope, Proxy proxy) {
  WarpState& s = state(warp);
  if (proxy == Proxy::async) {
    s.clock.proxy_fence(warp.exec());
  } else {
    s.clock.fence(warp.exec(), order, scope);
  }
}

void Watcher::warp_synced(Warp& warp, Mask lanes) { state(warp).clock.sync(lanes); }

void Watcher::barrier_arrives(Warp& warp, int id, Mask lanes) {
  WarpState& s = state(warp);
  barriers_.arrives(warp, id, lanes, s.clock, s.pending);
}

void Watcher::barrier_passes(Warp& warp, int id, Mask lanes) {
  WarpState& s = state(warp);
  barriers_.passes(id, lanes, s.clock, s.pending);
}

void Watcher::mbarrier_initialised(Warp& warp, const std::uint8_t* host, std::uint32_t) {
  WarpState& s = state(warp);
  if (mbarriers_.find(host) != nullptr) {
    find_at(Check::barrier, warp, warp.exec(), "initialises an mbarrier that is in use; mbarrier.inval has to come first");
  }
  BarrierObject& object = mbarriers_.initialise(host, actors_.add(s.info));
  object.site = actors_.site(warp, warp.code().instrs[warp.pc()]);
  object.initialised = Stamp(s.clock.agent(), std::countr_zero(warp.exec()), s.clock.epoch(), Stamp::strong, Scope::cluster);
}

void Watcher::mbarrier_invalidated(Warp&, const std::uint8_t* host) { mbarriers_.invalidate(host); }

/// mbarriers order all who use them, whatever scope an instruction names: programs rely on the default scope
/// across a cluster too.
void Watcher::mbarrier_arrives(Warp& warp, const std::uint8_t* host, Mask lanes, Order order, Scope) {
  BarrierObject* object = mbarriers_.find(host);
  if (object == nullptr || order == Order::relaxed) return;
  WarpState& s = state(warp);
  s.clock.give(lanes, *object->filling);
  s.clock.advance();
}

void Watcher::mbarrier_passes(Warp& warp, const std::uint8_t* host, Mask lanes, Order order, Scope) {
  BarrierObject* object = mbarriers_.find(host);
  if (object == nullptr) return;
  WarpState& s = state(warp);
  if (order != Order::relaxed) return s.clock.take(lanes, object->full->known());
  for (Mask left = lanes; left != 0; left &= left - 1) s.clock.take_at_fence(std::countr_zero(left), object->full->known());
}

void Watcher::copies_arrive(Warp& warp, const std::uint8_t* host, Mask lanes) {
  BarrierObject* object = mbarriers_.find(host);
  if (object == nullptr) return;
  const WarpClock& clock = state(warp).clock;
  // The phase cannot end before these copies have: what they write belongs to it.
  LaneEpochs issued{};
  for (Mask left = lanes; left != 0; left &= left - 1) issued[static_cast<std::size_t>(std::countr_zero(left))] = clock.copies_issued();
  object->filling->all().note(clock.agent(WarpClock::copies), issued);
}

}  // namespace triptych::emulator

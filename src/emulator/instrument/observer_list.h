/// \file
/// Several observers of one machine: each event goes to all of them in the order they were added.
#pragma once

#include <string>
#include <vector>

#include "emulator/machine/observer.h"

namespace triptych::emulator {

class ObserverList : public Observer {
 public:
  /// Keeps the pointer; null is left out.
  void add(Observer* observer) {
    if (observer != nullptr) all_.push_back(observer);
  }
  /// What the machine is to be given: null if nobody observes, and the one if it is alone.
  Observer* get() { return all_.empty() ? nullptr : all_.size() == 1 ? all_.front() : this; }

  void launch_begins(const Launch& launch) override { each(&Observer::launch_begins, launch); }
  void launch_ends(const Launch& launch) override { each(&Observer::launch_ends, launch); }
  void cta_begins(Cta& cta) override { each(&Observer::cta_begins, cta); }
  void cta_ends(Cta& cta) override { each(&Observer::cta_ends, cta); }
  void lanes_exit(Warp& warp, Mask lanes) override { each(&Observer::lanes_exit, warp, lanes); }
  void instruction(Warp& warp, const Instr& instr) override {
    each(&Observer::instruction, warp, instr);
  }
  void waits(Warp& warp, const Split& split) override { each(&Observer::waits, warp, split); }
  void access(const AccessEvent& event) override { each(&Observer::access, event); }
  void fence(Warp& warp, Order order, Scope scope, Proxy proxy) override {
    each(&Observer::fence, warp, order, scope, proxy);
  }
  void barrier_arrives(Warp& warp, int id, Mask lanes) override {
    each(&Observer::barrier_arrives, warp, id, lanes);
  }
  void barrier_passes(Warp& warp, int id, Mask lanes) override {
    each(&Observer::barrier_passes, warp, id, lanes);
  }
  void mbarrier_initialised(Warp& warp, const std::uint8_t* at, std::uint32_t count) override {
    each(&Observer::mbarrier_initialised, warp, at, count);
  }
  void mbarrier_arrives(Warp& warp, const std::uint8_t* at, Mask lanes, Order order,
                        Scope scope) override {
    each(&Observer::mbarrier_arrives, warp, at, lanes, order, scope);
  }
  void mbarrier_passes(Warp& warp, const std::uint8_t* at, Mask lanes, Order order,
                       Scope scope) override {
    each(&Observer::mbarrier_passes, warp, at, lanes, order, scope);
  }
  void mbarrier_invalidated(Warp& warp, const std::uint8_t* at) override {
    each(&Observer::mbarrier_invalidated, warp, at);
  }
  void async_issued(Warp& warp, const Instr& instr, AsyncKind kind, std::uint64_t token,
                    const std::uint8_t* mbarrier) override {
    each(&Observer::async_issued, warp, instr, kind, token, mbarrier);
  }
  void async_touches(std::uint64_t token, const AsyncRange& range) override {
    each(&Observer::async_touches, token, range);
  }
  void async_completed(std::uint64_t token, const std::uint8_t* mbarrier) override {
    each(&Observer::async_completed, token, mbarrier);
  }
  void group_waited(Warp& warp, AsyncKind kind, std::uint64_t token, bool read_only) override {
    each(&Observer::group_waited, warp, kind, token, read_only);
  }
  void copies_arrive(Warp& warp, const std::uint8_t* mbarrier, Mask lanes) override {
    each(&Observer::copies_arrive, warp, mbarrier, lanes);
  }
  void undefined(Warp& warp, Mask lanes, const std::string& what) override {
    each(&Observer::undefined, warp, lanes, what);
  }
  void warp_synced(Warp& warp, Mask lanes) override { each(&Observer::warp_synced, warp, lanes); }

 private:
  template <class... Parameters, class... Arguments>
  void each(void (Observer::*event)(Parameters...), Arguments&... arguments) {
    for (Observer* observer : all_) (observer->*event)(arguments...);
  }
  std::vector<Observer*> all_;
};

}  // namespace triptych::emulator

// Launches, CTAs, memory accesses and findings. What orders threads is in watcher_sync.cpp, what goes on
// without them in watcher_async.cpp.
#include "emulator/check/watcher.h"

#include <algorithm>
#include <bit>

#include "emulator/machine/report.h"

namespace triptych::emulator {
namespace {

constexpr std::size_t most_findings = 1000;

}  // namespace

std::unique_ptr<Checker> make_checker(Machine& machine, Checks checks) {
  return std::make_unique<Watcher>(machine, checks);
}

Watcher::Watcher(Machine& machine, Checks checks)
    : machine_(machine), checks_(checks),
      races_(actors_, shadow_, checks, [this](Check check, SiteId site, SiteId other, const std::string& text) { find(check, site, other, text); }) {}

void Watcher::allocated(std::uint64_t begin, std::uint64_t bytes) {
  allocations_[begin] = bytes;
  shadow_.begin(begin, bytes);
}

void Watcher::released(std::uint64_t begin) {
  const auto at = allocations_.find(begin);
  if (at == allocations_.end()) return;
  shadow_.end(begin, at->second);
  allocations_.erase(at);
}

void Watcher::launch_begins(const Launch& launch) { actors_.launch_begins(launch); }

void Watcher::launch_ends(const Launch& launch) {
  if (!actors_.launch_ends(launch)) return;
  // Nothing runs: whatever comes is after whatever was.
  actors_.clear();
  races_.forget();
  shadow_.new_era();
  barriers_.clear();
  mbarriers_.clear();
  flags_.clear();
  rows_.clear();
  warps_.clear();
  works_.clear();
  last_warp_ = nullptr;
}

void Watcher::cta_begins(Cta& cta) {
  shadow_.begin(reinterpret_cast<std::uint64_t>(cta.shared()), cta.shared_bytes());
  for (const auto& warp : cta.warps()) {
    const ActorInfo info = actors_.of(*warp);
    warps_[warp.get()] = std::make_unique<WarpState>(actors_.add(info), warp->alive(), info);
  }
  last_warp_ = nullptr;
}

void Watcher::cta_ends(Cta& cta) {
  if (!cta.launch().failed && (checks_ & bit(Check::barrier)) != 0) {
    for (std::size_t b = 0; b < cta.barriers.size(); ++b) {
      const NamedBarrier& barrier = cta.barriers[b];
      if (barrier.arrived == 0) continue;
      find(Check::barrier, 0, 0,
           std::string(cta.launch().function->source->name) + ": the CTA ends with " + std::to_string(barrier.arrived) + " of " +
               std::to_string(barrier.expected) + " threads at barrier " + std::to_string(b) + " " +
               actors_.who(state(*cta.warps().front()).info, 0));
    }
  }
  shadow_.end(reinterpret_cast<std::uint64_t>(cta.shared()), cta.shared_bytes());
  mbarriers_.forget(cta.shared(), cta.shared_bytes());
  barriers_.forget(cta);
  for (const auto& warp : cta.warps()) warps_.erase(warp.get());
  last_warp_ = nullptr;
}

Watcher::WarpState& Watcher::state(Warp& warp) {
  if (&warp != last_warp_) {
    last_state_ = warps_.at(&warp).get();
    last_warp_ = &warp;
  }
  return *last_state_;
}

void Watcher::find(Check check, SiteId site, SiteId other, const std::string& text) {
  const auto [at, added] = seen_.try_emplace(std::string(name_of(check)) + actors_.place(site) + '\n' + actors_.place(other) + (site == 0 ? text : ""), findings_.size());
  if (!added) {
    ++findings_[at->second].count;
    return;
  }
  if (findings_.size() >= most_findings) {
    seen_.erase(at);
    return;
  }
  std::string whole = std::string(name_of(check)) + ": ";
  if (site != 0) whole += actors_.place(site) + ": ";
  findings_.push_back({check, whole + text, 1});
  if (found) found(findings_.back());
}

void Watcher::find_at(Check check, Warp& warp, Mask lanes, const std::string& what, SiteId other) {
  if ((checks_ & bit(check)) == 0) return;
  std::string text = what;
  if (other != 0) text += ": " + actors_.place(other);
  find(check, actors_.site(warp, warp.code().instrs[warp.pc()]), other, text + " " + actors_.who(state(warp).info, lanes));
}

void Watcher::undefined(Warp& warp, Mask lanes, const std::string& what) { find_at(Check::undefined, warp, lanes, what); }

void Watcher::access(const AccessEvent& e) {
  if ((e.space != Space::global && e.space != Space::shared) || actors_.full()) return;
  if (e.semantics.proxy == Proxy::async) return;   // it touches memory later
  WarpState& s = state(e.warp);
  if (mbarriers_.any() && e.space == Space::shared && on_mbarriers(e, s)) return;
  Accessor who;
  who.clock = &s.clock;
  who.info = &s.info;
  who.agent = s.clock.agent();
  who.epoch = s.clock.epoch();
  who.scope = e.semantics.scope;
  who.site = actors_.site(e.warp, e.instr);
  const bool strong = e.semantics.order != Order::weak;
  who.kind = static_cast<std::uint8_t>((strong ? Stamp::strong : 0) | (e.access == Access::atomic ? Stamp::is_atomic : 0) |
                                       (e.semantics.non_coherent ? Stamp::coherent_not : 0));
  if (e.lanes == all_lanes && [&] {
        std::uint64_t differ = 0;
        for (int l = 0; l < warp_size; ++l) differ |= static_cast<std::uint64_t>(e.hosts[l] - e.hosts[0]) ^ static_cast<std::uint64_t>(l) * e.bytes;
        return differ == 0;
      }()) {
    races_.touch_row(who, e.space, reinterpret_cast<std::uint64_t>(e.hosts[0]), e.addresses[0], e.bytes, e.access);
    if (strong) order_through_memory(e, s);
    return;
  }
  for (Mask left = e.lanes; left != 0;) {
    const int l = std::countr_zero(left);
    // Lanes that touch the same bytes are taken together.
    Mask same = 0;
    for (int k = 0; k < warp_size; ++k) same |= static_cast<Mask>(e.hosts[k] == e.hosts[l]) << k;
    same &= left;
    left &= ~same;
    races_.touch(who, same, e.space, reinterpret_cast<std::uint64_t>(e.hosts[l]), e.addresses[l], e.bytes, e.access);
  }
  if (strong) order_through_memory(e, s);
}

bool Watcher::on_mbarriers(const AccessEvent& e, WarpState& s) {
  const bool own = role_of(e.instr) == Role::mbarrier;
  std::uint8_t *low = nullptr, *high = nullptr;
  for (Mask left = e.lanes; left != 0; left &= left - 1) {
    std::uint8_t* host = e.hosts[std::countr_zero(left)];
    low = low == nullptr ? host : std::min(low, host);
    high = std::max(high, host);
  }
  if (!own && mbarriers_.overlapping(low, static_cast<std::uint64_t>(high - low) + e.bytes) == nullptr) return false;
  for (Mask left = e.lanes; left != 0; left &= left - 1) {
    const int l = std::countr_zero(left);
    if (own) {
      const BarrierObject* object = mbarriers_.find(e.hosts[l]);
      if (object == nullptr) return false;   // mbarrier.init
      const Stamp init = object->initialised;
      if (init.agent() == s.clock.agent() && init.lane() == l) continue;
      if (!s.clock.knows(l, init.agent(), init.lane(), init.epoch())) {
        find_at(Check::race, e.warp, Mask{1} << l, "uses an mbarrier, and nothing orders it after the initialisation by", object->site);
      }
    } else if (e.access != Access::read && mbarriers_.overlapping(e.hosts[l], e.bytes) != nullptr) {
      find_at(Check::barrier, e.warp, Mask{1} << l, "writes over an mbarrier; mbarrier.inval has to come first");
    }
  }
  return own && e.access != Access::write;   // mbarrier.init and .inval write their bytes
}

void Watcher::order_through_memory(const AccessEvent& e, WarpState& s) {
  const Order order = e.semantics.order;
  const bool acquires = order == Order::acquire || order == Order::acq_rel || order == Order::seq_cst;
  const bool releases = order == Order::release || order == Order::acq_rel || order == Order::seq_cst;
  bool given = false;
  for (Mask left = e.lanes; left != 0; left &= left - 1) {
    const int l = std::countr_zero(left);
    if (e.access != Access::write) {
      flags_.read(e.hosts[l], s.info, e.semantics.scope, [&](const Knowledge& known) {
        if (acquires) {
          s.clock.take(Mask{1} << l, known);
        } else {
          s.clock.take_at_fence(l, known);
        }
      });
    }
    if (e.access == Access::read) continue;
    Gift gift;
    Scope scope = e.semantics.scope;
    bool gives = releases;
    if (releases) {
      s.clock.give(Mask{1} << l, gift);
      given = true;
    } else if (s.clock.give_fenced(l, gift)) {
      gives = true;
      scope = std::min(scope, s.clock.fence_scope(l));
    }
    const Knowledge known = gift.known();
    flags_.wrote(e.hosts[l], e.access, s.info, scope, gives ? &known : nullptr);
  }
  if (given) s.clock.advance();
}

}  // namespace triptych::emulator

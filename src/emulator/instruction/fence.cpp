// The machine executes one instruction after another, so a fence changes nothing that a warp sees; on
// several host threads it is one of the host's. What it orders matters to observers.
#include "emulator/instruction/fence.h"

#include <atomic>

#include "emulator/instruction/access.h"
#include "emulator/machine/observer.h"

namespace triptych::emulator {
namespace {

/// extra: order, scope and proxy as in AccessCode.
void fence(Warp& w, const Instr& i) {
  // A read-modify-write of one word orders all host threads that come by here; unlike a fence of the host's,
  // the thread sanitizer knows it.
  static std::atomic<std::uint32_t> word{0};
  word.fetch_add(0, std::memory_order_seq_cst);
  if (w.observer() == nullptr) return;
  const Semantics s = AccessCode(i.extra).semantics();
  w.observer()->fence(w, s.order, s.scope, s.proxy);
}

Run make(Choice& c, Order order, Scope scope, Proxy proxy) {
  c.extra = AccessCode(Space::generic, {order, scope, proxy, false}).bits();
  c.ticks = 8;
  return fence;
}

Run membar(Choice& c) {
  const std::string_view level = c["L"];
  const Scope scope = level == "cta" ? Scope::cta : level == "gl" ? Scope::gpu : Scope::sys;
  return make(c, Order::seq_cst, scope, Proxy::generic);
}

Order order_of(std::string_view m) {
  if (m == "sc") return Order::seq_cst;
  return m == "acquire" ? Order::acquire : m == "release" ? Order::release : Order::acq_rel;
}

Run thread_fence(Choice& c) { return make(c, order_of(c["M"]), scope_of(c["O"]), Proxy::generic); }

Run async_fence(Choice& c) { return make(c, Order::acq_rel, Scope::cta, Proxy::async); }

Run alias_fence(Choice& c) { return make(c, Order::acq_rel, Scope::cta, Proxy::generic); }

Run tensormap_fence(Choice& c) { return make(c, order_of(c["M"]), scope_of(c["O"]), Proxy::tensormap); }

constexpr std::uint8_t m = Instr::memory;
const Form table[] = {
    {"membar.<L: cta gl sys>", "", membar, m, 14, 20, false, "fence"},
    {"membar.proxy.alias", "", alias_fence, m, 75, 70, false, "fence"},
    {"fence{.<M: sc acq_rel acquire release>}.<O: cta cluster gpu sys>", "", thread_fence, m, 60, 70, false, "fence"},
    {"fence.mbarrier_init.<M: release>.<O: cluster>", "", thread_fence, m, 80, 90, false, "fence"},
    {"fence.<M: acquire>.sync_restrict::shared::cluster.<O: cluster>", "", thread_fence, m, 86, 90, false, "fence"},
    {"fence.<M: release>.sync_restrict::shared::cta.<O: cluster>", "", thread_fence, m, 86, 90, false, "fence"},
    {"fence.proxy.alias", "", alias_fence, m, 75, 70, false, "fence"},
    {"fence.proxy.async{.<S: global shared::cta shared::cluster>}", "", async_fence, m, 80, 90, false, "fence"},
    {"fence.proxy.async::generic.acquire.sync_restrict::shared::cluster.cluster", "", async_fence, m, 86, 90, false, "fence"},
    {"fence.proxy.async::generic.release.sync_restrict::shared::cta.cluster", "", async_fence, m, 86, 90, false, "fence"},
    {"fence.proxy.tensormap::generic.<M: release>.<O: cta cluster gpu sys>", "", tensormap_fence, m, 83, 90, false, "fence"},
    {"fence.proxy.tensormap::generic.<M: acquire>.<O: cta cluster gpu sys>", "[], imm", [](Choice& c) { return c.imm.empty() || c.imm[0] == 128 ? tensormap_fence(c) : nullptr; }, m, 83, 90, false, "fence"},
};

}  // namespace

std::span<const Form> fence_forms() { return table; }

}  // namespace triptych::emulator

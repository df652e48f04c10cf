// What atomics and fences tell observers of their order.
#include <string>
#include <tuple>

#include "tests/emulator/thread_run.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("fence");

/// What observers hear: of the last access, and of the last fence.
class Listener : public Witness {
 public:
  void access(const AccessEvent& e) override {
    if (e.access == Access::atomic) heard = {e.semantics.order, e.semantics.scope, e.space};
  }
  void fence(Warp&, Order order, Scope scope, Proxy proxy) override { fenced = {order, scope, proxy}; }
  std::tuple<Order, Scope, Space> heard;
  std::tuple<Order, Scope, Proxy> fenced;
};

Listener listen(const std::string& body) {
  Program program(thread_kernel(body));
  Listener listener;
  program.machine().observe(&listener);
  run_threads(program, {}, program.buffer(Words(64)));
  return listener;
}

TEST(Fence, AtomicsHaveAnOrder) {
  EXPECT_EQ(listen("atom.global.add.u32 %v, [%a0], 1;\n").heard, std::tuple(Order::relaxed, Scope::gpu, Space::global)) << "relaxed.gpu where nothing is said";
  EXPECT_EQ(listen("atom.acq_rel.sys.add.u32 %v, [%a0], 1;\n").heard, std::tuple(Order::acq_rel, Scope::sys, Space::global));
  EXPECT_EQ(listen("red.release.cta.global.max.u32 [%a0], 1;\n").heard, std::tuple(Order::release, Scope::cta, Space::global));
}

TEST(Fence, OrderScopeAndProxy) {
  const auto expect = [](const std::string& text, Order order, Scope scope, Proxy proxy) { EXPECT_EQ(listen(text + ";\n").fenced, std::tuple(order, scope, proxy)) << text; };
  const std::pair<std::string, Scope> scopes[] = {{"cta", Scope::cta}, {"cluster", Scope::cluster}, {"gpu", Scope::gpu}, {"sys", Scope::sys}};
  const std::pair<std::string, Order> orders[] = {{"", Order::acq_rel}, {".sc", Order::seq_cst}, {".acq_rel", Order::acq_rel}, {".acquire", Order::acquire}, {".release", Order::release}};
  expect("membar.cta", Order::seq_cst, Scope::cta, Proxy::generic);
  expect("membar.gl", Order::seq_cst, Scope::gpu, Proxy::generic);
  expect("membar.sys", Order::seq_cst, Scope::sys, Proxy::generic);
  for (const auto& [scope, s] : scopes) {
    for (const auto& [order, o] : orders) expect("fence" + order + "." + scope, o, s, Proxy::generic);
    expect("fence.proxy.tensormap::generic.release." + scope, Order::release, s, Proxy::tensormap);
    expect("fence.proxy.tensormap::generic.acquire." + scope + " [%a0], 128", Order::acquire, s, Proxy::tensormap);
  }
  expect("fence.mbarrier_init.release.cluster", Order::release, Scope::cluster, Proxy::generic);
  expect("fence.acquire.sync_restrict::shared::cluster.cluster", Order::acquire, Scope::cluster, Proxy::generic);
  expect("fence.release.sync_restrict::shared::cta.cluster", Order::release, Scope::cluster, Proxy::generic);
  for (const std::string root : {"membar", "fence"}) expect(root + ".proxy.alias", Order::acq_rel, Scope::cta, Proxy::generic);
  for (const std::string space : {"", ".global", ".shared::cta", ".shared::cluster"}) expect("fence.proxy.async" + space, Order::acq_rel, Scope::cta, Proxy::async);
  for (const std::string half : {"acquire.sync_restrict::shared::cluster", "release.sync_restrict::shared::cta"}) {
    expect("fence.proxy.async::generic." + half + ".cluster", Order::acq_rel, Scope::cta, Proxy::async);
  }
}

}  // namespace
}  // namespace triptych::emulator::test

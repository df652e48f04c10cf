#include "emulator/instruction/access.h"

namespace triptych::emulator {

Space space_of(std::string_view m) {
  if (m == "global") return Space::global;
  if (m == "const") return Space::constant;
  if (m.starts_with("shared")) return Space::shared;
  if (m == "local" || m == "param::func") return Space::local;
  if (m.starts_with("param")) return Space::param;
  return Space::generic;
}

Scope scope_of(std::string_view m) {
  if (m == "cluster") return Scope::cluster;
  if (m == "gpu") return Scope::gpu;
  return m == "sys" ? Scope::sys : Scope::cta;
}

AccessCode AccessCode::of(const Choice& c) {
  Semantics s;
  if (c.has("volatile")) s = {Order::volatile_, Scope::sys, Proxy::generic, false};
  if (c.has("relaxed")) s.order = Order::relaxed;
  if (c.has("acquire")) s.order = Order::acquire;
  if (c.has("release")) s.order = Order::release;
  if (c.has("acq_rel")) s.order = Order::acq_rel;
  if (!c["O"].empty()) s.scope = scope_of(c["O"]);
  s.non_coherent = c.has("nc");
  return {space_of(c["S"]), s};
}

}  // namespace triptych::emulator

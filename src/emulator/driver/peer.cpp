// Devices that use each other's memory.
#include "emulator/driver/memory.h"

namespace triptych::emulator::driver {
namespace {

/// Plain memory of a device is for those whose contexts have enabled it.
void update_access(Engine& engine, int device) {
  const std::uint32_t mask = access_mask(engine, device);
  for (const auto& [begin, range] : engine.ranges) {
    if (range.kind == RangeKind::device && range.device == device) engine.machine().memory().set_access(begin, mask, mask);
  }
}

template <class Body>
Result with(Context* peer, Body&& body) {
  return in_context([&](Call& call) {
    if (!call.engine.contexts.holds(peer)) return Result::invalid_context;
    return body(call, 1u << peer->device);
  });
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuDeviceCanAccessPeer(int* can, DeviceHandle device, DeviceHandle peer) {
  return in_engine([&](Engine&, auto&) {
    if (can == nullptr) return Result::invalid_value;
    if (!is_device(device) || !is_device(peer)) return Result::invalid_device;
    *can = device != peer;
    return Result::success;
  });
}

/// CU_DEVICE_P2P_ATTRIBUTE_…: 1 rank, 2 access, 3 atomics, 4 arrays, 5 part of the atomics only.
TRIPTYCH_CU Result cuDeviceGetP2PAttribute(int* value, int which, DeviceHandle device, DeviceHandle peer) {
  return in_engine([&](Engine&, auto&) {
    if (value == nullptr || which < 1 || which > 5) return Result::invalid_value;
    if (!is_device(device) || !is_device(peer) || device == peer) return Result::invalid_device;
    *value = which == 2 || which == 3;
    return Result::success;
  });
}

TRIPTYCH_CU Result cuCtxEnablePeerAccess(Context* peer, unsigned flags) {
  return with(peer, [&](Call& call, std::uint32_t bit) {
    if (flags != 0) return Result::invalid_value;
    if (peer->device == call.device()) return Result::invalid_device;
    if ((call.context->peers & bit) != 0) return Result::peer_access_already_enabled;
    call.context->peers |= bit;
    update_access(call.engine, peer->device);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuCtxDisablePeerAccess(Context* peer) {
  return with(peer, [&](Call& call, std::uint32_t bit) {
    if ((call.context->peers & bit) == 0) return Result::peer_access_not_enabled;
    call.context->peers &= ~bit;
    update_access(call.engine, peer->device);
    return Result::success;
  });
}

// A device's properties, from its attributes.
#include "emulator/runtime/properties.h"

#include <algorithm>
#include <initializer_list>
#include <iterator>

namespace triptych::emulator::runtime {

Result properties_of(int device, Properties& p) {
  const auto a = [&](int which) {
    int value = 0;
    cuDeviceGetAttribute(&value, which, device);
    return value;
  };
  const auto size = [&](int which) { return static_cast<std::size_t>(a(which)); };
  p = {};
  cuDeviceGetName(p.name, sizeof p.name, device);
  cuDeviceGetUuid_v2(p.uuid, device);
  cuDeviceTotalMem_v2(&p.memory, device);
  p.shared_per_block = size(8);
  p.registers_per_block = a(12);
  p.warp = a(10);
  p.pitch = size(11);
  p.threads_per_block = a(1);
  for (int axis = 0; axis < 3; ++axis) {
    p.block[axis] = a(2 + axis);
    p.grid[axis] = a(5 + axis);
  }
  p.constant = size(9);
  p.major = a(75);
  p.minor = a(76);
  p.texture_alignment = size(14);
  p.texture_pitch_alignment = size(51);
  p.sms = a(16);
  p.integrated = a(18);
  p.maps_host = a(19);
  // The attributes of textures' and surfaces' extents, in the order of the members.
  constexpr int textures[39] = {21, 77, 22, 23, 73, 74, 70, 71, 72, 45, 46, 24, 25, 26, 47, 48, 49, 52, 42, 43,
                                27, 28, 29, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68};
  std::transform(std::begin(textures), std::end(textures), p.textures, a);
  p.surface_alignment = size(30);
  // Runs of members whose attributes have these numbers.
  const auto run = [&](int* to, std::initializer_list<int> which) { std::transform(which.begin(), which.end(), to, a); };
  run(&p.concurrent, {31, 32, 33, 34, 50, 35, 40, 41, 37, 38, 108, 39, 78, 79, 80});
  p.shared_per_sm = size(81);
  run(&p.registers_per_sm, {82, 83, 84, 85, 86, 88, 89, 90, 91, 95});
  p.shared_opt_in = size(97);
  run(&p.page_tables, {100, 101, 106, 109});
  p.shared_reserved = size(111);
  run(&p.registers_host, {99, 112, 113, 114, 115, 116});
  p.rdma_flush = static_cast<unsigned>(a(117));
  p.rdma_order = a(118);
  p.pool_handles = static_cast<unsigned>(a(119));
  run(&p.deferred, {121, 125, 120, 129, 130, 131, 133, 134});
  p.pci_id = static_cast<unsigned>(a(139));
  p.pci_subsystem = static_cast<unsigned>(a(140));
  p.multinode = a(143);
  return Result::success;
}

}  // namespace triptych::emulator::runtime

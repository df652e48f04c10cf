// Initialisation and devices.
#include <atomic>
#include <cstdio>
#include <cstring>

#include "emulator/driver/api.h"
#include "emulator/driver/device_attribute.h"

namespace triptych::emulator::driver {
namespace {

std::atomic<bool> is_initialised{false};

/// What asking about a device fails with before it is looked at.
Result refuse(DeviceHandle device, bool pointers) {
  if (!initialised()) return Result::not_initialized;
  if (!pointers) return Result::invalid_value;
  return is_device(device) ? Result::success : Result::invalid_device;
}

const DeviceLimits& limits_of(DeviceHandle device) { return Engine::get().machine().limits(device); }

int attribute(DeviceHandle device, Attribute which) {
  return attribute_of(limits_of(device), device, Engine::get().device_count(), which);
}

/// CUdevprop.
struct Properties {
  int threads_per_block, block[3], grid[3], shared, constant, warp, pitch, registers, clock, texture_alignment;
};

}  // namespace

bool initialised() { return is_initialised; }

}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuInit(unsigned flags) {
  if (flags != 0) return Result::invalid_value;
  if (Engine::get().device_count() == 0) return Result::no_device;
  is_initialised = true;
  return Result::success;
}

TRIPTYCH_CU Result cuDriverGetVersion(int* version) {
  if (version == nullptr) return Result::invalid_value;
  *version = driver_version;
  return Result::success;
}

TRIPTYCH_CU Result cuDeviceGetCount(int* count) {
  if (!initialised()) return Result::not_initialized;
  if (count == nullptr) return Result::invalid_value;
  *count = Engine::get().device_count();
  return Result::success;
}

TRIPTYCH_CU Result cuDeviceGet(DeviceHandle* device, int ordinal) {
  if (const Result r = refuse(ordinal, device != nullptr); r != Result::success) return r;
  *device = ordinal;
  return Result::success;
}

TRIPTYCH_CU Result cuDeviceGetName(char* name, int bytes, DeviceHandle device) {
  if (const Result r = refuse(device, name != nullptr && bytes > 0); r != Result::success) return r;
  std::snprintf(name, static_cast<std::size_t>(bytes), "%s", limits_of(device).name.c_str());
  return Result::success;
}

TRIPTYCH_CU Result cuDeviceTotalMem_v2(std::size_t* bytes, DeviceHandle device) {
  if (const Result r = refuse(device, bytes != nullptr); r != Result::success) return r;
  *bytes = limits_of(device).memory;
  return Result::success;
}

TRIPTYCH_CU Result cuDeviceGetAttribute(int* value, Attribute which, DeviceHandle device) {
  if (const Result r = refuse(device, value != nullptr && which >= 1 && which <= last_device_attribute); r != Result::success) return r;
  *value = attribute(device, which);
  return Result::success;
}

TRIPTYCH_CU Result cuDeviceComputeCapability(int* major, int* minor, DeviceHandle device) {
  if (const Result r = refuse(device, major != nullptr && minor != nullptr); r != Result::success) return r;
  *major = attribute(device, 75);
  *minor = attribute(device, 76);
  return Result::success;
}

TRIPTYCH_CU Result cuDeviceGetProperties(Properties* properties, DeviceHandle device) {
  if (const Result r = refuse(device, properties != nullptr); r != Result::success) return r;
  const auto a = [&](Attribute which) { return attribute(device, which); };
  *properties = {a(1), {a(2), a(3), a(4)}, {a(5), a(6), a(7)}, a(8), a(9), a(10), a(11), a(12), a(13), a(14)};
  return Result::success;
}

TRIPTYCH_CU Result cuDeviceGetUuid_v2(unsigned char* uuid, DeviceHandle device) {
  if (const Result r = refuse(device, uuid != nullptr); r != Result::success) return r;
  std::memcpy(uuid, "triptych-device", 16);
  uuid[15] = static_cast<unsigned char>(device);
  return Result::success;
}
TRIPTYCH_CU_ALIAS(cuDeviceGetUuid, cuDeviceGetUuid_v2)

/// Locally unique identifiers are those of another operating system.
TRIPTYCH_CU Result cuDeviceGetLuid(char* luid, unsigned* mask, DeviceHandle device) {
  const Result r = refuse(device, luid != nullptr && mask != nullptr);
  return r == Result::success ? Result::not_supported : r;
}

TRIPTYCH_CU Result cuDeviceGetPCIBusId(char* id, int bytes, DeviceHandle device) {
  if (const Result r = refuse(device, id != nullptr && bytes > 0); r != Result::success) return r;
  std::snprintf(id, static_cast<std::size_t>(bytes), "0000:%02X:00.0", device + 1);
  return Result::success;
}

TRIPTYCH_CU Result cuDeviceGetByPCIBusId(DeviceHandle* device, const char* id) {
  if (const Result r = refuse(0, device != nullptr && id != nullptr); r != Result::success) return r;
  unsigned domain = 0, bus = 0, slot = 0;
  if (std::sscanf(id, "%x:%x:%x", &domain, &bus, &slot) != 3 &&
      (domain = 0, std::sscanf(id, "%x:%x", &bus, &slot) != 2)) {
    return Result::invalid_value;
  }
  const int found = static_cast<int>(bus) - 1;
  if (domain != 0 || slot != 0 || !is_device(found)) return Result::invalid_device;
  *device = found;
  return Result::success;
}

/// CU_EXEC_AFFINITY_TYPE_SM_COUNT: as of a device that another process does not share.
TRIPTYCH_CU Result cuDeviceGetExecAffinitySupport(int* supported, int type, DeviceHandle device) {
  if (const Result r = refuse(device, supported != nullptr && type == 0); r != Result::success) return r;
  *supported = 0;
  return Result::success;
}

/// Profilers have nothing to see here.
TRIPTYCH_CU Result cuProfilerStart() { return initialised() ? Result::success : Result::not_initialized; }
TRIPTYCH_CU_ALIAS(cuProfilerStop, cuProfilerStart)

// Initialisation, devices and contexts.
#include <algorithm>
#include <cstring>

#include "emulator/driver/api.h"

namespace triptych::emulator::driver {
namespace {

bool is_initialised = false;

/// CUdevice_attribute by number; what is not listed is 0.
int attribute_of(const DeviceLimits& l, Attribute which) {
  switch (which) {
    case 1: return l.threads_per_cta;              // MAX_THREADS_PER_BLOCK
    case 2: case 3: return 1024;                   // MAX_BLOCK_DIM_X, Y
    case 4: return 64;                             // MAX_BLOCK_DIM_Z
    case 5: return 2147483647;                     // MAX_GRID_DIM_X
    case 6: case 7: return 65535;                  // MAX_GRID_DIM_Y, Z
    case 8: return 49152;                          // MAX_SHARED_MEMORY_PER_BLOCK
    case 9: return 65536;                          // TOTAL_CONSTANT_MEMORY
    case 10: return warp_size;                     // WARP_SIZE
    case 11: return 2147483647;                    // MAX_PITCH
    case 12: return l.registers_per_sm;            // MAX_REGISTERS_PER_BLOCK
    case 13: return 1000000;                       // CLOCK_RATE, kHz: ticks, declared
    case 16: return l.sms;                         // MULTIPROCESSOR_COUNT
    case 19: return 1;                             // CAN_MAP_HOST_MEMORY
    case 31: return 1;                             // CONCURRENT_KERNELS
    case 38: return 52428800;                      // L2_CACHE_SIZE
    case 39: return l.threads_per_sm;              // MAX_THREADS_PER_MULTIPROCESSOR
    case 40: return 3;                             // ASYNC_ENGINE_COUNT
    case 41: return 1;                             // UNIFIED_ADDRESSING
    case 75: return l.architecture / 10;           // COMPUTE_CAPABILITY_MAJOR
    case 76: return l.architecture % 10;           // COMPUTE_CAPABILITY_MINOR
    case 78: return 1;                             // STREAM_PRIORITIES_SUPPORTED
    case 81: return l.shared_per_sm;               // MAX_SHARED_MEMORY_PER_MULTIPROCESSOR
    case 82: return l.registers_per_sm;            // MAX_REGISTERS_PER_MULTIPROCESSOR
    case 83: return 1;                             // MANAGED_MEMORY
    case 89: return 1;                             // CONCURRENT_MANAGED_ACCESS
    case 95: return 1;                             // COOPERATIVE_LAUNCH
    case 97: return l.shared_per_cta;              // MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
    case 106: return l.ctas_per_sm;                // MAX_BLOCKS_PER_MULTIPROCESSOR
    case 111: return static_cast<int>(shared_reserved);  // RESERVED_SHARED_MEMORY_PER_BLOCK
    case 120: return l.architecture >= 90 ? 1 : 0; // CLUSTER_LAUNCH
    default: return 0;
  }
}

bool is_device(DeviceHandle device) { return device >= 0 && device < Engine::get().device_count(); }

}  // namespace

bool initialised() { return is_initialised; }
void set_initialised() { is_initialised = true; }

Context*& current_context() {
  thread_local Context* context = nullptr;
  return context;
}

}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuInit(unsigned flags) {
  if (flags != 0) return Result::invalid_value;
  Engine::get();
  set_initialised();
  return Result::success;
}

TRIPTYCH_CU Result cuDriverGetVersion(int* version) {
  if (version == nullptr) return Result::invalid_value;
  *version = 13000;
  return Result::success;
}

TRIPTYCH_CU Result cuDeviceGetCount(int* count) {
  if (!initialised()) return Result::not_initialized;
  if (count == nullptr) return Result::invalid_value;
  *count = Engine::get().device_count();
  return Result::success;
}

TRIPTYCH_CU Result cuDeviceGet(DeviceHandle* device, int ordinal) {
  if (!initialised()) return Result::not_initialized;
  if (device == nullptr) return Result::invalid_value;
  if (!is_device(ordinal)) return Result::invalid_device;
  *device = ordinal;
  return Result::success;
}

TRIPTYCH_CU Result cuDeviceGetName(char* name, int bytes, DeviceHandle device) {
  if (!initialised()) return Result::not_initialized;
  if (name == nullptr || bytes < 1) return Result::invalid_value;
  if (!is_device(device)) return Result::invalid_device;
  const std::string& full = Engine::get().machine().limits(device).name;
  const std::size_t length = std::min(full.size(), static_cast<std::size_t>(bytes) - 1);
  std::memcpy(name, full.data(), length);
  name[length] = 0;
  return Result::success;
}

TRIPTYCH_CU Result cuDeviceTotalMem_v2(std::size_t* bytes, DeviceHandle device) {
  if (!initialised()) return Result::not_initialized;
  if (bytes == nullptr) return Result::invalid_value;
  if (!is_device(device)) return Result::invalid_device;
  *bytes = Engine::get().machine().limits(device).memory;
  return Result::success;
}

TRIPTYCH_CU Result cuDeviceGetAttribute(int* value, Attribute which, DeviceHandle device) {
  if (!initialised()) return Result::not_initialized;
  if (value == nullptr) return Result::invalid_value;
  if (!is_device(device)) return Result::invalid_device;
  *value = attribute_of(Engine::get().machine().limits(device), which);
  return Result::success;
}

TRIPTYCH_CU Result cuDevicePrimaryCtxRetain(Context** context, DeviceHandle device) {
  if (!initialised()) return Result::not_initialized;
  if (context == nullptr) return Result::invalid_value;
  if (!is_device(device)) return Result::invalid_device;
  *context = &Engine::get().primary(device);
  return Result::success;
}

TRIPTYCH_CU Result cuDevicePrimaryCtxRelease_v2(DeviceHandle device) {
  if (!initialised()) return Result::not_initialized;
  return is_device(device) ? Result::success : Result::invalid_device;
}

/// Forgets a failed kernel's error: the device can be used again.
TRIPTYCH_CU Result cuDevicePrimaryCtxReset_v2(DeviceHandle device) {
  if (!initialised()) return Result::not_initialized;
  if (!is_device(device)) return Result::invalid_device;
  const std::lock_guard lock(Engine::get().mutex());
  Engine::get().primary(device).failed = Result::success;
  return Result::success;
}

TRIPTYCH_CU Result cuCtxSetCurrent(Context* context) {
  if (!initialised()) return Result::not_initialized;
  current_context() = context;
  return Result::success;
}

TRIPTYCH_CU Result cuCtxGetCurrent(Context** context) {
  if (!initialised()) return Result::not_initialized;
  if (context == nullptr) return Result::invalid_value;
  *context = current_context();
  return Result::success;
}

TRIPTYCH_CU Result cuCtxGetDevice(DeviceHandle* device) {
  if (!initialised()) return Result::not_initialized;
  if (device == nullptr) return Result::invalid_value;
  if (current_context() == nullptr) return Result::invalid_context;
  *device = current_context()->device;
  return Result::success;
}

TRIPTYCH_CU Result cuCtxSynchronize() {
  Call call;
  if (call.refused()) return call.result;
  Context& context = *call.context;
  call.engine.wait(call.lock, [&] { return call.engine.all_idle(context.device) || context.failed != Result::success; });
  return context.failed;
}

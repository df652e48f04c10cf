// Devices: which one a thread uses, and what they say of themselves.
#include <cstring>
#include <iterator>
#include <mutex>

#include "emulator/runtime/properties.h"
#include "emulator/runtime/runtime.h"

namespace triptych::emulator::runtime {
namespace {

thread_local int current = 0;

/// Primary contexts are retained once and never given back: they last as long as the process.
Result make_current(int device) {
  static std::mutex mutex;
  static Context* contexts[32] = {};
  const std::lock_guard lock(mutex);
  if (device < 0 || device >= static_cast<int>(std::size(contexts))) return Result::invalid_device;
  Context*& context = contexts[device];
  if (context == nullptr) {
    if (const Result r = cuDevicePrimaryCtxRetain(&context, device); r != Result::success) return r;
  }
  return cuCtxSetCurrent(context);
}

Result initialise() {
  static const Result result = cuInit(0);
  return result;
}

/// For what needs the driver and no context.
template <class Body>
Result initialised(Body&& body) {
  const Result r = initialise();
  return note(r == Result::success ? body() : r);
}

bool is_device(int device) {
  int count = 0;
  return cuDeviceGetCount(&count) == Result::success && device >= 0 && device < count;
}

/// The primary context of a device.
Context* primary(int device) {
  Context* before = nullptr;
  Context* context = nullptr;
  cuCtxGetCurrent(&before);
  make_current(device);
  cuCtxGetCurrent(&context);
  cuCtxSetCurrent(before);
  return context;
}

}  // namespace

Result enter() {
  if (const Result r = initialise(); r != Result::success) return r;
  Context* context = nullptr;
  cuCtxGetCurrent(&context);
  return context != nullptr ? Result::success : make_current(current);
}

}  // namespace triptych::emulator::runtime

using namespace triptych::emulator::runtime;

TRIPTYCH_CUDA Result cudaRuntimeGetVersion(int* version) {
  if (version == nullptr) return note(Result::invalid_value);
  *version = driver_version;
  return Result::success;
}
TRIPTYCH_CUDA Result cudaDriverGetVersion(int* version) { return note(cuDriverGetVersion(version)); }

TRIPTYCH_CUDA Result cudaGetDeviceCount(int* count) {
  return initialised([&] { return cuDeviceGetCount(count); });
}

TRIPTYCH_CUDA Result cudaSetDevice(int device) {
  return initialised([&] {
    if (!is_device(device)) return Result::invalid_device;
    current = device;
    return make_current(device);
  });
}
TRIPTYCH_CUDA Result cudaInitDevice(int device, unsigned, unsigned) {
  return initialised([&] { return is_device(device) ? make_current(device) : Result::invalid_device; });
}

TRIPTYCH_CUDA Result cudaGetDevice(int* device) {
  return initialised([&] {
    if (device == nullptr) return Result::invalid_value;
    if (cuCtxGetDevice(device) != Result::success) *device = current;
    return Result::success;
  });
}

/// Devices are all alike.
TRIPTYCH_CUDA Result cudaChooseDevice(int* device, const Properties*) {
  if (device == nullptr) return note(Result::invalid_value);
  *device = 0;
  return Result::success;
}
TRIPTYCH_CUDA Result cudaSetValidDevices(int* devices, int count) {
  return initialised([&] { return devices == nullptr && count != 0 ? Result::invalid_value : Result::success; });
}

TRIPTYCH_CUDA Result cudaGetDeviceProperties(Properties* to, int device) {
  return initialised([&] {
    if (to == nullptr) return Result::invalid_value;
    return is_device(device) ? properties_of(device, *to) : Result::invalid_device;
  });
}

TRIPTYCH_CUDA Result cudaDeviceGetAttribute(int* value, int which, int device) {
  return initialised([&] { return cuDeviceGetAttribute(value, which, device); });
}

TRIPTYCH_CUDA Result cudaDeviceGetPCIBusId(char* id, int bytes, int device) {
  return initialised([&] { return cuDeviceGetPCIBusId(id, bytes, device); });
}
TRIPTYCH_CUDA Result cudaDeviceGetByPCIBusId(int* device, const char* id) {
  return initialised([&] { return cuDeviceGetByPCIBusId(device, id); });
}
TRIPTYCH_CUDA Result cudaDeviceGetP2PAttribute(int* value, int which, int device, int peer) {
  return initialised([&] { return cuDeviceGetP2PAttribute(value, which, device, peer); });
}
TRIPTYCH_CUDA Result cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  return initialised([&] { return cuDeviceCanAccessPeer(can, device, peer); });
}
TRIPTYCH_CUDA Result cudaDeviceEnablePeerAccess(int peer, unsigned flags) {
  return on_device([&] { return is_device(peer) ? cuCtxEnablePeerAccess(primary(peer), flags) : Result::invalid_device; });
}
TRIPTYCH_CUDA Result cudaDeviceDisablePeerAccess(int peer) {
  return on_device([&] { return is_device(peer) ? cuCtxDisablePeerAccess(primary(peer)) : Result::invalid_device; });
}

TRIPTYCH_FORWARD(cudaDeviceSynchronize, cuCtxSynchronize, (), ())
TRIPTYCH_FORWARD(cudaDeviceSetLimit, cuCtxSetLimit, (int limit, std::size_t value), (limit, value))
TRIPTYCH_FORWARD(cudaDeviceGetLimit, cuCtxGetLimit, (std::size_t * value, int limit), (value, limit))
TRIPTYCH_FORWARD(cudaDeviceSetCacheConfig, cuCtxSetCacheConfig, (int config), (config))
TRIPTYCH_FORWARD(cudaDeviceGetCacheConfig, cuCtxGetCacheConfig, (int* config), (config))
TRIPTYCH_FORWARD(cudaDeviceGetStreamPriorityRange, cuCtxGetStreamPriorityRange, (int* least, int* greatest), (least, greatest))
TRIPTYCH_FORWARD(cudaDeviceGetDefaultMemPool, cuDeviceGetDefaultMemPool, (Pool * *pool, int device), (pool, device))
TRIPTYCH_FORWARD(cudaDeviceGetMemPool, cuDeviceGetMemPool, (Pool * *pool, int device), (pool, device))
TRIPTYCH_FORWARD(cudaDeviceSetMemPool, cuDeviceSetMemPool, (int device, Pool* pool), (device, pool))

/// Forgets what the device holds, a kernel's error too.
TRIPTYCH_CUDA Result cudaDeviceReset() {
  return initialised([&] { return cuDevicePrimaryCtxReset_v2(current); });
}

TRIPTYCH_CUDA Result cudaSetDeviceFlags(unsigned flags) {
  return initialised([&] { return cuDevicePrimaryCtxSetFlags_v2(current, flags); });
}
TRIPTYCH_CUDA Result cudaGetDeviceFlags(unsigned* flags) {
  return initialised([&] {
    int active = 0;
    return flags != nullptr ? cuDevicePrimaryCtxGetState(current, flags, &active) : Result::invalid_value;
  });
}

/// Profilers have nothing to see here.
TRIPTYCH_CUDA Result cudaProfilerStart() { return Result::success; }
TRIPTYCH_CUDA Result cudaProfilerStop() { return Result::success; }

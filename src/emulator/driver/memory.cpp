// Memory, copies and fills.
#include <cstring>

#include "emulator/driver/api.h"

namespace triptych::emulator::driver {
namespace {

constexpr std::uint64_t alignment = 256;

/// Enqueues work that the engine does at once when its turn comes; device addresses are checked then.
template <class F>
Result enqueue_now(Call& call, Stream* handle, F&& body) {
  Context& context = *call.context;
  call.engine.enqueue(call.stream(handle), {.begin = [body, &context] {
                                              if (context.failed == Result::success) body();
                                              return true;
                                            }});
  return Result::success;
}

bool holds(Call& call, DevicePointer address, std::size_t bytes) {
  return bytes == 0 || call.engine.machine().memory().find(address, bytes).end != 0;
}

Result copy(Call& call, void* to, const void* from, std::size_t bytes, Stream* stream) {
  return enqueue_now(call, stream, [=] { std::memmove(to, from, bytes); });
}

void* host(DevicePointer address) { return reinterpret_cast<void*>(address); }

template <class T>
Result fill(Call& call, DevicePointer to, T value, std::size_t count, Stream* stream) {
  if (!holds(call, to, count * sizeof(T)) || to % sizeof(T) != 0) return Result::invalid_value;
  return enqueue_now(call, stream, [=] { std::fill_n(static_cast<T*>(host(to)), count, value); });
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuMemAlloc_v2(DevicePointer* memory, std::size_t bytes) {
  Call call;
  if (call.refused()) return call.result;
  if (memory == nullptr || bytes == 0) return Result::invalid_value;
  const std::uint64_t limit = call.engine.machine().limits(call.device()).memory;
  auto& all = call.engine.machine().memory();
  if (bytes > limit || all.used() > limit - bytes) return Result::out_of_memory;
  *memory = all.allocate(bytes, alignment, call.device());
  return *memory != 0 ? Result::success : Result::out_of_memory;
}

/// Freeing waits for the device, as a real driver does.
TRIPTYCH_CU Result cuMemFree_v2(DevicePointer memory) {
  Call call;
  if (call.context == nullptr) return call.result;
  if (memory == 0) return Result::success;
  Context& context = *call.context;
  call.engine.wait(call.lock, [&] { return call.engine.all_idle(context.device) || context.failed != Result::success; });
  return call.engine.machine().memory().release(memory) ? Result::success : Result::invalid_value;
}

TRIPTYCH_CU Result cuMemGetInfo_v2(std::size_t* available, std::size_t* total) {
  Call call;
  if (call.refused()) return call.result;
  if (available == nullptr || total == nullptr) return Result::invalid_value;
  *total = call.engine.machine().limits(call.device()).memory;
  *available = *total - std::min<std::size_t>(*total, call.engine.machine().memory().used());
  return Result::success;
}

TRIPTYCH_CU Result cuMemcpyHtoDAsync_v2(DevicePointer to, const void* from, std::size_t bytes, Stream* stream) {
  Call call;
  if (call.refused()) return call.result;
  if (!holds(call, to, bytes)) return Result::invalid_value;
  // Pageable memory may be reused on return: it is read now.
  auto data = std::make_shared<std::vector<std::uint8_t>>(static_cast<const std::uint8_t*>(from),
                                                          static_cast<const std::uint8_t*>(from) + bytes);
  Context& context = *call.context;
  call.engine.enqueue(call.stream(stream), {.begin = [data, to, &context] {
                                              if (context.failed == Result::success) std::memcpy(host(to), data->data(), data->size());
                                              return true;
                                            }});
  return Result::success;
}

TRIPTYCH_CU Result cuMemcpyDtoHAsync_v2(void* to, DevicePointer from, std::size_t bytes, Stream* stream) {
  Call call;
  if (call.refused()) return call.result;
  if (!holds(call, from, bytes)) return Result::invalid_value;
  copy(call, to, host(from), bytes, stream);
  return call.finish(call.stream(stream));
}

TRIPTYCH_CU Result cuMemcpyDtoDAsync_v2(DevicePointer to, DevicePointer from, std::size_t bytes, Stream* stream) {
  Call call;
  if (call.refused()) return call.result;
  if (!holds(call, to, bytes) || !holds(call, from, bytes)) return Result::invalid_value;
  return copy(call, host(to), host(from), bytes, stream);
}

TRIPTYCH_CU Result cuMemcpyHtoD_v2(DevicePointer to, const void* from, std::size_t bytes) {
  Call call;
  if (call.refused()) return call.result;
  if (!holds(call, to, bytes)) return Result::invalid_value;
  copy(call, host(to), from, bytes, nullptr);
  return call.finish(call.stream(nullptr));
}

TRIPTYCH_CU Result cuMemcpyDtoH_v2(void* to, DevicePointer from, std::size_t bytes) {
  return cuMemcpyDtoHAsync_v2(to, from, bytes, nullptr);
}

TRIPTYCH_CU Result cuMemcpyDtoD_v2(DevicePointer to, DevicePointer from, std::size_t bytes) {
  return cuMemcpyDtoDAsync_v2(to, from, bytes, nullptr);
}

TRIPTYCH_CU Result cuMemsetD8Async(DevicePointer to, unsigned char value, std::size_t count, Stream* stream) {
  Call call;
  return call.refused() ? call.result : fill<std::uint8_t>(call, to, value, count, stream);
}

TRIPTYCH_CU Result cuMemsetD16Async(DevicePointer to, unsigned short value, std::size_t count, Stream* stream) {
  Call call;
  return call.refused() ? call.result : fill<std::uint16_t>(call, to, value, count, stream);
}

TRIPTYCH_CU Result cuMemsetD32Async(DevicePointer to, unsigned value, std::size_t count, Stream* stream) {
  Call call;
  return call.refused() ? call.result : fill<std::uint32_t>(call, to, value, count, stream);
}

TRIPTYCH_CU Result cuMemsetD8_v2(DevicePointer to, unsigned char value, std::size_t count) {
  return cuMemsetD8Async(to, value, count, nullptr);
}

TRIPTYCH_CU Result cuMemsetD32_v2(DevicePointer to, unsigned value, std::size_t count) {
  return cuMemsetD32Async(to, value, count, nullptr);
}

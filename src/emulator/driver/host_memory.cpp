// Host memory that kernels may use: pinned, registered and mapped. Its address is the same for both.
#include "emulator/driver/memory.h"

namespace triptych::emulator::driver {
namespace {

constexpr unsigned host_flags = 7, register_flags = 15;

/// The range of host memory that holds an address.
const Range* host_range(Engine& engine, const void* address) {
  const Range* range = engine.ranges.find(reinterpret_cast<std::uintptr_t>(address));
  return range != nullptr && range->on_host() ? range : nullptr;
}

/// Ends the range of a kind that begins there, when no work of its context may still use it.
Result end(void* memory, RangeKind kind, Result otherwise) {
  return in_engine([&](Engine& engine, auto& lock) {
    const auto begins = [&]() -> const Range* {
      const Range* range = host_range(engine, memory);
      return range != nullptr && range->kind == kind && range->begin == reinterpret_cast<std::uintptr_t>(memory) ? range : nullptr;
    };
    const Range* range = begins();
    if (range == nullptr) return otherwise;
    engine.wait(lock, [&, context = range->context] {
      return !engine.contexts.holds(context) || engine.all_idle(*context) || context->failed != Result::success;
    });
    if ((range = begins()) == nullptr) return otherwise;
    release(engine, *range);
    return Result::success;
  });
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuMemHostAlloc(void** memory, std::size_t bytes, unsigned flags) {
  return in_context([&](Call& call) {
    if (memory == nullptr || bytes == 0 || (flags & ~host_flags) != 0) return Result::invalid_value;
    *memory = reinterpret_cast<void*>(allocate(call.engine, *call.context, bytes, RangeKind::host, flags));
    return *memory != nullptr ? Result::success : Result::out_of_memory;
  });
}

TRIPTYCH_CU Result cuMemAllocHost_v2(void** memory, std::size_t bytes) { return cuMemHostAlloc(memory, bytes, 3); }

TRIPTYCH_CU Result cuMemFreeHost(void* memory) {
  if (memory == nullptr) return Result::success;
  return end(memory, RangeKind::host, Result::invalid_value);
}

TRIPTYCH_CU Result cuMemHostRegister_v2(void* memory, std::size_t bytes, unsigned flags) {
  return in_context([&](Call& call) {
    if (memory == nullptr || bytes == 0 || (flags & ~register_flags) != 0) return Result::invalid_value;
    const auto begin = reinterpret_cast<std::uintptr_t>(memory);
    auto& all = call.engine.machine().memory();
    if (!all.adopt(begin, bytes, -1)) return Result::host_memory_already_registered;
    if ((flags & 8) != 0) all.set_access(begin, ~0u, 0);   // CU_MEMHOSTREGISTER_READ_ONLY
    call.engine.ranges.add({.begin = begin, .bytes = bytes, .kind = RangeKind::registered, .context = call.context,
                            .device = call.device(), .flags = flags, .id = call.engine.next_id()});
    return Result::success;
  });
}

TRIPTYCH_CU Result cuMemHostUnregister(void* memory) {
  return end(memory, RangeKind::registered, memory == nullptr ? Result::invalid_value : Result::host_memory_not_registered);
}

TRIPTYCH_CU Result cuMemHostGetDevicePointer_v2(DevicePointer* address, void* memory, unsigned flags) {
  return in_context([&](Call& call) {
    if (address == nullptr || flags != 0 || host_range(call.engine, memory) == nullptr) return Result::invalid_value;
    *address = reinterpret_cast<std::uintptr_t>(memory);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuMemHostGetFlags(unsigned* flags, void* memory) {
  return in_context([&](Call& call) {
    const Range* range = host_range(call.engine, memory);
    if (flags == nullptr || range == nullptr) return Result::invalid_value;
    *flags = range->flags;
    return Result::success;
  });
}
TRIPTYCH_CU_ALIAS(cuMemHostRegister, cuMemHostRegister_v2)

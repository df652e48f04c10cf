// Allocation in the order of a stream, and the pools that it is counted in.
#include "emulator/driver/memory.h"

namespace triptych::emulator::driver {
namespace {

Handles<Pool>& pools() {
  static Handles<Pool> all;
  return all;
}

/// Each device's default pool, and the one in use.
struct OfDevice {
  Pool *first = nullptr, *current = nullptr;
};
OfDevice& pool_of(int device) {
  static std::map<int, OfDevice> all;
  OfDevice& one = all[device];
  if (one.first == nullptr) {
    one.first = pools().make(Pool{.device = device, .of_device = true});
    one.first->properties.location = {1, device};
    one.first->properties.type = 1;
  }
  if (!pools().holds(one.current)) one.current = one.first;
  return one;
}

Result allocate_async(Call& call, DevicePointer* memory, std::size_t bytes, Pool* pool, Stream* handle) {
  Stream* stream = call.stream(handle);
  if (memory == nullptr || bytes == 0) return Result::invalid_value;
  if (stream == nullptr || !pools().holds(pool)) return Result::invalid_handle;
  *memory = allocate(call.engine, *stream->context, bytes, RangeKind::pooled, 0, pool);
  if (*memory == 0) return Result::out_of_memory;
  // In a graph it is the same memory at each run.
  return stream->capture != nullptr ? call.enqueue(handle, EmptyOperation{}) : Result::success;
}

/// Attributes by number: 1 … 3 reuse (int), 4 threshold, 5 and 6 reserved, 7 and 8 used (64 bits).
std::uint64_t* counter(Pool& pool, int attribute) {
  switch (attribute) {
    case 4: return &pool.threshold;
    case 5: case 7: return &pool.used;
    case 6: case 8: return &pool.high;
    default: return nullptr;
  }
}

template <class Body>
Result with(Pool* pool, bool pointers, Body&& body) {
  return in_engine([&](Engine& engine, auto&) {
    if (!pools().holds(pool)) return Result::invalid_value;
    return pointers ? body(engine, *pool) : Result::invalid_value;
  });
}

template <class Body>
Result with_device(DeviceHandle device, bool pointers, Body&& body) {
  return in_engine([&](Engine&, auto&) {
    if (!pointers) return Result::invalid_value;
    return is_device(device) ? body(pool_of(device)) : Result::invalid_device;
  });
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuMemAllocAsync(DevicePointer* memory, std::size_t bytes, Stream* stream) {
  return in_context([&](Call& call) {
    return allocate_async(call, memory, bytes, pool_of(call.device()).current, stream);
  });
}

TRIPTYCH_CU Result cuMemAllocFromPoolAsync(DevicePointer* memory, std::size_t bytes, Pool* pool, Stream* stream) {
  return in_context([&](Call& call) { return allocate_async(call, memory, bytes, pool, stream); });
}

TRIPTYCH_CU Result cuMemFreeAsync(DevicePointer memory, Stream* handle) {
  return in_context([&](Call& call) {
    Stream* stream = call.stream(handle);
    if (stream == nullptr) return Result::invalid_handle;
    const Range* range = call.engine.ranges.find(memory);
    if (range == nullptr || range->begin != memory || !range->can_be_freed()) return Result::invalid_value;
    if (stream->capture != nullptr) return call.enqueue(handle, EmptyOperation{});
    if (range->pool != nullptr) range->pool->used -= range->bytes;
    call.engine.ranges.remove(memory);
    return call.enqueue(handle, FreeOperation{memory});
  });
}

TRIPTYCH_CU Result cuMemPoolCreate(Pool** pool, const PoolProperties* properties) {
  return in_engine([&](Engine&, auto&) {
    if (pool == nullptr || properties == nullptr || properties->type != 1) return Result::invalid_value;
    if (properties->location.type != 1 || properties->handle_types != 0) return Result::not_supported;
    if (!is_device(properties->location.id)) return Result::invalid_device;
    *pool = pools().make(Pool{.device = properties->location.id, .properties = *properties});
    return Result::success;
  });
}

/// Allocations of the pool live on; they are counted nowhere then.
TRIPTYCH_CU Result cuMemPoolDestroy(Pool* pool) {
  return with(pool, !pools().holds(pool) || !pool->of_device, [&](Engine& engine, Pool&) {
    for (auto& [begin, range] : engine.ranges) {
      if (range.pool == pool) range.pool = nullptr;
    }
    pools().drop(pool);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuMemPoolGetAttribute(Pool* pool, int attribute, void* value) {
  return with(pool, value != nullptr, [&](Engine&, Pool& p) {
    if (attribute >= 1 && attribute <= 3) {
      *static_cast<int*>(value) = p.reuse[attribute - 1];
    } else if (const std::uint64_t* from = counter(p, attribute)) {
      *static_cast<std::uint64_t*>(value) = *from;
    } else {
      return Result::invalid_value;
    }
    return Result::success;
  });
}

/// Of the counters only the high ones can be set, to 0.
TRIPTYCH_CU Result cuMemPoolSetAttribute(Pool* pool, int attribute, const void* value) {
  return with(pool, value != nullptr, [&](Engine&, Pool& p) {
    if (attribute >= 1 && attribute <= 3) {
      p.reuse[attribute - 1] = *static_cast<const int*>(value);
    } else if (attribute == 4) {
      p.threshold = *static_cast<const std::uint64_t*>(value);
    } else if ((attribute == 6 || attribute == 8) && *static_cast<const std::uint64_t*>(value) == 0) {
      p.high = p.used;
    } else {
      return Result::invalid_value;
    }
    return Result::success;
  });
}

TRIPTYCH_CU Result cuMemPoolTrimTo(Pool* pool, std::size_t) {
  return with(pool, true, [](Engine&, Pool&) { return Result::success; });
}

TRIPTYCH_CU Result cuMemPoolSetAccess(Pool* pool, const AccessDescription* map, std::size_t count) {
  return with(pool, map != nullptr || count == 0, [&](Engine& engine, Pool& p) {
    std::uint32_t access = p.access;
    for (std::size_t i = 0; i < count; ++i) {
      const auto& [location, flags] = map[i];
      if (location.type != 1) return Result::not_supported;
      if (!is_device(location.id)) return Result::invalid_device;
      if (flags != 0 && flags != 3) return Result::invalid_value;
      const std::uint32_t bit = 1u << location.id;
      if (location.id == p.device && flags == 0) return Result::invalid_device;
      access = flags != 0 ? access | bit : access & ~bit;
    }
    p.access = access;
    const std::uint32_t mask = access_mask(engine, p.device) | access;
    for (const auto& [begin, range] : engine.ranges) {
      if (range.pool == &p) engine.machine().memory().set_access(begin, mask, mask);
    }
    return Result::success;
  });
}

TRIPTYCH_CU Result cuMemPoolGetAccess(int* flags, Pool* pool, const Location* location) {
  return with(pool, flags != nullptr && location != nullptr, [&](Engine&, Pool& p) {
    if (location->type != 1 || !is_device(location->id)) return Result::invalid_device;
    *flags = location->id == p.device || (p.access >> location->id & 1) != 0 ? 3 : 0;
    return Result::success;
  });
}

TRIPTYCH_CU Result cuDeviceGetDefaultMemPool(Pool** pool, DeviceHandle device) {
  return with_device(device, pool != nullptr, [&](OfDevice& of) {
    *pool = of.first;
    return Result::success;
  });
}

TRIPTYCH_CU Result cuDeviceGetMemPool(Pool** pool, DeviceHandle device) {
  return with_device(device, pool != nullptr, [&](OfDevice& of) {
    *pool = of.current;
    return Result::success;
  });
}

TRIPTYCH_CU Result cuDeviceSetMemPool(DeviceHandle device, Pool* pool) {
  return with_device(device, pool != nullptr, [&](OfDevice& of) {
    if (!pools().holds(pool) || pool->device != device) return Result::invalid_value;
    of.current = pool;
    return Result::success;
  });
}

TRIPTYCH_CU Result cuMemGetDefaultMemPool(Pool** pool, const Location* location, int type) {
  if (location == nullptr || type != 1) return Result::invalid_value;
  return location->type == 1 ? cuDeviceGetDefaultMemPool(pool, location->id) : Result::not_supported;
}
TRIPTYCH_CU Result cuMemGetMemPool(Pool** pool, const Location* location, int type) {
  if (location == nullptr || type != 1) return Result::invalid_value;
  return location->type == 1 ? cuDeviceGetMemPool(pool, location->id) : Result::not_supported;
}
TRIPTYCH_CU Result cuMemSetMemPool(const Location* location, int type, Pool* pool) {
  if (location == nullptr || type != 1) return Result::invalid_value;
  return location->type == 1 ? cuDeviceSetMemPool(location->id, pool) : Result::not_supported;
}
TRIPTYCH_CU_ALIAS(cuMemAllocAsync_ptsz, cuMemAllocAsync)
TRIPTYCH_CU_ALIAS(cuMemAllocFromPoolAsync_ptsz, cuMemAllocFromPoolAsync)
TRIPTYCH_CU_ALIAS(cuMemFreeAsync_ptsz, cuMemFreeAsync)

// What is known of an address; hints about managed memory.
#include <cstring>

#include "emulator/driver/memory.h"

namespace triptych::emulator::driver {
namespace {

template <class T>
Result put(void* to, const T& value) {
  std::memcpy(to, &value, sizeof value);
  return Result::success;
}

/// CUpointer_attribute of an address in a range.
Result attribute(const Range& r, int which, DevicePointer address, void* to) {
  const bool managed = r.kind == RangeKind::managed;
  switch (which) {
    case 1: return put(to, r.kind == RangeKind::pooled || r.kind == RangeKind::mapped ? nullptr : r.context);   // CONTEXT
    case 2: return put(to, r.on_host() ? 1u : 2u);                                // MEMORY_TYPE
    case 3: return put(to, address);                                              // DEVICE_POINTER
    case 4:                                                                       // HOST_POINTER
      return r.on_host() || managed ? put(to, address) : Result::invalid_value;
    case 6: return put(to, 0u);                                                   // SYNC_MEMOPS
    case 7: return put(to, r.id);                                                 // BUFFER_ID
    case 8: return put(to, managed ? 1u : 0u);                                    // IS_MANAGED
    case 9: return put(to, r.device);                                             // DEVICE_ORDINAL
    case 10: return put(to, 0u);                                                  // IS_LEGACY_CUDA_IPC_CAPABLE
    case 11: case 19: return put(to, r.begin);                                    // RANGE_START_ADDR, MAPPING_BASE_ADDR
    case 12: case 18: return put(to, static_cast<std::size_t>(r.bytes));          // RANGE_SIZE, MAPPING_SIZE
    case 13: return put(to, 1u);                                                  // MAPPED
    case 14: return put(to, std::uint64_t{0});                                    // ALLOWED_HANDLE_TYPES
    case 15: return put(to, 0u);                                                  // IS_GPU_DIRECT_RDMA_CAPABLE
    case 16: return put(to, 3);                                                   // ACCESS_FLAGS: reads and writes
    case 17: return put(to, r.pool);                                              // MEMPOOL_HANDLE
    case 20: return put(to, r.id);                                                // MEMORY_BLOCK_ID
    case 21: return put(to, 0u);                                                  // IS_HW_DECOMPRESS_CAPABLE
    default: return Result::invalid_value;
  }
}

/// CU_MEM_ADVISE_… and prefetches are hints, for memory that is managed or the host's.
Result hint(Call& call, DevicePointer address, std::size_t bytes) {
  const Range* r = call.engine.ranges.find(address);
  const bool all = r != nullptr && bytes != 0 && bytes <= r->begin + r->bytes - address;
  return all && (r->kind == RangeKind::managed || r->on_host()) ? Result::success : Result::invalid_value;
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuPointerGetAttribute(void* data, int which, DevicePointer address) {
  return in_context([&](Call& call) {
    if (data == nullptr) return Result::invalid_value;
    const Range* range = call.engine.ranges.find(address);
    return range != nullptr ? attribute(*range, which, address, data) : Result::invalid_value;
  });
}

/// An address that is nobody's gives zeros and no error.
TRIPTYCH_CU Result cuPointerGetAttributes(unsigned count, int* which, void** data, DevicePointer address) {
  return in_context([&](Call& call) {
    if (count == 0 || which == nullptr || data == nullptr) return Result::invalid_value;
    const Range* range = call.engine.ranges.find(address);
    for (unsigned i = 0; i < count; ++i) {
      if (which[i] < 1 || which[i] > 21 || data[i] == nullptr) return Result::invalid_value;
      const bool wide = which[i] != 2 && which[i] != 6 && which[i] != 8 && which[i] != 9 && which[i] != 10 && which[i] != 13 &&
                        which[i] != 15 && which[i] != 16 && which[i] != 21;
      if (range != nullptr && attribute(*range, which[i], address, data[i]) == Result::success) continue;
      std::memset(data[i], 0, wide ? 8 : 4);
      if (which[i] == 9) put(data[i], -2);
    }
    return Result::success;
  });
}

/// CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, the only one that can be set.
TRIPTYCH_CU Result cuPointerSetAttribute(const void* value, int which, DevicePointer address) {
  return in_context([&](Call& call) {
    const bool known = value != nullptr && which == 6 && call.engine.ranges.find(address) != nullptr;
    return known ? Result::success : Result::invalid_value;
  });
}

TRIPTYCH_CU Result cuMemAdvise_v2(DevicePointer address, std::size_t bytes, int advice, Location) {
  return in_context([&](Call& call) {
    return advice >= 1 && advice <= 6 ? hint(call, address, bytes) : Result::invalid_value;
  });
}

TRIPTYCH_CU Result cuMemPrefetchAsync_v2(DevicePointer address, std::size_t bytes, Location, unsigned flags, Stream* stream) {
  return in_context([&](Call& call) {
    if (flags != 0) return Result::invalid_value;
    const Result r = hint(call, address, bytes);
    return r == Result::success ? call.enqueue(stream, EmptyOperation{}) : r;
  });
}

TRIPTYCH_CU Result cuStreamAttachMemAsync(Stream* stream, DevicePointer address, std::size_t, unsigned flags) {
  return in_context([&](Call& call) {
    if (flags != 1 && flags != 2 && flags != 4) return Result::invalid_value;
    const Range* range = call.engine.ranges.find(address);
    if (range == nullptr || range->kind != RangeKind::managed) return Result::invalid_value;
    return call.enqueue(stream, EmptyOperation{});
  });
}
TRIPTYCH_CU_ALIAS(cuMemPrefetchAsync_v2_ptsz, cuMemPrefetchAsync_v2)
TRIPTYCH_CU_ALIAS(cuStreamAttachMemAsync_ptsz, cuStreamAttachMemAsync)

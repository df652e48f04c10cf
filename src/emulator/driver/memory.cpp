// Memory: plain, pitched and managed.
#include "emulator/driver/memory.h"

#include <algorithm>

namespace triptych::emulator::driver {
namespace {

constexpr std::uint64_t alignment = 256;
constexpr std::size_t pitch_alignment = 512;
constexpr int host_memory = -1;

}  // namespace

std::uint32_t access_mask(Engine& engine, int device) {
  std::uint32_t mask = 1u << device;
  for (const auto& c : engine.contexts) {
    if ((c->peers >> device & 1) != 0) mask |= 1u << c->device;
  }
  return mask;
}

std::uint64_t allocate(Engine& engine, Context& context, std::size_t bytes, RangeKind kind, unsigned flags, Pool* pool) {
  const int device = pool != nullptr ? pool->device : context.device;
  const bool everywhere = kind == RangeKind::host || kind == RangeKind::managed;
  const std::uint64_t limit = engine.machine().limits(device).memory, used = engine.ranges.used(device);
  if (kind != RangeKind::host && bytes > limit - std::min(limit, used)) return 0;
  auto& memory = engine.machine().memory();
  const std::uint64_t begin = memory.allocate(bytes, alignment, everywhere ? host_memory : device);
  if (begin == 0) return 0;
  if (Checker* checker = engine.checker(); checker != nullptr && !everywhere) checker->allocated(begin, bytes);
  if (!everywhere) {
    const std::uint32_t mask = access_mask(engine, device) | (pool != nullptr ? pool->access : 0);
    memory.set_access(begin, mask, mask);
  }
  engine.ranges.add({.begin = begin, .bytes = bytes, .kind = kind, .context = &context, .device = device, .flags = flags,
                     .pool = pool, .id = engine.next_id()});
  if (pool != nullptr) {
    pool->used += bytes;
    pool->high = std::max(pool->high, pool->used);
  }
  return begin;
}

void release(Engine& engine, const Range& range) {
  if (range.pool != nullptr) range.pool->used -= range.bytes;
  const std::uint64_t begin = range.begin;
  if (Checker* checker = engine.checker()) checker->released(begin);
  engine.machine().memory().release(begin);
  engine.ranges.remove(begin);
}

std::size_t span(std::size_t width, std::size_t height, std::size_t depth, std::size_t pitch, std::size_t slice) {
  std::size_t slices = 0, rows = 0, sum = 0;
  const bool too_many = __builtin_mul_overflow(depth - 1, slice, &slices) || __builtin_mul_overflow(height - 1, pitch, &rows) ||
                        __builtin_add_overflow(slices, rows, &sum) || __builtin_add_overflow(sum, width, &sum);
  return too_many ? ~std::size_t{0} : sum;
}

bool holds(Engine& engine, DevicePointer address, std::size_t bytes) {
  return bytes == 0 || engine.machine().memory().find(address, bytes).end != 0;
}

}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuMemAlloc_v2(DevicePointer* memory, std::size_t bytes) {
  return in_context([&](Call& call) {
    if (memory == nullptr || bytes == 0) return Result::invalid_value;
    *memory = allocate(call.engine, *call.context, bytes, RangeKind::device, 0);
    return *memory != 0 ? Result::success : Result::out_of_memory;
  });
}

TRIPTYCH_CU Result cuMemAllocPitch_v2(DevicePointer* memory, std::size_t* pitch, std::size_t width, std::size_t height,
                                      unsigned element) {
  if (memory == nullptr || pitch == nullptr || width == 0 || height == 0) return Result::invalid_value;
  if (element != 4 && element != 8 && element != 16) return Result::invalid_value;
  const std::size_t row = (width + pitch_alignment - 1) / pitch_alignment * pitch_alignment;
  if (row < width || row > ~std::size_t{0} / height) return Result::out_of_memory;
  const Result r = cuMemAlloc_v2(memory, row * height);
  if (r == Result::success) *pitch = row;
  return r;
}

/// CU_MEM_ATTACH_GLOBAL (1), _HOST (2) or _SINGLE (4): host and device see the same bytes in any case.
TRIPTYCH_CU Result cuMemAllocManaged(DevicePointer* memory, std::size_t bytes, unsigned flags) {
  return in_context([&](Call& call) {
    if (memory == nullptr || bytes == 0 || (flags != 1 && flags != 2)) return Result::invalid_value;
    *memory = allocate(call.engine, *call.context, bytes, RangeKind::managed, flags);
    return *memory != 0 ? Result::success : Result::out_of_memory;
  });
}

/// Freeing waits for the context, as a real driver does.
TRIPTYCH_CU Result cuMemFree_v2(DevicePointer memory) {
  return in_engine([&](Engine& engine, auto& lock) {
    if (memory == 0) return Result::success;
    const auto begins = [&]() -> const Range* {
      const Range* range = engine.ranges.find(memory);
      return range != nullptr && range->begin == memory && range->can_be_freed() ? range : nullptr;
    };
    const Range* range = begins();
    if (range == nullptr) return Result::invalid_value;
    engine.wait(lock, [&, context = range->context] {
      return !engine.contexts.holds(context) || engine.all_idle(*context) || context->failed != Result::success;
    });
    if ((range = begins()) == nullptr) return Result::invalid_value;
    release(engine, *range);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuMemGetInfo_v2(std::size_t* available, std::size_t* total) {
  return in_context([&](Call& call) {
    if (available == nullptr || total == nullptr) return Result::invalid_value;
    *total = call.engine.machine().limits(call.device()).memory;
    *available = *total - std::min<std::size_t>(*total, call.engine.ranges.used(call.device()));
    return Result::success;
  });
}

TRIPTYCH_CU Result cuMemGetAddressRange_v2(DevicePointer* begin, std::size_t* bytes, DevicePointer address) {
  return in_context([&](Call& call) {
    const Range* range = call.engine.ranges.find(address);
    if (range == nullptr) return Result::not_found;
    give(begin, range->begin);
    give(bytes, range->bytes);
    return Result::success;
  });
}

// Virtual memory: addresses reserved, memory created, and the one mapped at the other.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "emulator/driver/memory.h"

namespace triptych::emulator::driver {
namespace {

constexpr std::size_t granularity = std::size_t{2} << 20;

/// CUmemGenericAllocationHandle: pages of a file in memory, so that they can be mapped more than once.
struct Physical {
  int file = -1;
  std::size_t bytes = 0;
  AllocationProperties properties{};
  int references = 1;              ///< handles and mappings
  ~Physical() {
    if (file >= 0) close(file);
  }
};

struct Mapping {
  std::size_t bytes = 0;
  Physical* physical = nullptr;
  std::uint32_t readers = 0, writers = 0;
};

struct Reservation {
  std::size_t bytes = 0;
  std::map<std::uint64_t, Mapping> mappings = {};   ///< by address
  std::vector<std::uint64_t> known = {};            ///< what the machine's memory holds of it
};

Handles<Physical>& physicals() {
  static Handles<Physical> all;
  return all;
}

std::map<std::uint64_t, Reservation>& reservations() {
  static std::map<std::uint64_t, Reservation> all;
  return all;
}

void drop(Engine& engine, Physical* physical) {
  if (--physical->references > 0) return;
  engine.ranges.take(physical->properties.location.id, -static_cast<std::int64_t>(physical->bytes));
  physicals().drop(physical);
}

/// The reservation that holds all of a range.
Reservation* find(std::uint64_t address, std::size_t bytes, std::uint64_t& begin) {
  auto next = reservations().upper_bound(address);
  if (next == reservations().begin()) return nullptr;
  auto& [at, one] = *std::prev(next);
  begin = at;
  return address - at <= one.bytes && bytes <= one.bytes - (address - at) ? &one : nullptr;
}

/// Tells the machine what kernels may use: neighbours with the same access are one allocation, for copies may
/// cross from one to the other.
void publish(Engine& engine, Reservation& r) {
  auto& memory = engine.machine().memory();
  for (const std::uint64_t begin : r.known) {
    memory.release(begin);
    engine.ranges.remove(begin);
  }
  r.known.clear();
  for (auto at = r.mappings.begin(); at != r.mappings.end();) {
    const std::uint64_t begin = at->first;
    const Mapping first = at->second;
    std::uint64_t end = begin;
    while (at != r.mappings.end() && at->first == end && at->second.readers == first.readers && at->second.writers == first.writers) {
      end += at->second.bytes;
      ++at;
    }
    const int device = first.physical->properties.location.id;
    if (first.readers == 0 || !memory.adopt(begin, end - begin, device)) continue;
    memory.set_access(begin, first.readers, first.writers);
    engine.ranges.add({.begin = begin, .bytes = end - begin, .kind = RangeKind::mapped, .device = device, .id = engine.next_id()});
    r.known.push_back(begin);
  }
}

bool is_whole(std::uint64_t value) { return value % granularity == 0; }

template <class Body>
Result with(Physical* handle, Body&& body) {
  return in_engine([&](Engine& engine, auto&) {
    return physicals().holds(handle) ? body(engine, *handle) : Result::invalid_value;
  });
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuMemGetAllocationGranularity(std::size_t* bytes, const AllocationProperties* properties, int option) {
  if (bytes == nullptr || properties == nullptr || option < 0 || option > 1) return Result::invalid_value;
  *bytes = granularity;
  return Result::success;
}

TRIPTYCH_CU Result cuMemAddressReserve(DevicePointer* address, std::size_t bytes, std::size_t align, DevicePointer wanted,
                                       unsigned long long flags) {
  return in_engine([&](Engine&, auto&) {
    if (address == nullptr || bytes == 0 || !is_whole(bytes) || flags != 0 || (align & (align - 1)) != 0) return Result::invalid_value;
    const std::size_t step = std::max(align, granularity);
    if (bytes > (std::size_t{1} << 47) || step > (std::size_t{1} << 40)) return Result::out_of_memory;
    // What lies beside the aligned part stays reserved too: addresses are plenty.
    void* const at = mmap(reinterpret_cast<void*>(wanted), bytes + step, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return Result::out_of_memory;
    *address = (reinterpret_cast<std::uintptr_t>(at) + step - 1) / step * step;
    reservations()[*address].bytes = bytes;
    return Result::success;
  });
}

TRIPTYCH_CU Result cuMemAddressFree(DevicePointer address, std::size_t bytes) {
  return in_engine([&](Engine&, auto&) {
    const auto found = reservations().find(address);
    if (found == reservations().end() || found->second.bytes != bytes || !found->second.mappings.empty()) return Result::invalid_value;
    munmap(reinterpret_cast<void*>(address), bytes);
    reservations().erase(found);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuMemCreate(Physical** handle, std::size_t bytes, const AllocationProperties* properties, unsigned long long flags) {
  return in_engine([&](Engine& engine, auto&) {
    if (handle == nullptr || properties == nullptr || bytes == 0 || !is_whole(bytes) || flags != 0 || properties->type != 1) {
      return Result::invalid_value;
    }
    if (properties->location.type != 1 || properties->handle_types != 0) return Result::not_supported;
    if (!is_device(properties->location.id)) return Result::invalid_device;
    const int device = properties->location.id;
    const std::uint64_t limit = engine.machine().limits(device).memory, used = engine.ranges.used(device);
    if (bytes > limit - std::min(limit, used)) return Result::out_of_memory;
    const int file = memfd_create("triptych", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, static_cast<off_t>(bytes)) != 0) {
      if (file >= 0) close(file);
      return Result::out_of_memory;
    }
    *handle = physicals().make();
    (*handle)->file = file;
    (*handle)->bytes = bytes;
    (*handle)->properties = *properties;
    engine.ranges.take(device, static_cast<std::int64_t>(bytes));
    return Result::success;
  });
}

TRIPTYCH_CU Result cuMemRelease(Physical* handle) {
  return with(handle, [](Engine& engine, Physical& p) {
    drop(engine, &p);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuMemGetAllocationPropertiesFromHandle(AllocationProperties* properties, Physical* handle) {
  return with(handle, [&](Engine&, Physical& p) {
    give(properties, p.properties);
    return properties != nullptr ? Result::success : Result::invalid_value;
  });
}

TRIPTYCH_CU Result cuMemMap(DevicePointer address, std::size_t bytes, std::size_t offset, Physical* handle, unsigned long long flags) {
  return with(handle, [&](Engine&, Physical& p) {
    std::uint64_t begin = 0;
    Reservation* r = find(address, bytes, begin);
    if (r == nullptr || bytes == 0 || flags != 0 || !is_whole(address) || !is_whole(bytes) || offset != 0 || bytes > p.bytes) {
      return Result::invalid_value;
    }
    const auto next = r->mappings.lower_bound(address);
    const bool taken = (next != r->mappings.end() && next->first < address + bytes) ||
                       (next != r->mappings.begin() && std::prev(next)->first + std::prev(next)->second.bytes > address);
    if (taken) return Result::already_mapped;
    void* const at = reinterpret_cast<void*>(address);
    if (mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, p.file, 0) == MAP_FAILED) return Result::out_of_memory;
    ++p.references;
    r->mappings[address] = {.bytes = bytes, .physical = &p};
    return Result::success;
  });
}

TRIPTYCH_CU Result cuMemUnmap(DevicePointer address, std::size_t bytes) {
  return in_engine([&](Engine& engine, auto&) {
    std::uint64_t begin = 0;
    Reservation* r = find(address, bytes, begin);
    if (r == nullptr || bytes == 0) return Result::invalid_value;
    std::vector<std::uint64_t> inside;
    std::size_t sum = 0;
    for (const auto& [at, mapping] : r->mappings) {
      if (at < address || at + mapping.bytes > address + bytes) continue;
      inside.push_back(at);
      sum += mapping.bytes;
    }
    if (sum != bytes) return Result::invalid_value;
    for (const std::uint64_t at : inside) {
      drop(engine, r->mappings[at].physical);
      r->mappings.erase(at);
    }
    mmap(reinterpret_cast<void*>(address), bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    publish(engine, *r);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuMemSetAccess(DevicePointer address, std::size_t bytes, const AccessDescription* access, std::size_t count) {
  return in_engine([&](Engine& engine, auto&) {
    std::uint64_t begin = 0;
    Reservation* r = find(address, bytes, begin);
    if (r == nullptr || bytes == 0 || access == nullptr || count == 0) return Result::invalid_value;
    for (std::size_t i = 0; i < count; ++i) {
      if (access[i].flags != 0 && access[i].flags != 1 && access[i].flags != 3) return Result::invalid_value;
      if (access[i].location.type == 1 && !is_device(access[i].location.id)) return Result::invalid_device;
    }
    std::size_t covered = 0;
    for (auto& [at, mapping] : r->mappings) {
      if (at >= address && at + mapping.bytes <= address + bytes) covered += mapping.bytes;
    }
    if (covered != bytes) return Result::invalid_value;
    for (auto& [at, mapping] : r->mappings) {
      if (at < address || at >= address + bytes) continue;
      for (std::size_t i = 0; i < count; ++i) {
        if (access[i].location.type != 1) continue;   // the host can, always
        const std::uint32_t bit = 1u << access[i].location.id;
        mapping.readers = access[i].flags != 0 ? mapping.readers | bit : mapping.readers & ~bit;
        mapping.writers = access[i].flags == 3 ? mapping.writers | bit : mapping.writers & ~bit;
      }
    }
    publish(engine, *r);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuMemGetAccess(unsigned long long* flags, const Location* location, DevicePointer address) {
  return in_engine([&](Engine&, auto&) {
    std::uint64_t begin = 0;
    Reservation* r = find(address, 1, begin);
    if (flags == nullptr || location == nullptr || r == nullptr) return Result::invalid_value;
    if (location->type != 1 || !is_device(location->id)) return Result::invalid_device;
    const auto next = r->mappings.upper_bound(address);
    if (next == r->mappings.begin() || address - std::prev(next)->first >= std::prev(next)->second.bytes) return Result::invalid_value;
    const Mapping& m = std::prev(next)->second;
    *flags = (m.writers >> location->id & 1) != 0 ? 3 : (m.readers >> location->id & 1) != 0 ? 1 : 0;
    return Result::success;
  });
}

TRIPTYCH_CU Result cuMemRetainAllocationHandle(Physical** handle, void* address) {
  return in_engine([&](Engine&, auto&) {
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    std::uint64_t begin = 0;
    Reservation* r = find(at, 1, begin);
    if (handle == nullptr || r == nullptr) return Result::invalid_value;
    const auto next = r->mappings.upper_bound(at);
    if (next == r->mappings.begin() || at - std::prev(next)->first >= std::prev(next)->second.bytes) return Result::invalid_value;
    *handle = std::prev(next)->second.physical;
    ++(*handle)->references;
    return Result::success;
  });
}

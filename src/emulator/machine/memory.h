/// \file
/// Global memory: the allocations of all devices in one address space, and the windows of the others.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "emulator/machine/instr.h"

namespace triptych::emulator {

/// Generic addresses. Global ones are host addresses; the other spaces are windows whose lower 32 bits
/// are the address within the space. No host address lies there.
namespace window {
inline constexpr std::uint64_t shared = 0x1000'0000'0000'0000;   ///< + (CTA rank in cluster << 24 | offset)
inline constexpr std::uint64_t local = 0x2000'0000'0000'0000;    ///< + offset in the thread's local memory
inline constexpr std::uint64_t param = 0x3000'0000'0000'0000;    ///< + offset in the launch's parameters
constexpr std::uint64_t of(std::uint64_t address) { return address & 0xF000'0000'0000'0000; }
constexpr std::uint32_t offset(std::uint64_t address) { return static_cast<std::uint32_t>(address); }
}  // namespace window

/// One allocation.
struct Allocation {
  std::uint64_t begin = 0, end = 0;   ///< end is one past the last byte
  int device = 0;                     ///< owner; -1: host memory that devices may use
  std::uint32_t readers = ~0u, writers = ~0u;   ///< a bit for each device that may
  bool constant = false;              ///< .const variables: kernels may not write
  std::uint64_t id = 0;               ///< counts allocations, for messages and for shadow memory
};

/// All allocations. Lookups are lock-free for readers that found their allocation before (see Lookup).
class GlobalMemory {
 public:
  GlobalMemory();
  ~GlobalMemory();
  GlobalMemory(const GlobalMemory&) = delete;
  GlobalMemory& operator=(const GlobalMemory&) = delete;

  /// Zero-filled pages are not promised: contents are unspecified, as on a device. Returns 0 when the
  /// limit is exceeded or the host has no memory.
  std::uint64_t allocate(std::uint64_t bytes, std::uint64_t align, int device);
  /// Makes host memory that somebody else owns usable by kernels (pinned, managed, registered).
  bool adopt(std::uint64_t begin, std::uint64_t bytes, int device);
  /// False if nothing begins there.
  bool release(std::uint64_t begin);
  void set_access(std::uint64_t begin, std::uint32_t readers, std::uint32_t writers);
  void set_constant(std::uint64_t begin);

  /// The allocation that holds all of [address, address + bytes), by value; end = 0 if none.
  Allocation find(std::uint64_t address, std::uint64_t bytes) const;
  /// "0x7f…10 lies 16 bytes past the end of the allocation 0x7f…00 of 64 bytes", for messages.
  std::string describe(std::uint64_t address) const;
  /// Changes whenever an allocation is made or released: caches of find() are stale then.
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  std::uint64_t used() const { return used_; }
  void set_limit(std::uint64_t bytes) { limit_ = bytes; }

 private:
  mutable std::shared_mutex mutex_;
  std::map<std::uint64_t, Allocation> by_begin_;
  std::map<std::uint64_t, std::pair<void*, std::uint64_t>> owned_;   // what to give back to the host
  std::atomic<std::uint64_t> generation_{1};
  std::atomic<std::uint64_t> used_{0};
  std::uint64_t limit_ = ~std::uint64_t{0};
  std::uint64_t next_id_ = 1;
};

}  // namespace triptych::emulator

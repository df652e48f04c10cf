/// \file
/// What programs have allocated, registered or mapped, and how.
#pragma once

#include <cstdint>
#include <map>

#include "emulator/driver/types.h"

namespace triptych::emulator::driver {

struct Context;
struct Pool;

/// How memory came to be.
enum class RangeKind : std::uint8_t { device, managed, host, registered, pooled, mapped };

/// A piece of memory that kernels may use. Host and device address are the same.
struct Range {
  std::uint64_t begin = 0, bytes = 0;
  RangeKind kind = RangeKind::device;
  Context* context = nullptr;
  int device = 0;
  unsigned flags = 0;            ///< as given when it was made
  Pool* pool = nullptr;
  std::uint64_t id = 0;
  bool variable = false;         ///< a module's: it goes with the module

  /// Whether cuMemFree gives it back.
  bool can_be_freed() const { return !variable && !on_host() && kind != RangeKind::mapped; }
  bool on_host() const { return kind == RangeKind::host || kind == RangeKind::registered; }
};

class Ranges {
 public:
  void add(const Range& range) {
    by_begin_[range.begin] = range;
    take(range, static_cast<std::int64_t>(range.bytes));
  }
  void remove(std::uint64_t begin) {
    const auto found = by_begin_.find(begin);
    if (found == by_begin_.end()) return;
    take(found->second, -static_cast<std::int64_t>(found->second.bytes));
    by_begin_.erase(found);
  }
  /// The one that holds this address; null if none does.
  Range* find(std::uint64_t address) {
    auto next = by_begin_.upper_bound(address);
    if (next == by_begin_.begin()) return nullptr;
    Range& range = std::prev(next)->second;
    return address - range.begin < range.bytes ? &range : nullptr;
  }
  /// Memory that is created is taken before it is mapped; mapping takes none.
  void take(int device, std::int64_t bytes) { used_[device] += static_cast<std::uint64_t>(bytes); }
  /// Bytes of a device's memory that are taken.
  std::uint64_t used(int device) const {
    const auto found = used_.find(device);
    return found != used_.end() ? found->second : 0;
  }
  auto begin() { return by_begin_.begin(); }
  auto end() { return by_begin_.end(); }

 private:
  void take(const Range& range, std::int64_t bytes) {
    if (!range.on_host() && range.kind != RangeKind::mapped) take(range.device, bytes);
  }
  std::map<std::uint64_t, Range> by_begin_;
  std::map<int, std::uint64_t> used_;
};

}  // namespace triptych::emulator::driver

/// \file
/// The smallest index at which any thread of a loop met something: how a fault is found in parallel
/// and still reported the same for every number of threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

namespace triptych::reference {

/// Collects indices from all threads of a loop; keeps the smallest.
class FirstIndex {
 public:
  /// Callable from any thread.
  void note(std::int64_t index) {
    std::int64_t seen = first_.load(std::memory_order_relaxed);
    while (index < seen && !first_.compare_exchange_weak(seen, index, std::memory_order_relaxed)) {
    }
  }
  /// After the loop: whether anything was noted.
  bool any() const { return index() != nowhere; }
  /// After the loop: the smallest index, or one beyond all others.
  std::int64_t index() const { return first_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::int64_t nowhere = std::numeric_limits<std::int64_t>::max();
  std::atomic<std::int64_t> first_{nowhere};
};

}  // namespace triptych::reference

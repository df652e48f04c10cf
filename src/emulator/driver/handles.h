/// \file
/// The live objects of one type, which programs know by their addresses.
#pragma once

#include <algorithm>
#include <memory>
#include <unordered_set>
#include <utility>
#include <vector>

namespace triptych::emulator::driver {

/// Owns objects in the order in which they were made; a handle that is none of them is never dereferenced.
template <class T>
class Handles {
 public:
  template <class... Arguments>
  T* make(Arguments&&... arguments) {
    all_.push_back(std::make_unique<T>(std::forward<Arguments>(arguments)...));
    known_.insert(all_.back().get());
    return all_.back().get();
  }
  bool holds(const T* handle) const { return known_.count(handle) != 0; }
  void drop(const T* handle) {
    known_.erase(handle);
    const auto at = std::find_if(all_.begin(), all_.end(), [&](const auto& one) { return one.get() == handle; });
    if (at == all_.end()) return;
    const std::unique_ptr<T> last = std::move(*at);   // its destructor may drop others
    all_.erase(at);
  }
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }
  std::size_t size() const { return all_.size(); }

 private:
  std::vector<std::unique_ptr<T>> all_;
  std::unordered_set<const T*> known_;
};

}  // namespace triptych::emulator::driver

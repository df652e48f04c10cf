#include "emulator/machine/memory.h"

#include <sys/mman.h>

#include <cstdio>

namespace triptych::emulator {
namespace {

std::string hex(std::uint64_t value) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

constexpr std::uint64_t page = 4096;
/// Bytes on either side of an allocation that no allocation holds, so that a stray address hits none.
constexpr std::uint64_t guard = 2 * page;

}  // namespace

GlobalMemory::GlobalMemory() = default;

GlobalMemory::~GlobalMemory() {
  for (const auto& [begin, memory] : owned_) munmap(memory.first, memory.second);
}

std::uint64_t GlobalMemory::allocate(std::uint64_t bytes, std::uint64_t align, int device) {
  const std::unique_lock lock(mutex_);
  if (bytes == 0 || bytes > limit_ - std::min(limit_, used_.load())) return 0;
  // Small allocations begin `guard` after the mapping's beginning; the host gives pages when they are touched.
  const std::uint64_t lead = std::max(guard, align);
  const std::uint64_t length = (lead + bytes + guard + page - 1) / page * page;
  if (length < bytes) return 0;
  void* memory = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return 0;
  const auto base = reinterpret_cast<std::uint64_t>(memory);
  const std::uint64_t begin = (base + lead) / align * align;
  owned_[begin] = {memory, length};
  by_begin_[begin] = {begin, begin + bytes, device, ~0u, ~0u, false, next_id_++};
  used_ += bytes;
  ++generation_;
  return begin;
}

bool GlobalMemory::adopt(std::uint64_t begin, std::uint64_t bytes, int device) {
  const std::unique_lock lock(mutex_);
  const auto next = by_begin_.lower_bound(begin);
  if (bytes == 0 || begin + bytes < begin) return false;
  if (next != by_begin_.end() && next->first < begin + bytes) return false;
  if (next != by_begin_.begin() && std::prev(next)->second.end > begin) return false;
  by_begin_[begin] = {begin, begin + bytes, device, ~0u, ~0u, false, next_id_++};
  ++generation_;
  return true;
}

bool GlobalMemory::release(std::uint64_t begin) {
  const std::unique_lock lock(mutex_);
  const auto found = by_begin_.find(begin);
  if (found == by_begin_.end()) return false;
  if (const auto own = owned_.find(begin); own != owned_.end()) {
    munmap(own->second.first, own->second.second);
    owned_.erase(own);
    used_ -= found->second.end - found->second.begin;
  }
  by_begin_.erase(found);
  ++generation_;
  return true;
}

void GlobalMemory::set_access(std::uint64_t begin, std::uint32_t readers, std::uint32_t writers) {
  const std::unique_lock lock(mutex_);
  const auto found = by_begin_.find(begin);
  if (found == by_begin_.end()) return;
  found->second.readers = readers;
  found->second.writers = writers;
  ++generation_;
}

void GlobalMemory::set_constant(std::uint64_t begin) {
  const std::unique_lock lock(mutex_);
  const auto found = by_begin_.find(begin);
  if (found != by_begin_.end()) found->second.constant = true;
  ++generation_;
}

Allocation GlobalMemory::find(std::uint64_t address, std::uint64_t bytes) const {
  const std::shared_lock lock(mutex_);
  auto next = by_begin_.upper_bound(address);
  if (next == by_begin_.begin()) return {};
  const Allocation& a = std::prev(next)->second;
  return address + bytes >= address && address + bytes <= a.end ? a : Allocation{};
}

std::string GlobalMemory::describe(std::uint64_t address) const {
  const std::shared_lock lock(mutex_);
  const auto next = by_begin_.upper_bound(address);
  std::string text = hex(address) + " ";
  if (next != by_begin_.begin()) {
    const Allocation& a = std::prev(next)->second;
    const std::string of = "the allocation " + hex(a.begin) + " of " + std::to_string(a.end - a.begin) + " bytes";
    if (address < a.end) return text + "is byte " + std::to_string(address - a.begin) + " of " + of;
    if (address - a.end < (1u << 20)) {
      return text + "is " + std::to_string(address - a.end) + " bytes past the end of " + of;
    }
  }
  if (next != by_begin_.end() && next->first - address < (1u << 20)) {
    return text + "is " + std::to_string(next->first - address) + " bytes before the allocation " +
           hex(next->first) + " of " + std::to_string(next->second.end - next->first) + " bytes";
  }
  return text + "is in no allocation";
}

}  // namespace triptych::emulator

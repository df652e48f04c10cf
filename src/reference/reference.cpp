#include "reference/reference.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>

namespace triptych::reference {
namespace {

constexpr std::size_t alignment = 256;

int available_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(CPU_COUNT(&set), 1) : 1;
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "CPU";
}

/// Every block begins with its size, in a prefix that keeps the alignment.
void* allocate_block(std::size_t bytes) {
  const std::size_t padded = (bytes + alignment - 1) / alignment * alignment + alignment;
  void* block = padded < bytes ? nullptr : std::aligned_alloc(alignment, padded);
  if (block == nullptr) {
    throw environment_error(fmt::format(
        "reference: {} bytes of memory are not there; use a smaller batch or preset", bytes));
  }
  std::memcpy(block, &bytes, sizeof bytes);
  return static_cast<std::byte*>(block) + alignment;
}

}  // namespace

Workspace::Workspace(Workspace&& other) noexcept
    : blocks_(std::move(other.blocks_)), used_(other.used_) {
  other.blocks_.clear();
  other.used_ = 0;
}

Workspace::~Workspace() {
  for (const Block& block : blocks_) std::free(block.memory);
}

void Workspace::reset() {
  used_ = 0;
  if (blocks_.size() < 2) return;
  // Next time one block holds all that was taken.
  const std::size_t total = bytes();
  for (const Block& block : blocks_) std::free(block.memory);
  blocks_.clear();
  add_block(total);
}

void Workspace::add_block(std::size_t bytes) {
  blocks_.reserve(blocks_.size() + 1);
  void* memory = std::aligned_alloc(alignment, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  blocks_.push_back({memory, bytes});
}

std::size_t Workspace::bytes() const {
  std::size_t total = 0;
  for (const Block& block : blocks_) total += block.bytes;
  return total;
}

void* Workspace::take_bytes(std::size_t bytes) {
  const std::size_t padded = (bytes + 63) / 64 * 64;
  if (blocks_.empty() || used_ + padded > blocks_.back().bytes) {
    const std::size_t size = std::max<std::size_t>((padded + alignment - 1) / alignment * alignment, 4096);
    add_block(size);
    used_ = 0;
  }
  void* memory = static_cast<std::byte*>(blocks_.back().memory) + used_;
  used_ += padded;
  return memory;
}

ReferenceTier::ReferenceTier(int threads)
    : pool_(threads > 0 ? threads : available_processors()) {
  workspaces_.resize(static_cast<std::size_t>(pool_.threads()));
}

ReferenceTier::~ReferenceTier() = default;

std::string ReferenceTier::device() const {
  return fmt::format("{}, {} thread{}", processor_name(), pool_.threads(),
                     pool_.threads() == 1 ? "" : "s");
}

void* ReferenceTier::allocate(std::size_t bytes) {
  void* memory = allocate_block(bytes);
  allocated_ += bytes;
  peak_ = std::max(peak_, allocated_);
  return memory;
}

void ReferenceTier::deallocate(void* memory) noexcept {
  if (memory == nullptr) return;
  void* block = static_cast<std::byte*>(memory) - alignment;
  std::size_t bytes = 0;
  std::memcpy(&bytes, block, sizeof bytes);
  allocated_ -= bytes;
  std::free(block);
}

std::size_t ReferenceTier::allocated_bytes() const {
  std::size_t total = allocated_ + between_loops_.bytes();
  for (const Workspace& workspace : workspaces_) total += workspace.bytes();
  return total;
}

std::size_t ReferenceTier::peak_bytes() const {
  return std::max(peak_ + (allocated_bytes() - allocated_), allocated_bytes());
}

void ReferenceTier::upload(const Tensor& to, const void* source) {
  if (to.bytes() > 0) std::memcpy(to.data, source, to.bytes());
}

void ReferenceTier::download(void* to, const ConstTensor& from) {
  if (from.bytes() > 0) std::memcpy(to, from.data, from.bytes());
}

void ReferenceTier::zero(const Tensor& tensor) {
  if (tensor.bytes() > 0) std::memset(tensor.data, 0, tensor.bytes());
}

void ReferenceTier::copy(const Tensor& to, const ConstTensor& from) {
  if (to.dtype != from.dtype || to.count() != from.count()) {
    throw usage_error(fmt::format("copy: from {} {} to {} {}; wanted equal dtypes and counts",
                                  name_of(from.dtype), from.shape.str(), name_of(to.dtype),
                                  to.shape.str()));
  }
  if (to.bytes() > 0) std::memmove(to.data, from.data, to.bytes());
}

FaultReport ReferenceTier::take_fault() { return std::exchange(fault_, {}); }

}  // namespace triptych::reference

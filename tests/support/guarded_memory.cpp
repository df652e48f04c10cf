#include "support/guarded_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace triptych::testing {
namespace {

constexpr std::size_t band = 512;  // keeps the 256-byte alignment of Tier::allocate

/// The first of bytes begin … end-1 that differs; end if none does.
std::size_t first_difference(const std::vector<std::byte>& a, const std::vector<std::byte>& b,
                             std::size_t begin, std::size_t end) {
  while (begin < end && a[begin] == b[begin]) ++begin;
  return begin;
}

}  // namespace

GuardedMemory::~GuardedMemory() {
  for (const Block& block : blocks_) tier_.deallocate(block.base);
}

Tensor GuardedMemory::input(const std::string& name, const HostTensor& values) {
  if (values.absent()) return {};
  return place(name, values.dtype(), values.shape(), values.bytes().data(), true);
}

Tensor GuardedMemory::output(const std::string& name, DType dtype, Shape shape) {
  return place(name, dtype, shape, nullptr, false);
}

Tensor GuardedMemory::update(const std::string& name, const HostTensor& values) {
  return place(name, values.dtype(), values.shape(), values.bytes().data(), false);
}

Tensor GuardedMemory::place(const std::string& name, DType dtype, Shape shape,
                            const std::byte* contents, bool read_only) {
  Block block{name, nullptr, {}, static_cast<std::size_t>(shape.count()) * size_of(dtype), read_only};
  block.all.assign(block.bytes + 2 * band, poison);
  if (contents != nullptr && block.bytes > 0) {
    std::memcpy(block.all.data() + band, contents, block.bytes);
  }
  block.base = static_cast<std::byte*>(tier_.allocate(block.all.size()));
  const auto whole = static_cast<std::int64_t>(block.all.size());
  tier_.upload({block.base, DType::e4m3, {whole}}, block.all.data());
  blocks_.push_back(block);
  return {block.base + band, dtype, shape};
}

HostTensor GuardedMemory::read(const ConstTensor& tensor) const {
  std::vector<std::byte> bytes(tensor.bytes());
  tier_.download(bytes.data(), tensor);
  return HostTensor::from_bytes(tensor.dtype, tensor.shape, std::move(bytes));
}

std::string GuardedMemory::damage() const {
  std::string lines;
  for (const Block& block : blocks_) {
    std::vector<std::byte> now(block.all.size());
    tier_.download(now.data(), {block.base, DType::e4m3, {static_cast<std::int64_t>(now.size())}});
    const std::size_t end = band + block.bytes;
    const std::size_t before = first_difference(now, block.all, 0, band);
    if (before < band) {
      lines += fmt::format("written {} bytes before {}\n", band - before, block.name);
    }
    const std::size_t after = first_difference(now, block.all, end, now.size());
    if (after < now.size()) {
      lines += fmt::format("written {} bytes past the end of {}\n", after - end, block.name);
    }
    const std::size_t inside = first_difference(now, block.all, band, end);
    if (block.read_only && inside < end) {
      lines += fmt::format("the input {} was changed at byte {}\n", block.name, inside - band);
    }
  }
  return lines;
}

bool untouched(const HostTensor& tensor) {
  return std::all_of(tensor.bytes().begin(), tensor.bytes().end(),
                     [](std::byte b) { return b == poison; });
}

}  // namespace triptych::testing

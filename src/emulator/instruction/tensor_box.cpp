#include "emulator/instruction/tensor_box.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "emulator/instruction/swizzle.h"
#include "emulator/machine/fault.h"

namespace triptych::emulator {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw KernelFault{FaultKind::protocol, "tensor copy: " + why}; }

/// Bytes of one element that is out of bounds.
std::uint64_t fill_of(const TensorMap& map) {
  if (!map.nan_fill) return 0;
  switch (map.element_bytes()) {
    case 2: return 0x7FFF;
    case 4: return 0x7FFFFFFF;
    default: return 0x7FFFFFFFFFFFFFFF;
  }
}

}  // namespace

TensorBox::TensorBox(const TensorMap& map, const std::array<std::int32_t, 5>& start)
    : map_(map), row_bytes_(map.box[0] * map.element_bytes()) {
  if (map.interleave != 0) refuse("interleaved layouts are not executed");
  if (map.im2col) refuse("the map is for im2col, the instruction for tiles");
  if (row_bytes_ % 16 != 0) refuse("a box row of " + std::to_string(row_bytes_) + " bytes; wanted a multiple of 16");
  if (map.swizzle != 0 && row_bytes_ != map.swizzle_bytes()) {
    refuse("a box row of " + std::to_string(row_bytes_) + " bytes with a swizzle of " + std::to_string(map.swizzle_bytes()) +
           ": what hardware does with shorter rows is not known; make them equal");
  }
  find_rows(start);
}

void TensorBox::find_rows(const std::array<std::int32_t, 5>& start) {
  std::array<std::uint32_t, 5> count{1, 1, 1, 1, 1}, at{};
  for (std::size_t d = 1; d < map_.rank; ++d) count[d] = (map_.box[d] + map_.step[d] - 1) / map_.step[d];
  const auto e = map_.element_bytes();
  const std::int64_t first = std::max<std::int64_t>(0, -std::int64_t{start[0]});
  const std::int64_t last = std::min<std::int64_t>(map_.box[0], static_cast<std::int64_t>(map_.extent[0]) - start[0]);
  begin_ = ~std::uint64_t{0};
  rows_.resize(std::size_t{count[1]} * count[2] * count[3] * count[4]);
  for (BoxRow& row : rows_) {
    bool inside = first < last;
    std::uint64_t global = map_.address;
    for (std::size_t d = 1; d < map_.rank; ++d) {
      const std::int64_t place = std::int64_t{start[d]} + std::int64_t{at[d]} * map_.step[d];
      inside = inside && place >= 0 && place < static_cast<std::int64_t>(map_.extent[d]);
      global += static_cast<std::uint64_t>(place) * map_.stride[d];
    }
    if (inside) {
      row = {global + static_cast<std::uint64_t>(start[0] + first) * e, static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(last)};
      begin_ = std::min(begin_, row.global);
      end_ = std::max(end_, row.global + (row.last - row.first) * e);
    }
    for (std::size_t d = 1; d < 5 && ++at[d] == count[d]; ++d) at[d] = 0;
  }
  if (end_ == 0) begin_ = 0;
}

template <class F>
void TensorBox::each_piece(std::uint32_t at, F&& f) const {
  if (map_.swizzle == 0) return f(0u, 0u, static_cast<std::uint32_t>(bytes()));
  for (std::uint32_t offset = 0; offset < bytes(); offset += 16) f(offset, swizzled(at + offset, map_.swizzle_bytes()) - at, 16u);
}

void TensorBox::load(std::uint8_t* shared, std::uint32_t at) const {
  std::vector<std::uint8_t> box(bytes());
  const std::uint32_t e = map_.element_bytes();
  if (const std::uint64_t fill = fill_of(map_); fill != 0) {
    for (std::size_t b = 0; b < box.size(); b += e) std::memcpy(&box[b], &fill, e);
  }
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    const BoxRow& row = rows_[r];
    if (row.first == row.last) continue;  // outside the tensor
    std::memcpy(box.data() + r * row_bytes_ + row.first * e, reinterpret_cast<const void*>(row.global), (row.last - row.first) * e);
  }
  each_piece(at, [&](std::uint32_t from, std::uint32_t to, std::uint32_t count) { std::memcpy(shared + to, box.data() + from, count); });
}

std::vector<std::uint8_t> TensorBox::gather(const std::uint8_t* shared, std::uint32_t at) const {
  std::vector<std::uint8_t> box(bytes());
  each_piece(at, [&](std::uint32_t to, std::uint32_t from, std::uint32_t count) { std::memcpy(box.data() + to, shared + from, count); });
  return box;
}

void TensorBox::store(const std::vector<std::uint8_t>& box, Reduction reduce) const {
  const std::uint32_t e = map_.element_bytes();
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    const BoxRow& row = rows_[r];
    if (row.first == row.last) continue;  // outside the tensor
    const std::uint8_t* from = box.data() + r * row_bytes_ + row.first * e;
    auto* to = reinterpret_cast<std::uint8_t*>(row.global);
    if (reduce == nullptr) {
      std::memcpy(to, from, (row.last - row.first) * e);
    } else {
      for (std::uint32_t i = 0; i < row.last - row.first; ++i) reduce(to + i * e, from + i * e);
    }
  }
}

}  // namespace triptych::emulator

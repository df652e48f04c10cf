#include "emulator/instruction/tensor_box.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "emulator/instruction/swizzle.h"
#include "emulator/machine/fault.h"

namespace triptych::emulator {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw KernelFault{FaultKind::protocol, "tensor copy: " + why}; }

/// Bytes of a row in shared memory.
std::uint32_t row_of(const TensorMap& map) {
  return map.interleave != 0 ? map.unit_bytes() : (map.im2col ? map.channels : map.box[0]) * map.element_bytes();
}

}  // namespace

TensorBox::TensorBox(const TensorMap& map, const Coordinates& start, const Offsets* offsets)
    : map_(map), row_bytes_(row_of(map)), begin_(~std::uint64_t{0}) {
  if (map.im2col != (offsets != nullptr)) {
    refuse(map.im2col ? "the map is for im2col, the instruction for tiles" : "the map is for tiles, the instruction for im2col");
  }
  if (map.im2col && map.interleave != 0) refuse("im2col of interleaved tensors is not executed");
  if (row_bytes_ % 16 != 0) refuse("a box row of " + std::to_string(row_bytes_) + " bytes; wanted a multiple of 16");
  if (map.swizzle != 0 && row_bytes_ != map.swizzle_bytes()) {
    refuse("a box row of " + std::to_string(row_bytes_) + " bytes with a swizzle of " + std::to_string(map.swizzle_bytes()) +
           ": what hardware does with shorter rows is not known; make them equal");
  }
  if (offsets == nullptr) {
    find_tile(start);
  } else {
    find_pixels(start, *offsets);
  }
  if (end_ == 0) begin_ = 0;
}

void TensorBox::add_row(const std::array<std::int64_t, 5>& place) {
  const std::uint32_t e = map_.element_bytes();
  const bool slice = map_.interleave != 0;   // within which nothing is out of bounds
  const std::int64_t start = slice ? 0 : place[0], count = row_bytes_ / e;
  const std::int64_t first = std::max<std::int64_t>(0, -start);
  const std::int64_t last = slice ? count : std::min<std::int64_t>(count, static_cast<std::int64_t>(map_.extent[0]) - start);
  bool inside = first < last;
  std::uint64_t global = map_.address;
  for (std::size_t d = slice ? 0 : 1; d < map_.rank; ++d) {
    inside = inside && place[d] >= 0 && place[d] < static_cast<std::int64_t>(map_.extent[d]);
    global += static_cast<std::uint64_t>(place[d]) * (d == 0 ? map_.unit_bytes() : map_.stride[d]);
  }
  BoxRow& row = rows_.emplace_back();
  if (!inside) return;
  row = {global + static_cast<std::uint64_t>(start + first) * e, static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(last)};
  begin_ = std::min(begin_, row.global);
  end_ = std::max(end_, row.global + (row.last - row.first) * e);
}

void TensorBox::find_tile(const Coordinates& start) {
  const std::size_t outer = map_.interleave != 0 ? 0 : 1;   // the first dimension that counts rows
  std::array<std::uint32_t, 5> count{1, 1, 1, 1, 1}, at{};
  for (std::size_t d = outer; d < map_.rank; ++d) count[d] = (map_.box[d] + map_.step[d] - 1) / map_.step[d];
  const std::size_t rows = std::size_t{count[0]} * count[1] * count[2] * count[3] * count[4];
  rows_.reserve(rows);
  while (rows_.size() < rows) {
    std::array<std::int64_t, 5> place{};
    for (std::size_t d = 0; d < map_.rank; ++d) place[d] = std::int64_t{start[d]} + std::int64_t{at[d]} * map_.step[d];
    add_row(place);
    for (std::size_t d = outer; d < 5 && ++at[d] == count[d]; ++d) at[d] = 0;
  }
}

void TensorBox::find_pixels(const Coordinates& start, const Offsets& offsets) {
  const std::size_t spatial = map_.rank - 2u, image = map_.rank - 1u;   // W, H, D are the dimensions 1 … spatial
  std::array<std::int64_t, 5> at{};
  for (std::size_t d = 0; d < map_.rank; ++d) at[d] = start[d];
  for (std::size_t d = 0; d < spatial; ++d) {
    if (offsets[d] >> 16 / spatial != 0) {
      refuse("an im2col offset of " + std::to_string(offsets[d]) + " in a tensor of rank " + std::to_string(map_.rank) + ": it has " +
             std::to_string(16 / spatial) + " bits");
    }
  }
  rows_.reserve(map_.pixels);
  while (rows_.size() < map_.pixels) {
    std::array<std::int64_t, 5> place = at;
    for (std::size_t d = 1; d <= spatial; ++d) place[d] += offsets[d - 1];
    add_row(place);
    // The next pixel of the bounding box; after its last one the next image's first.
    std::size_t d = 1;
    for (; d <= spatial; ++d) {
      at[d] += map_.step[d];
      if (at[d] < static_cast<std::int64_t>(map_.extent[d]) + map_.upper[d - 1]) break;
      at[d] = map_.lower[d - 1];
    }
    if (d > spatial) ++at[image];
  }
}

template <class F>
void TensorBox::each_piece(std::uint32_t at, F&& f) const {
  if (map_.swizzle == 0) return f(0u, 0u, static_cast<std::uint32_t>(bytes()));
  for (std::uint32_t offset = 0; offset < bytes(); offset += 16) f(offset, swizzled(at + offset, map_.swizzle_bytes()) - at, 16u);
}

void TensorBox::load(std::uint8_t* shared, std::uint32_t at) const {
  std::vector<std::uint8_t> box(bytes());
  const std::uint32_t e = map_.element_bytes();
  for (std::size_t b = 0; b < box.size() && map_.nan_fill; b += 2) std::memcpy(&box[b], &out_of_bounds_nan, 2);
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

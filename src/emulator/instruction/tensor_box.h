/// \file
/// A box of a tensor: where its rows lie in global memory and in shared memory, as a tensor copy moves them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "emulator/instruction/reduction.h"
#include "emulator/machine/tensor_map.h"

namespace triptych::emulator {

/// The innermost line of a box, of an interleaved one a slice. Elements first … last - 1 of it lie in the tensor, from
/// `global` on.
struct BoxRow {
  std::uint64_t global = 0;
  std::uint32_t first = 0, last = 0;
};

/// What a copy moves: in tile mode a box, in im2col mode some channels of pixels that follow each other in the
/// map's bounding box. In shared memory it is dense, dimension 0 fastest, then swizzled.
class TensorBox {
 public:
  using Coordinates = std::array<std::int32_t, 5>;
  /// Of im2col: what is added to the pixels' places along W, H, D after these were found in the bounding box.
  using Offsets = std::array<std::uint16_t, 3>;

  /// Coordinates innermost first; they may lie outside. Without offsets it is tile mode. Throws KernelFault for
  /// what this device does not execute, or whose result is not known.
  TensorBox(const TensorMap& map, const Coordinates& start, const Offsets* offsets = nullptr);

  std::uint64_t bytes() const { return rows_.size() * row_bytes_; }
  const std::vector<BoxRow>& rows() const { return rows_; }
  const TensorMap& map() const { return map_; }
  /// The range of global memory that holds all of the box that lies in the tensor; empty if nothing does.
  std::uint64_t global_begin() const { return begin_; }
  std::uint64_t global_bytes() const { return end_ - begin_; }
  /// What the address of the box in shared memory has to be a multiple of.
  std::uint32_t alignment() const { return map_.swizzle == 0 ? 128 : 8 * map_.swizzle_bytes(); }

  /// Copies the box from global memory to `shared`, the host's place of shared address `at`. What lies out
  /// of bounds becomes zero or NaN.
  void load(std::uint8_t* shared, std::uint32_t at) const;
  /// Takes the box from shared memory in its order, without the swizzle.
  std::vector<std::uint8_t> gather(const std::uint8_t* shared, std::uint32_t at) const;
  /// Writes it to global memory, or reduces into it; what lies out of bounds is dropped.
  void store(const std::vector<std::uint8_t>& box, Reduction reduce) const;

 private:
  void find_tile(const Coordinates& start);
  void find_pixels(const Coordinates& start, const Offsets& offsets);
  /// The row that begins at a place.
  void add_row(const std::array<std::int64_t, 5>& place);
  /// Calls f(offset of the row in the box, physical offset from `at`, bytes) for pieces that stay together.
  template <class F>
  void each_piece(std::uint32_t at, F&& f) const;

  TensorMap map_;
  std::uint32_t row_bytes_;
  std::vector<BoxRow> rows_;
  std::uint64_t begin_ = 0, end_ = 0;
};

}  // namespace triptych::emulator

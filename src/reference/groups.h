/// \file
/// Rows in groups, cut into tiles: how the grouped products share out their work.
#pragma once

#include "reference/numeric.h"
#include "triptych/tensor.h"

namespace triptych::reference {

/// Which rows belong to which group; without offsets, one group of all rows.
class Groups {
 public:
  Groups(const ConstTensor& offsets, std::int64_t count, std::int64_t rows)
      : offsets_(offsets.absent() ? nullptr : offsets.as<std::int32_t>()), count_(count), rows_(rows) {}
  /// Group e's first row, and one past its last.
  std::int64_t begin(std::int64_t e) const { return offsets_ ? offsets_[e] : 0; }
  std::int64_t end(std::int64_t e) const { return offsets_ ? offsets_[e + 1] : rows_; }
  std::int64_t count() const { return count_; }
  /// Tiles of `tile` rows in all groups.
  std::int64_t tile_count(std::int64_t tile) const {
    std::int64_t total = 0;
    for (std::int64_t e = 0; e < count_; ++e) total += tiles(end(e) - begin(e), tile);
    return total;
  }
  /// The i-th of them: its group, first and one past its last row.
  struct Tile {
    std::int64_t group, begin, end;
  };
  Tile tile_at(std::int64_t i, std::int64_t tile) const {
    std::int64_t e = 0;
    for (; i >= tiles(end(e) - begin(e), tile); ++e) i -= tiles(end(e) - begin(e), tile);
    // A group's tiles are equally high, so that no task packs a weight for a handful of rows.
    const std::int64_t rows = end(e) - begin(e), count = tiles(rows, tile);
    return {e, begin(e) + rows * i / count, begin(e) + rows * (i + 1) / count};
  }

 private:
  const std::int32_t* offsets_;
  std::int64_t count_, rows_;
};

}  // namespace triptych::reference

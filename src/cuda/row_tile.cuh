// Which rows a thread block works on, found on the device: routing decides the groups' sizes.
#pragma once

namespace triptych::cuda {

constexpr int tile = 128;  // rows and columns of a block's result

/// Rows begin … end-1 of a group. A tile takes the first 128 of them.
struct Rows {
  int group, begin, end;
};

/// Group e's rows; without offsets, one group of all rows.
__device__ inline Rows group_rows(int e, const int* offsets, int rows) {
  return offsets ? Rows{e, offsets[e], offsets[e + 1]} : Rows{e, 0, rows};
}

/// The index-th tile of all groups' rows, in the groups' order; no rows past the last one. Every warp
/// of the block computes it for itself: 32 groups at a time, by a prefix sum of their tiles.
__device__ inline Rows find_row_tile(int index, const int* offsets, int groups, int rows) {
  constexpr unsigned all = 0xFFFFFFFF;
  const int lane = threadIdx.x % 32;
  for (int first = 0; first < groups; first += 32) {
    const Rows own = first + lane < groups ? group_rows(first + lane, offsets, rows) : Rows{0, 0, 0};
    const int tiles = (own.end - own.begin + tile - 1) / tile;
    int sum = tiles;  // of this group and those before it, from `first` on
    for (int apart = 1; apart < 32; apart *= 2) {
      const int before = __shfl_up_sync(all, sum, apart);
      if (lane >= apart) sum += before;
    }
    if (const unsigned holders = __ballot_sync(all, index < sum)) {
      const int holder = __ffs(holders) - 1;
      const int begin = own.begin + (index - (sum - tiles)) * tile;
      return {first + holder, __shfl_sync(all, begin, holder), __shfl_sync(all, own.end, holder)};
    }
    index -= __shfl_sync(all, sum, 31);
  }
  return {0, 0, 0};
}

}  // namespace triptych::cuda

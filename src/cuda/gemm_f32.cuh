// The product of f32 matrices with FMA: no tensor core multiplies f32 without rounding it first.
//
// A step of 16 of K lies in shared memory as [k][mn], 132 floats apart, so that a thread reads four
// neighbours of MN at once. Elements are copied one by one (4 bytes are always aligned), in the order
// in which they lie in memory. A thread holds 8×8 sums: rows 4·(t/16) … +3 of each half of the tile,
// columns 4·(t%16) … +3 of each half.
#pragma once

#include "cuda/tile.cuh"

namespace triptych::cuda::f32 {

constexpr int step_k = 16;
constexpr int pitch = tile + 4;
constexpr int operand_floats = step_k * pitch;

using Sums = float[8][8];

/// 128 of MN from `data` on, of which `count` are there.
template <bool k_major>
struct Operand {
  const float* data;
  int pitch;  // elements between neighbours of MN (K-major) or of K (MN-major)
  int count;
};

/// Rows first + begin … of a matrix whose rows are K.
__device__ inline Operand<true> k_major(const float* tensor, long long first, int depth, int begin,
                                        int rows) {
  return {tensor + (first + begin) * depth, depth, rows - begin};
}

/// Columns begin … of a matrix whose columns are K, row `first` on.
__device__ inline Operand<false> mn_major(const float* tensor, long long first, int columns,
                                          int begin) {
  return {tensor + first * columns + begin, columns, columns - begin};
}

template <bool k_is_row>
__device__ void load(float* to, const Operand<k_is_row>& from, int k0, int depth) {
  for (int i = threadIdx.x; i < tile * step_k; i += block) {
    const int mn = k_is_row ? i / step_k : i % tile, k = k_is_row ? i % step_k : i / tile;
    const bool there = mn < from.count && k0 + k < depth;
    const long long at = k_is_row ? 1LL * mn * from.pitch + k0 + k : 1LL * (k0 + k) * from.pitch + mn;
    copy_async<4>(shared_address(to + k * pitch + mn), from.data + (there ? at : 0), there ? 4 : 0);
  }
}

/// sums = A · B over `depth` of K, each element one FMA after the other.
template <bool a_k_major, bool b_k_major>
__device__ void product(Sums& sums, const Operand<a_k_major>& a, const Operand<b_k_major>& b,
                        int depth, unsigned char* shared) {
  float* const base = reinterpret_cast<float*>(shared);
  const int row = threadIdx.x / 16 * 4, column = threadIdx.x % 16 * 4;
  const auto begin_copies = [&](int stage, int step) {
    float* to = base + stage * 2 * operand_floats;
    load(to, a, step * step_k, depth);
    load(to + operand_floats, b, step * step_k, depth);
  };
  const auto use = [&](int stage, int) {
    const float* from_a = base + stage * 2 * operand_floats;
    const float* from_b = from_a + operand_floats;
#pragma unroll
    for (int k = 0; k < step_k; ++k) {
      float4 x[2], y[2];
      for (int half = 0; half < 2; ++half) {
        x[half] = *reinterpret_cast<const float4*>(from_a + k * pitch + row + 64 * half);
        y[half] = *reinterpret_cast<const float4*>(from_b + k * pitch + column + 64 * half);
      }
      const float xs[8] = {x[0].x, x[0].y, x[0].z, x[0].w, x[1].x, x[1].y, x[1].z, x[1].w};
      const float ys[8] = {y[0].x, y[0].y, y[0].z, y[0].w, y[1].x, y[1].y, y[1].z, y[1].w};
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        for (int j = 0; j < 8; ++j) sums[i][j] = fmaf(xs[i], ys[j], sums[i][j]);
      }
    }
  };
  for_each_step((depth + step_k - 1) / step_k, begin_copies, use);
}

/// Rows 0 … 127 at `to`, of which `rows` are there, columns column0 … of `columns`: = or += sums.
__device__ inline void store_sums(float* to, int rows, int column0, int columns, const Sums& sums,
                                  bool accumulate) {
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int row = threadIdx.x / 16 * 4 + i % 4 + i / 4 * 64;
    if (row >= rows) continue;
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      const int column = column0 + threadIdx.x % 16 * 4 + j % 4 + j / 4 * 64;
      if (column >= columns) continue;
      float& element = to[1LL * row * columns + column];
      element = accumulate ? element + sums[i][j] : sums[i][j];
    }
  }
}

}  // namespace triptych::cuda::f32

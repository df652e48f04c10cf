// Tiles of matrices on their way through shared memory, in three stages.
//
// An operand is K-major where the product's inner dimension runs along its rows in memory (x and w in
// y = x·wᵀ), else MN-major (both operands of dw = dyᵀ·x). A tile is 128 of MN by 64 bytes of K:
//
//   K-major    128 rows of  64 bytes, 80 bytes apart
//   MN-major    32 rows of 256 bytes, 272 bytes apart (16-bit elements only)
//
// The distances are odd multiples of 16 bytes: the eight rows of a matrix that ldmatrix reads lie in
// different banks.
#pragma once

#include "cuda/mma.cuh"
#include "cuda/row_tile.cuh"

namespace triptych::cuda {

constexpr int block = 256;  // threads
constexpr int stages = 3;
constexpr int piece = 16;       // bytes of one copy
constexpr int tile_k_bytes = 64;

template <bool k_major>
constexpr int tile_rows = k_major ? tile : 32;
template <bool k_major>
constexpr int tile_row_bytes = k_major ? tile_k_bytes : 256;
template <bool k_major>
constexpr int tile_pitch = tile_row_bytes<k_major> + piece;

/// Room for either kind.
constexpr int operand_bytes = tile * tile_pitch<true>;
constexpr int stage_bytes = 2 * operand_bytes;

/// A dense matrix; `whole` if its rows can be copied in 16-byte pieces.
template <class T>
struct Matrix {
  const T* data;
  int rows, columns;
  bool whole;

  __device__ Matrix(const T* tensor, long long first, int row_count, int column_count)
      : data(tensor + first), rows(row_count), columns(column_count) {
    whole = reinterpret_cast<unsigned long long>(tensor) % piece == 0 &&
            column_count * sizeof(T) % piece == 0;
  }
};

/// Begins the copy of the tile whose first element is (row, column); what lies outside the matrix is
/// zero. Rows that are not whole are copied element by element, at once.
template <bool k_major, class T>
__device__ void load_tile(unsigned char* to, const Matrix<T>& from, int row, int column) {
  constexpr unsigned elements = piece / sizeof(T), pieces = tile_row_bytes<k_major> / piece;
#pragma unroll
  for (unsigned i = 0; i < tile_rows<k_major> * pieces / block; ++i) {
    const unsigned p = threadIdx.x + i * block;
    const int r = row + p / pieces, c = column + p % pieces * elements;
    unsigned char* const at = to + p / pieces * tile_pitch<k_major> + p % pieces * piece;
    const int there = r < from.rows ? min(max(from.columns - c, 0), static_cast<int>(elements)) : 0;
    const T* const source = from.data + (there > 0 ? 1LL * r * from.columns + c : 0);
    if (from.whole) {
      copy_async<piece>(shared_address(at), source, there * static_cast<int>(sizeof(T)));
    } else {
#pragma unroll 1
      for (int e = 0; e < static_cast<int>(elements); ++e) {
        reinterpret_cast<T*>(at)[e] = e < there ? source[e] : T(0.0f);
      }
    }
  }
}

/// The inner loop of every product: `steps` tiles of K, two of them under way while one is used.
/// load(stage, step) begins both operands' copies, use(stage, step) multiplies.
template <class Load, class Use>
__device__ void for_each_step(int steps, const Load& load, const Use& use) {
  constexpr int ahead = stages - 1;
  for (int step = -ahead; step < steps; ++step) {
    if (step >= 0) {
      // This step's copies are there for all threads, and all are done with the stage that is
      // overwritten next.
      wait_copies<ahead - 1>();
      __syncthreads();
    }
    if (step + ahead < steps) load((step + ahead) % stages, step + ahead);
    commit_copies();
    if (step >= 0) use(step % stages, step);
  }
}

/// Where the eight warps' results lie in a block's 128×128, and a lane's elements in its warp's 64×32:
/// element i of sum[m][n] is at row(m, i), column(n, i).
struct WarpTile {
  int row0, column0, lane;

  __device__ WarpTile()
      : row0(threadIdx.x / 128 * 64), column0(threadIdx.x / 32 % 4 * 32), lane(threadIdx.x % 32) {}
  __device__ int row(int m, int i) const { return row0 + 16 * m + lane / 4 + i / 2 * 8; }
  __device__ int column(int n, int i) const { return column0 + 8 * n + lane % 4 * 2 + i % 2; }
};

using Sums = float[4][4][4];

/// Operand A's 16×32 bytes m of the warp's rows, K bytes k0 … k0 + 31.
template <bool k_major>
__device__ void load_a(unsigned (&a)[4], unsigned from, const WarpTile& warp, int m, int k0) {
  const int mn = warp.row0 + 16 * m, low = warp.lane % 16, high = warp.lane / 16;
  if constexpr (k_major) {
    load_matrices<false>(a, from + (mn + low) * tile_pitch<true> + k0 + 16 * high);
  } else {
    const int k = k0 / 2 + warp.lane % 8 + 8 * high;
    load_matrices<true>(a, from + k * tile_pitch<false> + (mn + 8 * (low / 8)) * 2);
  }
}

/// Operand B's 16 columns n, n + 1 of the warp's: b[0], b[1] of the first 8, b[2], b[3] of the second.
template <bool k_major>
__device__ void load_b(unsigned (&b)[4], unsigned from, const WarpTile& warp, int n, int k0) {
  const int mn = warp.column0 + 8 * n, low = warp.lane % 16, high = warp.lane / 16;
  if constexpr (k_major) {
    const int row = mn + warp.lane % 8 + 8 * high;
    load_matrices<false>(b, from + row * tile_pitch<true> + k0 + 16 * (low / 8));
  } else {
    load_matrices<true>(b, from + (k0 / 2 + low) * tile_pitch<false> + (mn + 8 * high) * 2);
  }
}

/// Two neighbours of a row of f32, or of bf16 rounded.
__device__ inline float2 pair_of(const float*, float first, float second) { return {first, second}; }
__device__ inline __nv_bfloat162 pair_of(const __nv_bfloat16*, float first, float second) {
  return __floats2bfloat162_rn(first, second);
}

/// Rows 0 … 127 at `to`, of which `rows` are there, columns column0 … of `columns`: = sums rounded, or
/// += sums.
template <class T>
__device__ void store_sums(T* to, int rows, int column0, int columns, const Sums& sums,
                           bool accumulate) {
  using Pair = decltype(pair_of(to, 0, 0));
  const WarpTile warp;
  const bool pairs =
      columns % 2 == 0 && reinterpret_cast<unsigned long long>(to) % sizeof(Pair) == 0;
#pragma unroll
  for (int m = 0; m < 4; ++m) {
#pragma unroll
    for (int i = 0; i < 4; i += 2) {
      const int row = warp.row(m, i);
      if (row >= rows) continue;
#pragma unroll
      for (int n = 0; n < 4; ++n) {
        const int column = column0 + warp.column(n, i);
        T* const at = to + 1LL * row * columns + column;
        float first = sums[m][n][i], second = sums[m][n][i + 1];
        if (accumulate) {
          if (column < columns) first += static_cast<float>(at[0]);
          if (column + 1 < columns) second += static_cast<float>(at[1]);
        }
        const Pair pair = pair_of(to, first, second);
        if (pairs) {
          if (column < columns) *reinterpret_cast<Pair*>(at) = pair;
        } else {
          if (column < columns) at[0] = pair.x;
          if (column + 1 < columns) at[1] = pair.y;
        }
      }
    }
  }
}

}  // namespace triptych::cuda

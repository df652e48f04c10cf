// ----------------------------------------------------------------------------
// grouped_gemm_forward   y[r,n]    = Σ_k x[r,k] · w[e(r),n,k]
// grouped_gemm_dgrad     dx[r,k]   = Σ_n dy[r,n] · w[e(r),n,k]
// grouped_gemm_wgrad     dw[e,n,k] = Σ_{r in e} dy[r,n] · x[r,k]   (+ dw)
//
//   x, dx    [R,K]   S    dx: S or f32
//   y, dy    [R,N]   S    y: S or f32
//   w        [E,N,K] S
//   dw       [E,N,K] f32
//   offsets  [E+1]   i32  group e owns rows offsets[e] … offsets[e+1]-1; null: one group
//
// Contract   include/triptych/grouped_gemm.h      Reference  src/reference/grouped_gemm.cpp
// Launch     forward, dgrad: grid = (tiles of rows at the worst, ⌈columns / 128⌉)
//            wgrad: grid = (⌈K / 128⌉, ⌈N / 128⌉, E)
//            block = 256, one 128×128 tile of the result; dynamic shared memory: 3 stages of both
//            operands' tiles, 61,440 bytes (f32: 50,688)
// Error      tolerance::grouped_gemm
// State      compiled by nvcc and ptxas 13.0; never run on hardware
//
// The inner dimension is taken in order, in steps of 32 (f32: 16); its ragged end is zero in both
// operands. So an element depends on its own row and column only. Nothing is known of the groups'
// sizes on the host: the grid holds a block for every tile that there could be, and those without
// rows leave.
// ----------------------------------------------------------------------------
#include "cuda/gemm_f32.cuh"
#include "cuda/numeric.cuh"
#include "cuda/tile.cuh"

namespace triptych::cuda {
namespace {

extern __shared__ __align__(128) unsigned char shared[];

/// sums = A · B over `depth` of K. Tiles begin at row a0 of A's MN and b0 of B's.
template <bool a_k_major, bool b_k_major>
__device__ void product(Sums& sums, const Matrix<bf16>& a, int a0, const Matrix<bf16>& b, int b0,
                        int depth) {
  constexpr int step_k = tile_k_bytes / sizeof(bf16);
  const unsigned base = shared_address(shared);
  const WarpTile warp;
  const auto load = [&](int stage, int step) {
    unsigned char* const to = shared + stage * stage_bytes;
    const int k = step * step_k;
    load_tile<a_k_major>(to, a, a_k_major ? a0 : k, a_k_major ? k : a0);
    load_tile<b_k_major>(to + operand_bytes, b, b_k_major ? b0 : k, b_k_major ? k : b0);
  };
  const auto use = [&](int stage, int) {
    const unsigned from = base + stage * stage_bytes;
#pragma unroll
    for (int k0 = 0; k0 < tile_k_bytes; k0 += 32) {
      unsigned fragment_b[2][4];
#pragma unroll
      for (int n = 0; n < 2; ++n) {
        load_b<b_k_major>(fragment_b[n], from + operand_bytes, warp, 2 * n, k0);
      }
#pragma unroll
      for (int m = 0; m < 4; ++m) {
        unsigned fragment_a[4];
        load_a<a_k_major>(fragment_a, from, warp, m, k0);
#pragma unroll
        for (int n = 0; n < 4; ++n) {
          multiply_bf16(sums[m][n], fragment_a, fragment_b[n / 2][n % 2 * 2],
                        fragment_b[n / 2][n % 2 * 2 + 1]);
        }
      }
    }
  };
  for_each_step((depth + step_k - 1) / step_k, load, use);
}

/// y = A · B(group) for one tile of rows; B's group is N×K (forward, K-major) or its transpose.
template <bool b_k_major>
__device__ void rows_product(const bf16* x, const bf16* w, const int* offsets, void* y, int E, int R,
                             int columns, int depth, int y_is_f32) {
  // 1. One tile of rows of a group and columns of its weight a block.
  const Rows rows = find_row_tile(blockIdx.x, offsets, E, R);
  const int count = rows.end - rows.begin, column0 = blockIdx.y * tile;
  if (count <= 0) return;
  const Matrix<bf16> a(x, 1LL * rows.begin * depth, count, depth);
  const Matrix<bf16> b(w, 1LL * rows.group * columns * depth, b_k_major ? columns : depth,
                       b_k_major ? depth : columns);
  // 2. y = x · wᵀ, or dx = dy · w: summed in f32, rounded once.
  Sums sums = {};
  product<true, b_k_major>(sums, a, 0, b, column0, depth);
  if (y_is_f32) {
    store_sums(static_cast<float*>(y) + 1LL * rows.begin * columns, count, column0, columns, sums,
               false);
  } else {
    store_sums(static_cast<bf16*>(y) + 1LL * rows.begin * columns, count, column0, columns, sums,
               false);
  }
}

__device__ void weight_gradient(const bf16* dy, const bf16* x, const int* offsets, float* dw, int R,
                                int N, int K, int accumulate) {
  // 1. One tile of a group's dw a block.
  const Rows rows = group_rows(blockIdx.z, offsets, R);
  const int n0 = blockIdx.y * tile, k0 = blockIdx.x * tile, count = rows.end - rows.begin;
  if (count <= 0 && accumulate) return;
  const Matrix<bf16> a(dy, 1LL * rows.begin * N, count, N), b(x, 1LL * rows.begin * K, count, K);
  // 2. dw += dyᵀ · x over the group's rows, in their order.
  Sums sums = {};
  product<false, false>(sums, a, n0, b, k0, count);
  store_sums(dw + (1LL * rows.group * N + n0) * K, N - n0, k0, K, sums, accumulate);
}

}  // namespace

extern "C" __global__ void __launch_bounds__(block)
    grouped_gemm_forward_bf16(const bf16* x, const bf16* w, const int* offsets, void* y, int E, int R,
                              int N, int K, int y_is_f32) {
  rows_product<true>(x, w, offsets, y, E, R, N, K, y_is_f32);
}

extern "C" __global__ void __launch_bounds__(block)
    grouped_gemm_dgrad_bf16(const bf16* dy, const bf16* w, const int* offsets, void* dx, int E, int R,
                            int N, int K, int dx_is_f32) {
  rows_product<false>(dy, w, offsets, dx, E, R, K, N, dx_is_f32);
}

extern "C" __global__ void __launch_bounds__(block)
    grouped_gemm_wgrad_bf16(const bf16* dy, const bf16* x, const int* offsets, float* dw, int E, int R,
                            int N, int K, int accumulate) {
  weight_gradient(dy, x, offsets, dw, R, N, K, accumulate);
}

// f32: the same parameters and steps, with FMA (gemm_f32.cuh).

extern "C" __global__ void __launch_bounds__(block)
    grouped_gemm_forward_f32(const float* x, const float* w, const int* offsets, float* y, int E,
                             int R, int N, int K, int) {
  // 1. One tile of rows of a group and columns of its weight a block.
  const Rows rows = find_row_tile(blockIdx.x, offsets, E, R);
  const int count = rows.end - rows.begin, n0 = blockIdx.y * tile;
  if (count <= 0) return;
  // 2. y = x · wᵀ, summed in f32.
  f32::Sums sums = {};
  f32::product(sums, f32::k_major(x, rows.begin, K, 0, count),
               f32::k_major(w, 1LL * rows.group * N, K, n0, N), K, shared);
  f32::store_sums(y + 1LL * rows.begin * N, count, n0, N, sums, false);
}

extern "C" __global__ void __launch_bounds__(block)
    grouped_gemm_dgrad_f32(const float* dy, const float* w, const int* offsets, float* dx, int E,
                           int R, int N, int K, int) {
  // 1. One tile of rows of a group and columns of dx a block.
  const Rows rows = find_row_tile(blockIdx.x, offsets, E, R);
  const int count = rows.end - rows.begin, k0 = blockIdx.y * tile;
  if (count <= 0) return;
  // 2. dx = dy · w, summed in f32.
  f32::Sums sums = {};
  f32::product(sums, f32::k_major(dy, rows.begin, N, 0, count),
               f32::mn_major(w, 1LL * rows.group * N, K, k0), N, shared);
  f32::store_sums(dx + 1LL * rows.begin * K, count, k0, K, sums, false);
}

extern "C" __global__ void __launch_bounds__(block)
    grouped_gemm_wgrad_f32(const float* dy, const float* x, const int* offsets, float* dw, int E,
                           int R, int N, int K, int accumulate) {
  // 1. One tile of a group's dw a block.
  const Rows rows = group_rows(blockIdx.z, offsets, R);
  const int n0 = blockIdx.y * tile, k0 = blockIdx.x * tile, count = rows.end - rows.begin;
  if (count <= 0 && accumulate) return;
  // 2. dw += dyᵀ · x over the group's rows, in their order.
  f32::Sums sums = {};
  f32::product(sums, f32::mn_major(dy, rows.begin, N, n0), f32::mn_major(x, rows.begin, K, k0), count,
               shared);
  f32::store_sums(dw + (1LL * rows.group * N + n0) * K, N - n0, k0, K, sums, accumulate);
}

}  // namespace triptych::cuda

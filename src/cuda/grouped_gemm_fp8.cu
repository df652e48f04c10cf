// ----------------------------------------------------------------------------
// grouped_gemm_fp8_forward   y[r,n]    = Σ_k x[r,k] · w[e(r),n,k]
// grouped_gemm_fp8_dgrad     dx[r,k]   = Σ_n dy[r,n] · w[e(r),n,k]
// grouped_gemm_fp8_wgrad     dw[e,n,k] = Σ_p dy[n,p] · x[k,p]   (+ dw)
//
//   x, dy    [R,K], [R,N]     e4m3  scale [R,K/128], [R,N/128]: one for each 1×128 tile
//   w, wT    [E,N,K], [E,K,N] e4m3  scale [E,⌈N/128⌉,⌈K/128⌉]: one for each 128×128 block
//   dy, x    [N,P], [K,P]     e4m3  wgrad's: scale [N,P/128], [K,P/128]
//   y, dx    [R,N], [R,K]     bf16 or f32
//   dw       [E,N,K]          f32
//   offsets  [E+1]            i32   null: one group; wgrad's are multiples of 128
//
// Contract   include/triptych/grouped_gemm.h      Reference  src/reference/grouped_gemm_fp8.cpp
// Launch     as grouped_gemm.cu; dynamic shared memory 61,440 bytes
// Error      tolerance::grouped_gemm (`promoted`; what `hopper` permits is not made use of)
// State      compiled by nvcc and ptxas 13.0; never run on hardware
//
// All three are C = A · Bᵀ of codes whose K lies along the rows. sm_80 multiplies no e4m3: a code
// becomes an f16, exactly, in integer arithmetic, on its way from shared memory to the tensor core.
// ----------------------------------------------------------------------------
#include "cuda/tile.cuh"

namespace triptych::cuda {
namespace {

using Code = unsigned char;

constexpr int scale_block = 128;                            // of K
constexpr int steps_a_block = scale_block / tile_k_bytes;   // steps of K with one scale

extern __shared__ __align__(128) unsigned char shared[];

/// Two f16 from the codes in bytes 1 and 3 of `codes` (bytes 0 and 2 are zero). The bits of a code,
/// one place to the right behind the sign, are an f16 of 2^-8 times its value, subnormal or not; the
/// NaN 0x7F, found by its carry, gets the largest exponent.
__device__ unsigned f16_pair(unsigned codes) {
  const unsigned magnitude = codes & 0x7F007F00;
  const unsigned nan = (magnitude + 0x01000100) & 0x80008000;
  const unsigned scaled = (codes & 0x80008000) | (magnitude >> 1);
  unsigned pair;
  asm("mul.f16x2 %0, %1, %2;" : "=r"(pair) : "r"(scaled), "r"(0x5C005C00));  // · 2^8
  return pair | (nan - (nan >> 5));
}

/// Four codes as f16: the first two and the last two. Which of the instruction's K they fill does not
/// matter as long as A and B agree.
__device__ void f16_pairs(unsigned codes, unsigned& first, unsigned& last) {
  first = f16_pair(__byte_perm(codes, 0, 0x1404));
  last = f16_pair(__byte_perm(codes, 0, 0x3424));
}

/// partial += A · B over one step: 64 of K.
__device__ void multiply_step(Sums& partial, const unsigned char* from, const WarpTile& warp) {
#pragma unroll
  for (int k0 = 0; k0 < tile_k_bytes; k0 += 32) {
    unsigned b[4][4];  // columns n; [0], [1]: the first 16 of K, [2], [3]: the second
#pragma unroll
    for (int n = 0; n < 4; n += 2) {
      unsigned codes[4];
      load_b<true>(codes, shared_address(from + operand_bytes), warp, n, k0);
#pragma unroll
      for (int i = 0; i < 4; ++i) f16_pairs(codes[i], b[n + i / 2][i % 2 * 2], b[n + i / 2][i % 2 * 2 + 1]);
    }
#pragma unroll
    for (int m = 0; m < 4; ++m) {
      unsigned codes[4], a[2][4];
      load_a<true>(codes, shared_address(from), warp, m, k0);
#pragma unroll
      for (int i = 0; i < 4; ++i) f16_pairs(codes[i], a[i / 2][i % 2], a[i / 2][i % 2 + 2]);
#pragma unroll
      for (int n = 0; n < 4; ++n) {
        multiply_f16(partial[m][n], a[0], b[n][0], b[n][1]);
        multiply_f16(partial[m][n], a[1], b[n][2], b[n][3]);
      }
    }
  }
}

/// Scales of an operand's 128 of MN: one each (`pitch` apart), or one for all of them (pitch 0).
struct Scales {
  const float* data;
  int pitch, step;  // elements between neighbours of MN, and between blocks of K
  int count;        // of MN that are there

  __device__ float of(int mn, int k_block) const {
    return mn < count ? data[1LL * mn * pitch + 1LL * k_block * step] : 0.0f;
  }
};

/// sums = Σ over blocks of 128 of K of scale_a · scale_b · (A · B of that block).
__device__ void product(Sums& sums, const Matrix<Code>& a, int a0, const Scales& scales_a,
                        const Matrix<Code>& b, int b0, const Scales& scales_b, int k, int depth) {
  const WarpTile warp;
  Sums partial = {};
  const auto load = [&](int stage, int step) {
    unsigned char* const to = shared + stage * stage_bytes;
    load_tile<true>(to, a, a0, k + step * tile_k_bytes);
    load_tile<true>(to + operand_bytes, b, b0, k + step * tile_k_bytes);
  };
  const auto use = [&](int stage, int step) {
    multiply_step(partial, shared + stage * stage_bytes, warp);
    if (step % steps_a_block != steps_a_block - 1) return;
    const int k_block = step / steps_a_block;
    float scale_b[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) scale_b[i] = scales_b.of(warp.column(i / 2, i % 2), k_block);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const float scale_a = scales_a.of(warp.row(i / 2, i % 2 * 2), k_block);
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        float& part = partial[i / 2][j / 2][i % 2 * 2 + j % 2];
        float& sum = sums[i / 2][j / 2][i % 2 * 2 + j % 2];
        sum = fmaf(scale_a * scale_b[j], part, sum);
        part = 0;
      }
    }
  };
  for_each_step(depth / tile_k_bytes, load, use);
}

/// y = A · B(group)ᵀ for one tile of rows; the scales of group e's B lie `pitch` of 128 columns, `step`
/// of 128 of K apart.
__device__ void rows_product(const Code* x, const float* x_scale, const Code* w,
                             const float* w_scale, const int* offsets, void* y, int E, int R,
                             int columns, int depth, int pitch, int step, int y_is_f32) {
  // 1. One tile of rows of a group and columns of its weight a block.
  const Rows rows = find_row_tile(blockIdx.x, offsets, E, R);
  const int count = rows.end - rows.begin, column0 = blockIdx.y * tile, blocks = depth / scale_block;
  if (count <= 0) return;
  const long long scales_a_group = 1LL * ((columns + scale_block - 1) / scale_block) * blocks;
  const Matrix<Code> a(x, 1LL * rows.begin * depth, count, depth);
  const Matrix<Code> b(w, 1LL * rows.group * columns * depth, columns, depth);
  const Scales scales_a{x_scale + 1LL * rows.begin * blocks, blocks, 1, count};
  const Scales scales_b{w_scale + rows.group * scales_a_group + 1LL * blockIdx.y * pitch, 0, step, tile};
  // 2. Within 128 of K products are summed in f32; then sum += scale · scale · partial, in f32.
  Sums sums = {};
  product(sums, a, 0, scales_a, b, column0, scales_b, 0, depth);
  // 3. y is the sum, rounded once.
  if (y_is_f32) {
    store_sums(static_cast<float*>(y) + 1LL * rows.begin * columns, count, column0, columns, sums,
               false);
  } else {
    store_sums(static_cast<__nv_bfloat16*>(y) + 1LL * rows.begin * columns, count, column0, columns,
               sums, false);
  }
}

}  // namespace

extern "C" __global__ void __launch_bounds__(block)
    grouped_gemm_fp8_forward(const Code* x, const float* x_scale, const Code* w, const float* w_scale,
                             const int* offsets, void* y, int E, int R, int N, int K, int y_is_f32) {
  rows_product(x, x_scale, w, w_scale, offsets, y, E, R, N, K, K / scale_block, 1, y_is_f32);
}

extern "C" __global__ void __launch_bounds__(block)
    grouped_gemm_fp8_dgrad(const Code* dy, const float* dy_scale, const Code* wT,
                           const float* w_scale, const int* offsets, void* dx, int E, int R, int N,
                           int K, int dx_is_f32) {
  rows_product(dy, dy_scale, wT, w_scale, offsets, dx, E, R, K, N, 1,
               (K + scale_block - 1) / scale_block, dx_is_f32);
}

extern "C" __global__ void __launch_bounds__(block)
    grouped_gemm_fp8_wgrad(const Code* dy, const float* dy_scale, const Code* x, const float* x_scale,
                           const int* padded_offsets, float* dw, int E, int P, int N, int K,
                           int accumulate) {
  // 1. One tile of a group's dw a block.
  const Rows rows = group_rows(blockIdx.z, padded_offsets, P);
  const int n0 = blockIdx.y * tile, k0 = blockIdx.x * tile, blocks = P / scale_block;
  if (rows.end <= rows.begin && accumulate) return;
  const int first = rows.begin / scale_block;
  // 2. Within 128 rows products are summed in f32; then sum += scale · scale · partial, in f32. The
  //    rows that pad a group are zero.
  Sums sums = {};
  product(sums, Matrix<Code>(dy, 0, N, P), n0,
          Scales{dy_scale + 1LL * n0 * blocks + first, blocks, 1, N - n0}, Matrix<Code>(x, 0, K, P), k0,
          Scales{x_scale + 1LL * k0 * blocks + first, blocks, 1, K - k0}, rows.begin,
          rows.end - rows.begin);
  // 3. dw += the sum.
  store_sums(dw + (1LL * rows.group * N + n0) * K, N - n0, k0, K, sums, accumulate);
}

}  // namespace triptych::cuda

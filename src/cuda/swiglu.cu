// ----------------------------------------------------------------------------
// swiglu_forward     act[r,f] = w[r] · silu(gate[r,f]) · up[r,f]
// swiglu_backward    its gradients: dgate, dup, dw; and act once more
//
//   gate_up  [R,2F] S    gate in columns 0 … F-1, up in F … 2F-1
//   weight   [R]    f32  routing weight of the row; null: 1
//   rows     [1]    i32  how many rows are valid; null: R
//   act      [R,F]  S    overwritten; in the backward null if not wanted
//   dact     [R,F]  S    gradient of act
//   dgate_up [R,2F] S    overwritten
//   dweight  [R]    f32  overwritten; null if not wanted
//
// Contract   include/triptych/swiglu.h      Reference  src/reference/swiglu.cpp
// Launch     grid = ⌈R / 8⌉, block = 256: one warp a row; no shared memory
// Error      tolerance::swiglu_forward, tolerance::swiglu_backward
// State      compiled by nvcc and ptxas 13.0; never run on hardware
// ----------------------------------------------------------------------------
#include "cuda/numeric.cuh"

namespace triptych::cuda {
namespace {

constexpr int block = 256;
constexpr int rows_a_block = block / warp_size;
constexpr int columns_a_step = eight * warp_size;

__device__ int valid_rows(const int* rows, int all) { return rows ? min(*rows, all) : all; }

template <class S>
__device__ void forward(const S* gate_up, const float* weight, const int* rows, S* act, int R,
                        int F) {
  // 0. One warp a row; lane l takes columns 8·l … 8·l + 7 of every 256.
  const int r = blockIdx.x * rows_a_block + threadIdx.x / warp_size;
  if (r >= valid_rows(rows, R)) return;
  const S *gate = gate_up + 2LL * r * F, *up = gate + F;
  S* out = act + 1LL * r * F;
  const float w = weight ? weight[r] : 1.0f;
  const bool whole = moves_whole(gate_up, F) && moves_whole(act, F);

  for (int f = threadIdx.x % warp_size * eight; f < F; f += columns_a_step) {
    float g[eight], u[eight], a[eight];
    load_eight(g, gate, f, F, whole);
    load_eight(u, up, f, F, whole);
    for (int i = 0; i < eight; ++i) {
      // 1. silu(gate) = gate · sigmoid(gate).
      const float silu = g[i] * sigmoid(g[i]);
      // 2. act = weight · silu · up, rounded once.
      a[i] = w * silu * u[i];
    }
    store_eight(out, f, F, whole, a);
  }
}

template <class S>
__device__ void backward(const S* gate_up, const float* weight, const int* rows, const S* dact,
                         S* dgate_up, float* dweight, S* act, int R, int F) {
  // 0. One warp a row; lane l takes columns 8·l … 8·l + 7 of every 256, and writes a column only
  //    after it has read all that it needs of it: act may be dact, dgate_up may be gate_up.
  const int r = blockIdx.x * rows_a_block + threadIdx.x / warp_size;
  if (r >= valid_rows(rows, R)) return;
  const int lane = threadIdx.x % warp_size;
  const S *gate = gate_up + 2LL * r * F, *up = gate + F, *dout = dact + 1LL * r * F;
  S *dgate = dgate_up + 2LL * r * F, *dup = dgate + F, *out = act + 1LL * r * F;
  const float w = weight ? weight[r] : 1.0f;
  const bool whole = moves_whole(gate_up, F) && moves_whole(dact, F) && moves_whole(dgate_up, F) &&
                     moves_whole(act, F);

  float sum = 0;
  for (int f = lane * eight; f < F; f += columns_a_step) {
    float g[eight], u[eight], d[eight], a[eight];
    load_eight(g, gate, f, F, whole);
    load_eight(u, up, f, F, whole);
    load_eight(d, dout, f, F, whole);
    for (int i = 0; i < eight; ++i) {
      // 1. s = sigmoid(gate), silu = gate · s, silu' = s · (1 + gate · (1 - s)).
      const float s = sigmoid(g[i]), silu = g[i] * s;
      const float slope = s * (1 + g[i] * (1 - s));
      // 2. The routing weight's gradient is the row's dot product with the unweighted output.
      sum += d[i] * silu * u[i];
      // 3. dgate = weight · dact · up · silu', dup = weight · dact · silu; act once more.
      a[i] = w * silu * u[i];
      g[i] = w * d[i] * u[i] * slope;
      u[i] = w * d[i] * silu;
    }
    if (act) store_eight(out, f, F, whole, a);
    store_eight(dgate, f, F, whole, g);
    store_eight(dup, f, F, whole, u);
  }
  sum = fold(sum);
  if (dweight && lane == 0) dweight[r] = sum;
}

}  // namespace

#define TRIPTYCH_SWIGLU(S, suffix)                                                                 \
  extern "C" __global__ void __launch_bounds__(block) swiglu_forward_##suffix(                     \
      const S* gate_up, const float* weight, const int* rows, S* act, int R, int F) {              \
    forward(gate_up, weight, rows, act, R, F);                                                     \
  }                                                                                                \
  extern "C" __global__ void __launch_bounds__(block) swiglu_backward_##suffix(                    \
      const S* gate_up, const float* weight, const int* rows, const S* dact, S* dgate_up,          \
      float* dweight, S* act, int R, int F) {                                                      \
    backward(gate_up, weight, rows, dact, dgate_up, dweight, act, R, F);                           \
  }

TRIPTYCH_SWIGLU(float, f32)
TRIPTYCH_SWIGLU(bf16, bf16)

}  // namespace triptych::cuda

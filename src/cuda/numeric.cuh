// What the kernels share: eight columns of a row at a time, and functions of f32.
//
// A lane works on eight consecutive columns. Whole ones are moved in 16-byte accesses when the row
// allows, element by element otherwise; the arithmetic and its order are the same both ways.
#pragma once

#include <cuda_bf16.h>

namespace triptych::cuda {

using bf16 = __nv_bfloat16;

constexpr int warp_size = 32;
constexpr int eight = 8;  // columns of a lane

__device__ inline float load(float value) { return value; }
__device__ inline float load(bf16 value) { return __bfloat162float(value); }

/// Rounds to the stored type, to nearest even, once.
template <class S>
__device__ S store(float value);
template <>
__device__ inline float store<float>(float value) {
  return value;
}
template <>
__device__ inline bf16 store<bf16>(float value) {
  return __float2bfloat16_rn(value);
}

/// Eight elements as they lie in memory.
template <class S>
struct alignas(16) Eight {
  S element[eight];
};

/// Rows of n elements that begin at `base` can be moved in 16-byte accesses.
template <class S>
__device__ bool moves_whole(const S* base, int n) {
  return n % eight == 0 && reinterpret_cast<unsigned long long>(base) % 16 == 0;
}

/// x = columns begin … begin + 7 of a row of n, zero past its end. May not go through the read-only
/// cache: a caller may write the same memory.
template <class S>
__device__ void load_eight(float (&x)[eight], const S* row, int begin, int n, bool whole) {
  if (whole) {
    const Eight<S> stored = *reinterpret_cast<const Eight<S>*>(row + begin);
    for (int i = 0; i < eight; ++i) x[i] = load(stored.element[i]);
  } else {
    for (int i = 0; i < eight; ++i) x[i] = begin + i < n ? load(row[begin + i]) : 0.0f;
  }
}

/// Rounds x and writes the columns that the row has.
template <class S>
__device__ void store_eight(S* row, int begin, int n, bool whole, const float (&x)[eight]) {
  if (whole) {
    Eight<S> stored;
    for (int i = 0; i < eight; ++i) stored.element[i] = store<S>(x[i]);
    *reinterpret_cast<Eight<S>*>(row + begin) = stored;
  } else {
    for (int i = 0; i < eight; ++i) {
      if (begin + i < n) row[begin + i] = store<S>(x[i]);
    }
  }
}

/// 1 / (1 + e^-z), without overflow for any z. Two ulp for e^-|z|, two for the division.
__device__ inline float sigmoid(float z) {
  const float e = expf(-fabsf(z));  // in [0, 1]
  return __fdividef(z >= 0 ? 1.0f : e, 1.0f + e);
}

/// The sum over a warp's lanes, in every lane: lanes 16 apart, then 8, 4, 2, 1.
__device__ inline float fold(float value) {
  for (int apart = warp_size / 2; apart > 0; apart /= 2) {
    value += __shfl_xor_sync(0xFFFFFFFFu, value, apart);
  }
  return value;
}

}  // namespace triptych::cuda

// wmma, FP8's headers, and cuRAND's generators on the device.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <curand_kernel.h>
#include <mma.h>

#include <cmath>

#include "want.h"

using namespace nvcuda;

/// C = A B of 64 x 64 x 64 in f16, a warp for each 16 x 16.
__global__ void product(const half* a, const half* b, float* c) {
  wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> fa;
  wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::col_major> fb;
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> fc;
  const int row = blockIdx.x * 16, column = threadIdx.y * 16;
  wmma::fill_fragment(fc, 0.0f);
  for (int k = 0; k < 64; k += 16) {
    wmma::load_matrix_sync(fa, a + row * 64 + k, 64);
    wmma::load_matrix_sync(fb, b + column * 64 + k, 64);
    wmma::mma_sync(fc, fa, fb, fc);
  }
  wmma::store_matrix_sync(c + row * 64 + column, fc, 64, wmma::mem_row_major);
}

__global__ void narrowed(const float* from, unsigned char* e4m3, unsigned char* e5m2, float* back) {
  const int i = threadIdx.x;
  const __nv_fp8_e4m3 four(from[i]);
  const __nv_fp8_e5m2 five(from[i]);
  e4m3[i] = four.__x;
  e5m2[i] = five.__x;
  back[i] = static_cast<float>(four);
}

__global__ void drawn(unsigned long long seed, unsigned* philox, unsigned* xorwow, float* normal) {
  const int i = threadIdx.x;
  curandStatePhilox4_32_10_t p;
  curandState x;
  curand_init(seed, i, 0, &p);
  curand_init(seed, i, 0, &x);
  philox[i] = curand(&p);
  xorwow[i] = curand(&x);
  normal[i] = curand_normal(&p);
}

int main() {
  const std::vector<unsigned> words = random_words(2 * 64 * 64);
  std::vector<half> a(64 * 64), b(64 * 64);
  for (int i = 0; i < 64 * 64; ++i) {
    a[i] = __float2half(static_cast<float>(static_cast<int>(words[i] % 9) - 4));
    b[i] = __float2half(static_cast<float>(static_cast<int>(words[4096 + i] % 9) - 4));
  }
  Buffer<half> da(a), db(b);
  Buffer<float> dc(64 * 64);
  product<<<4, dim3(32, 4)>>>(da, db, dc);
  const auto c = dc.get();
  for (int i = 0; i < 64; ++i) {
    for (int j = 0; j < 64; ++j) {
      float sum = 0;
      for (int k = 0; k < 64; ++k) sum += __half2float(a[i * 64 + k]) * __half2float(b[j * 64 + k]);
      WANT(c[i * 64 + j] == sum);   // integers, which are exact
    }
  }
  std::puts("wmma");

  std::vector<float> values;
  for (int i = 0; i < 64; ++i) values.push_back(std::ldexp(static_cast<float>(static_cast<int>(words[i] % 2001) - 1000), static_cast<int>(words[i + 64] % 12) - 10));
  Buffer<float> from(values), back(64);
  Buffer<unsigned char> four(64), five(64);
  narrowed<<<1, 64>>>(from, four, five, back);
  const auto f4 = four.get(), f5 = five.get();
  const auto wide = back.get();
  for (int i = 0; i < 64; ++i) {
    // The headers' own code for the host.
    const __nv_fp8_e4m3 host(values[i]);
    WANT(f4[i] == host.__x);
    WANT(f5[i] == __nv_fp8_e5m2(values[i]).__x);
    WANT(wide[i] == static_cast<float>(host));
  }
  std::puts("FP8");

  Buffer<unsigned> philox(64), xorwow(64);
  Buffer<float> normal(64);
  drawn<<<1, 64>>>(1234, philox, xorwow, normal);
  const auto p = philox.get(), x = xorwow.get();
  const auto z = normal.get();
  for (int i = 0; i < 64; ++i) {
    // Philox-4x32-10 as its paper has it: key from the seed, counter from the subsequence.
    unsigned counter[4] = {0, 0, static_cast<unsigned>(i), 0}, key[2] = {1234, 0};
    for (int round = 0; round < 10; ++round) {
      const unsigned long long m0 = 0xD2511F53ull * counter[0], m1 = 0xCD9E8D57ull * counter[2];
      const unsigned next[4] = {static_cast<unsigned>(m1 >> 32) ^ counter[1] ^ key[0], static_cast<unsigned>(m1),
                                static_cast<unsigned>(m0 >> 32) ^ counter[3] ^ key[1], static_cast<unsigned>(m0)};
      for (int w = 0; w < 4; ++w) counter[w] = next[w];
      key[0] += 0x9E3779B9;
      key[1] += 0xBB67AE85;
    }
    WANT(p[i] == counter[0]);
    WANT(std::isfinite(z[i]) && std::fabs(z[i]) < 7);
    for (int j = 0; j < i; ++j) WANT(x[i] != x[j]);
  }
  std::puts("cuRAND");
}

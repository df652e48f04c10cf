/// \file
/// OpenBLAS, the yardstick of products: f32, row-major.
#pragma once

#include <cstdint>

namespace triptych::bench {

/// Whether this build has OpenBLAS. Without it nothing else of this file may be called.
extern const bool has_blas;

/// Threads that each of the following calls uses. Those that have nothing to do spin for about a tenth of a
/// second, on cores that the next one needs: let `blas_rest` seconds pass before timing anything else.
void set_blas_threads(int threads);
inline constexpr double blas_rest = 0.15;

/// c[m,n] = a · bᵀ, a [m,k], b [n,k].
void product_nt(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, const float* b, float* c);
/// c[m,n] = a · b, a [m,k], b [k,n].
void product_nn(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, const float* b, float* c);
/// c[m,n] += aᵀ · b, a [k,m], b [k,n].
void product_tn(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, const float* b, float* c);
/// Σ a[i] · b[i].
float dot(std::int64_t n, const float* a, const float* b);

}  // namespace triptych::bench

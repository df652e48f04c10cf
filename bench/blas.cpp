#include "bench/blas.h"

#include <benchmark/benchmark.h>

#ifdef TRIPTYCH_HAVE_OPENBLAS
#include <cblas.h>

namespace triptych::bench {
namespace {

void product(CBLAS_TRANSPOSE of_a, CBLAS_TRANSPOSE of_b, std::int64_t m, std::int64_t n, std::int64_t k,
             const float* a, const float* b, float beta, float* c) {
  if (m == 0) return;
  const auto lda = static_cast<int>(of_a == CblasTrans ? m : k);
  const auto ldb = static_cast<int>(of_b == CblasTrans ? k : n);
  cblas_sgemm(CblasRowMajor, of_a, of_b, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), 1,
              a, lda, b, ldb, beta, c, static_cast<int>(n));
}

const bool registered = [] {
  benchmark::AddCustomContext("openblas", openblas_get_config());
  benchmark::AddCustomContext("openblas_core", openblas_get_corename());
  return true;
}();

}  // namespace

const bool has_blas = true;

void set_blas_threads(int threads) { openblas_set_num_threads(threads); }

void product_nt(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, const float* b, float* c) {
  product(CblasNoTrans, CblasTrans, m, n, k, a, b, 0, c);
}

void product_nn(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, const float* b, float* c) {
  product(CblasNoTrans, CblasNoTrans, m, n, k, a, b, 0, c);
}

void product_tn(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, const float* b, float* c) {
  product(CblasTrans, CblasNoTrans, m, n, k, a, b, 1, c);
}

float dot(std::int64_t n, const float* a, const float* b) {
  return cblas_sdot(static_cast<int>(n), a, 1, b, 1);
}

}  // namespace triptych::bench

#else

namespace triptych::bench {

const bool has_blas = false;
void set_blas_threads(int) {}
void product_nt(std::int64_t, std::int64_t, std::int64_t, const float*, const float*, float*) {}
void product_nn(std::int64_t, std::int64_t, std::int64_t, const float*, const float*, float*) {}
void product_tn(std::int64_t, std::int64_t, std::int64_t, const float*, const float*, float*) {}
float dot(std::int64_t, const float*, const float*) { return 0; }

}  // namespace triptych::bench

#endif

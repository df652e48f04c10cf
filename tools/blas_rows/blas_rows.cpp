// Do the bits of a product's row depend on where the row lies? A · Bᵀ with equal rows in A has equal rows, so
// every row that differs from the first one says yes. Evidence for docs/design.md, "Determinism":
//
//   OPENBLAS_CORETYPE=Haswell build/release/bin/blas_rows
#include <cblas.h>
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "triptych/tier.h"

extern "C" char* openblas_get_corename(void);
extern "C" void openblas_set_num_threads(int threads);

namespace {

constexpr int most_rows = 96, depth = 256;   // 96: a multiple of every padding that was tried

/// Prints what differs in product(rows, y), which fills y with so many equal rows of `columns` outputs.
template <class Product>
void count_differences(const char* name, int columns, const Product& product) {
  std::vector<float> all(static_cast<std::size_t>(most_rows * columns)), some = all;
  product(most_rows, all.data());
  int rows = 0, counts = 0;
  for (int r = 1; r < most_rows; ++r) rows += !std::equal(all.begin(), all.begin() + columns, all.begin() + r * columns);
  for (int count = 1; count < most_rows; ++count) {
    product(count, some.data());
    counts += !std::equal(all.begin(), all.begin() + columns, some.begin());
  }
  fmt::print("{:<28} {:>4} columns   {:>2} of 95 other rows differ, {:>2} of 95 numbers of rows change the first\n", name,
             columns, rows, counts);
}

void measure(int columns) {
  const auto tier = triptych::make_tier({.name = "reference", .threads = 1});
  std::vector<float> x(static_cast<std::size_t>(most_rows * depth)), w(static_cast<std::size_t>(columns * depth));
  // Any values without a pattern; every row of x is the same.
  std::uint32_t state = 1;
  const auto next = [&] { return static_cast<float>((state = state * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1; };
  std::generate_n(x.begin(), depth, next);
  for (int r = 1; r < most_rows; ++r) std::copy_n(x.begin(), depth, x.begin() + r * depth);
  std::generate(w.begin(), w.end(), next);
  const auto kernels = fmt::format("OpenBLAS for {}", openblas_get_corename());
  count_differences(kernels.c_str(), columns, [&](int rows, float* y) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, columns, depth, 1, x.data(), depth, w.data(), depth, 0, y, columns);
  });
  count_differences("the reference tier", columns, [&](int rows, float* y) {
    tier->grouped_gemm_forward({.x = {x.data(), triptych::DType::f32, {rows, depth}},
                                .w = {w.data(), triptych::DType::f32, {1, columns, depth}},
                                .offsets = {},
                                .y = {y, triptych::DType::f32, {rows, columns}}});
  });
}

}  // namespace

int main() {
  openblas_set_num_threads(1);
  for (const int columns : {96, 259}) measure(columns);
}

// Do the bits of a product's row depend on where the row lies? A · Bᵀ with equal rows in A has equal rows, so
// every row that differs from the first one says yes. Evidence for docs/design.md, "Determinism":
//
//   OPENBLAS_CORETYPE=Haswell build/release/bin/triptych bench --filter blas_rows
//
//   rows_that_differ    of the 96 rows, a multiple of every padding that was tried
//   counts_that_differ  of the products with 1 … 95 rows, those whose first row is not that of 96
#include <fmt/format.h>

#include "bench/support.h"

#ifdef TRIPTYCH_HAVE_OPENBLAS
#include <cblas.h>

extern "C" char* openblas_get_corename(void);
extern "C" void openblas_set_num_threads(int threads);
#endif

namespace triptych::bench {
namespace {

constexpr std::int64_t most_rows = 96;

/// Counts over c(rows) = the product of so many equal rows with `columns` outputs, row-major.
template <class Product>
void count_differences(benchmark::State& state, std::int64_t columns, Product&& product) {
  const auto row_of = [&](const float* c, std::int64_t row) {
    return std::vector<float>(c + row * columns, c + (row + 1) * columns);
  };
  const auto differs = [](const std::vector<float>& a, const std::vector<float>& b) {
    return !std::equal(a.begin(), a.end(), b.begin());
  };
  const std::vector<float> first = row_of(product(most_rows), 0);
  int rows = 0, counts = 0;
  for (std::int64_t i = 1; i < most_rows; ++i) rows += differs(row_of(product(most_rows), i), first);
  for (std::int64_t count = 1; count < most_rows; ++count) counts += differs(row_of(product(count), 0), first);
  for (auto _ : state) state.SetIterationTime(seconds([&] { product(most_rows); }));
  state.counters["rows_that_differ"] = rows;
  state.counters["counts_that_differ"] = counts;
}

/// Equal rows [96,K] and a weight [N,K].
struct Operands {
  Operands(std::int64_t columns, std::int64_t depth, Tier& tier)
      : arena(tier, std::size_t{16} << 20),
        x(arena.take(DType::f32, {most_rows, depth})),
        w(random_tensor(arena, DType::f32, {1, columns, depth}, 1, 1)),
        y(arena.take(DType::f32, {most_rows, columns})) {
    for (std::int64_t i = 0; i < most_rows; ++i) fill(x.rows(i, 1), 1, 2);
  }
  Arena arena;
  Tensor x, w, y;
};

void ours(benchmark::State& state, std::int64_t columns, std::int64_t depth) {
  const auto tier = reference_tier(1);
  const Operands o(columns, depth, *tier);
  count_differences(state, columns, [&](std::int64_t rows) {
    tier->grouped_gemm_forward({.x = o.x.rows(0, rows), .w = o.w, .y = o.y.rows(0, rows)});
    return o.y.as<float>();
  });
}

#ifdef TRIPTYCH_HAVE_OPENBLAS
void openblas(benchmark::State& state, std::int64_t columns, std::int64_t depth) {
  openblas_set_num_threads(1);
  const auto tier = reference_tier(1);
  const Operands o(columns, depth, *tier);
  const auto n = static_cast<int>(columns), k = static_cast<int>(depth);
  count_differences(state, columns, [&](std::int64_t rows) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(rows), n, k, 1, o.x.as<float>(), k,
                o.w.as<float>(), k, 0, o.y.as<float>(), n);
    return o.y.as<float>();
  });
  state.SetLabel(fmt::format("kernels for {}", openblas_get_corename()));
}
#endif

const bool registered = [] {
  for (const auto& [n, k] : {std::pair<std::int64_t, std::int64_t>{96, 256}, {259, 256}}) {
    add_benchmark(fmt::format("blas_rows/ours/N{}_K{}", n, k), [n = n, k = k](benchmark::State& s) { ours(s, n, k); })
        ->Iterations(1);
#ifdef TRIPTYCH_HAVE_OPENBLAS
    add_benchmark(fmt::format("blas_rows/openblas/N{}_K{}", n, k), [n = n, k = k](benchmark::State& s) { openblas(s, n, k); })
        ->Iterations(1);
#endif
  }
  return true;
}();

}  // namespace
}  // namespace triptych::bench

// The products in f64, f32 and bf16. Work is cut into tiles, one thread a tile; an element's value is the same
// for every cut (gemm.h).
#include "reference/gemm.h"

#include <algorithm>

#include "reference/groups.h"
#include "reference/numeric.h"
#include "reference/reference.h"

namespace triptych::reference {
namespace {

/// Rows that a task takes at most: enough that packing the weight costs little beside the product.
constexpr std::int64_t row_tile = 640;

/// y's block, rows × columns at (row, column), = a · b in A, rounded to y's dtype.
template <class S, class A>
void product_tile(const Tensor& y, std::int64_t row, std::int64_t rows, std::int64_t column,
                  std::int64_t columns, std::int64_t depth, const GemmOperand<S>& a,
                  const GemmOperand<S>& b, Workspace& work) {
  const std::int64_t stride = y.shape[1];
  A* packed = work.take<A>(gemm_workspace<A>(rows, columns, depth));
  if (y.dtype == dtype_of<A>) {
    gemm(rows, columns, depth, a, b, y.as<A>() + row * stride + column, stride, false, packed);
    return;
  }
  A* tile = work.take<A>(rows * columns);
  gemm(rows, columns, depth, a, b, tile, columns, false, packed);
  for (std::int64_t r = 0; r < rows; ++r) {
    S* to = y.as<S>() + (row + r) * stride + column;
    for (std::int64_t c = 0; c < columns; ++c) to[c] = store<S>(tile[r * columns + c]);
  }
}

}  // namespace

void ReferenceTier::do_grouped_gemm_forward(const GroupedGemmForward& a) {
  with_storage(a.x.dtype, [&]<class S, class A>() {
    constexpr std::int64_t column_tile = gemm_columns<A>;
    const std::int64_t k = a.x.shape[1], n = a.w.shape[1], columns = tiles(n, column_tile);
    const Groups groups(a.offsets, a.w.shape[0], a.x.shape[0]);
    // 1. One tile of rows of a group and columns of its weight a task.
    pool_.run(groups.tile_count(row_tile) * columns, [&](std::int64_t task, int thread) {
      const Groups::Tile tile = groups.tile_at(task / columns, row_tile);
      const std::int64_t n0 = task % columns * column_tile, count = std::min(column_tile, n - n0);
      // 2. y = x · wᵀ, summed in A, rounded once.
      product_tile<S, A>(a.y, tile.begin, tile.end - tile.begin, n0, count, k,
                         {a.x.as<S>() + tile.begin * k, k, 1},
                         {a.w.as<S>() + (tile.group * n + n0) * k, k, 1}, workspace(thread));
    });
  });
}

void ReferenceTier::do_grouped_gemm_dgrad(const GroupedGemmDgrad& a) {
  with_storage(a.dy.dtype, [&]<class S, class A>() {
    constexpr std::int64_t column_tile = gemm_columns<A>;
    const std::int64_t n = a.dy.shape[1], k = a.w.shape[2], columns = tiles(k, column_tile);
    const Groups groups(a.offsets, a.w.shape[0], a.dy.shape[0]);
    // 1. One tile of rows of a group and columns of dx a task.
    pool_.run(groups.tile_count(row_tile) * columns, [&](std::int64_t task, int thread) {
      const Groups::Tile tile = groups.tile_at(task / columns, row_tile);
      const std::int64_t k0 = task % columns * column_tile, count = std::min(column_tile, k - k0);
      // 2. dx = dy · w, summed in A, rounded once.
      product_tile<S, A>(a.dx, tile.begin, tile.end - tile.begin, k0, count, n,
                         {a.dy.as<S>() + tile.begin * n, n, 1},
                         {a.w.as<S>() + tile.group * n * k + k0, 1, k}, workspace(thread));
    });
  });
}

void ReferenceTier::do_grouped_gemm_wgrad(const GroupedGemmWgrad& a) {
  with_storage(a.dy.dtype, [&]<class S, class A>() {
    const std::int64_t n = a.dw.shape[1], k = a.dw.shape[2];
    const Groups groups(a.offsets, a.dw.shape[0], a.dy.shape[0]);
    // Few groups are cut finer, so that every thread has work.
    const std::int64_t n_tile = groups.count() < 8 ? 120 : 480, k_tile = gemm_columns<A>;
    const std::int64_t n_tiles = tiles(n, n_tile), k_tiles = tiles(k, k_tile);
    // 1. One tile of a group's dw a task.
    pool_.run(groups.count() * n_tiles * k_tiles, [&](std::int64_t task, int thread) {
      const std::int64_t e = task / (n_tiles * k_tiles), first = groups.begin(e);
      const std::int64_t n0 = task / k_tiles % n_tiles * n_tile, k0 = task % k_tiles * k_tile;
      const std::int64_t rows = std::min(n_tile, n - n0), columns = std::min(k_tile, k - k0);
      const std::int64_t depth = groups.end(e) - first;
      A* packed = workspace(thread).take<A>(gemm_workspace<A>(rows, columns, depth));
      // 2. dw += dyᵀ · x over the group's rows, in their order.
      gemm<S, A>(rows, columns, depth,
                 {a.dy.as<S>() + first * n + n0, 1, n}, {a.x.as<S>() + first * k + k0, 1, k},
                 a.dw.as<A>() + (e * n + n0) * k + k0, k, a.accumulate, packed);
    });
  });
}

}  // namespace triptych::reference

/// \file
/// The matrix product that every layer goes through: C (+)= A · B, each element one chain of fused
/// multiply-adds in the order of K.
///
/// A row's bits must depend neither on the other rows, nor on how many there are, nor on where it lies.
/// Tuned BLAS libraries do not give that: OpenBLAS 0.3.21's Haswell kernels sum some positions of a tile
/// in another order than others (docs/design.md). Here element (i, j) is
///
///     c = fma(a[i,K-1], b[K-1,j], … fma(a[i,1], b[1,j], fma(a[i,0], b[0,j], c₀)) …)
///
/// for every cut of the work, because a partial result that is stored and loaded again stays the same.
/// The rest is the usual art (Goto and van de Geijn, "Anatomy of High-Performance Matrix
/// Multiplication"): a block of B packed for the second-level cache, strips of A and B packed so that the
/// innermost loop reads both in order, and a 4×(3 vectors) tile of C in registers. The vectors are Eigen's.
#pragma once

#include <algorithm>

#include "reference/numeric.h"
#include "reference/reference.h"

namespace triptych::reference {

/// A matrix operand: element (i, k) = data[i · stride_i + k · stride_k], i the row of A or column of B.
template <class S>
struct GemmOperand {
  const S* data;
  std::int64_t stride_i, stride_k;
};

namespace detail {

template <class A>
struct GemmTile {
  using Vector = typename Eigen::internal::packet_traits<A>::type;
  static constexpr int width = Eigen::internal::packet_traits<A>::size;
  static constexpr int rows = 4, columns = 3 * width;
  static constexpr std::int64_t depth = 256;             ///< K of one packed block
  static constexpr std::int64_t row_block = 30 * rows;   ///< rows of A packed at once
};

/// Packs elements (i0 … i0 + count - 1, k0 … k0 + depth - 1) in strips of `strip` along i:
/// to[(i / strip) · strip · depth + k · strip + i % strip], zero past the count.
template <int strip, class S, class A>
void pack(const GemmOperand<S>& from, std::int64_t i0, std::int64_t count, std::int64_t k0,
          std::int64_t depth, A* to) {
  for (std::int64_t i = 0; i < count; i += strip, to += strip * depth) {
    const S* source = from.data + (i0 + i) * from.stride_i + k0 * from.stride_k;
    const std::int64_t present = std::min<std::int64_t>(strip, count - i);
    if (present < strip) std::fill_n(to, strip * depth, A(0));
    if (from.stride_i == 1) {
      for (std::int64_t k = 0; k < depth; ++k) {
        const S* line = source + k * from.stride_k;
        if (present == strip) {
          for (int j = 0; j < strip; ++j) to[k * strip + j] = load(line[j]);
        } else {
          for (std::int64_t j = 0; j < present; ++j) to[k * strip + j] = load(line[j]);
        }
      }
      continue;
    }
    // K is contiguous: 4×4 blocks are turned in registers.
    using Quad = std::conditional_t<std::is_same_v<A, float>, Eigen::Array4f, Eigen::Array4d>;
    std::int64_t j = 0;
    for (; j + 4 <= present; j += 4) {
      const S* line[4];
      for (int q = 0; q < 4; ++q) line[q] = source + (j + q) * from.stride_i;
      std::int64_t k = 0;
      for (; k + 4 <= depth; k += 4) {
        Eigen::Array<A, 4, 4> block;
        for (int q = 0; q < 4; ++q) {
          Quad row;
          for (int c = 0; c < 4; ++c) row[c] = load(line[q][k + c]);
          block.col(q) = row;
        }
        const Eigen::Array<A, 4, 4> turned = block.transpose();
        for (int c = 0; c < 4; ++c) Eigen::Map<Quad>(to + (k + c) * strip + j) = turned.col(c);
      }
      for (; k < depth; ++k) {
        for (int q = 0; q < 4; ++q) to[k * strip + j + q] = load(line[q][k]);
      }
    }
    for (; j < present; ++j) {
      for (std::int64_t k = 0; k < depth; ++k) to[k * strip + j] = load(source[j * from.stride_i + k]);
    }
  }
}

/// c[4, 3 vectors] = chain over `depth` of K, starting from what c holds.
template <class A>
void kernel(const A* a, const A* b, std::int64_t depth, A* c, std::int64_t stride) {
  using Tile = GemmTile<A>;
  using Vector = typename Tile::Vector;
  using namespace Eigen::internal;
  constexpr int w = Tile::width;
  Vector sum[4][3];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) sum[i][j] = ploadu<Vector>(c + i * stride + j * w);
  }
  for (std::int64_t k = 0; k < depth; ++k, a += 4, b += 3 * w) {
    const Vector b0 = ploadu<Vector>(b), b1 = ploadu<Vector>(b + w), b2 = ploadu<Vector>(b + 2 * w);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const Vector x = pset1<Vector>(a[i]);
      sum[i][0] = pmadd(x, b0, sum[i][0]);
      sum[i][1] = pmadd(x, b1, sum[i][1]);
      sum[i][2] = pmadd(x, b2, sum[i][2]);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) pstoreu(c + i * stride + j * w, sum[i][j]);
  }
}

}  // namespace detail

/// Columns of C that one task should take: whole strips, few enough that B's packed block stays in the
/// second-level cache.
template <class A>
inline constexpr std::int64_t gemm_columns = 11 * detail::GemmTile<A>::columns;

/// Elements of A that gemm packs its operands into.
template <class A>
std::int64_t gemm_workspace(std::int64_t rows, std::int64_t columns, std::int64_t depth) {
  using Tile = detail::GemmTile<A>;
  const std::int64_t block_rows = std::min(tiles(rows, Tile::rows) * Tile::rows, Tile::row_block);
  const std::int64_t block_columns = tiles(columns, Tile::columns) * Tile::columns;
  return (block_rows + block_columns) * std::min(depth, Tile::depth);
}

/// c[rows, columns] = a · b, or c + a · b when accumulating; c is row-major with `stride`;
/// packed_b has room for gemm_workspace elements.
template <class S, class A>
void gemm(std::int64_t rows, std::int64_t columns, std::int64_t depth, const GemmOperand<S>& a,
          const GemmOperand<S>& b, A* c, std::int64_t stride, bool accumulate, A* packed_b) {
  using Tile = detail::GemmTile<A>;
  if (!accumulate) {
    for (std::int64_t i = 0; i < rows; ++i) std::fill_n(c + i * stride, columns, A(0));
  }
  A* packed_a = packed_b + tiles(columns, Tile::columns) * Tile::columns * std::min(depth, Tile::depth);
  A edge[Tile::rows * Tile::columns];
  for (std::int64_t k = 0; k < depth; k += Tile::depth) {
    const std::int64_t now = std::min(Tile::depth, depth - k);
    detail::pack<Tile::columns>(b, 0, columns, k, now, packed_b);
    for (std::int64_t r = 0; r < rows; r += Tile::row_block) {
      const std::int64_t block = std::min(Tile::row_block, rows - r);
      detail::pack<Tile::rows>(a, r, block, k, now, packed_a);
      for (std::int64_t j = 0; j < columns; j += Tile::columns) {
        const A* strip_b = packed_b + j * now;
        const std::int64_t wide = std::min<std::int64_t>(Tile::columns, columns - j);
        for (std::int64_t i = 0; i < block; i += Tile::rows) {
          const std::int64_t high = std::min<std::int64_t>(Tile::rows, block - i);
          A* tile = c + (r + i) * stride + j;
          if (high == Tile::rows && wide == Tile::columns) {
            detail::kernel(packed_a + i * now, strip_b, now, tile, stride);
            continue;
          }
          // A tile over C's edge is computed whole beside it.
          std::fill_n(edge, Tile::rows * Tile::columns, A(0));
          for (std::int64_t y = 0; y < high; ++y) {
            std::copy_n(tile + y * stride, wide, edge + y * Tile::columns);
          }
          detail::kernel(packed_a + i * now, strip_b, now, edge, Tile::columns);
          for (std::int64_t y = 0; y < high; ++y) {
            std::copy_n(edge + y * Tile::columns, wide, tile + y * stride);
          }
        }
      }
    }
  }
}

}  // namespace triptych::reference

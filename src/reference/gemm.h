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
/// innermost loop reads both in order, and a tile of C in registers: 12 rows of 2 vectors where there are
/// 32 vector registers, 6 rows where there are 16. The vectors are Eigen's.
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
  static constexpr int rows = sizeof(Vector) == 64 ? 12 : 6, columns = 2 * width;
  static constexpr std::int64_t depth = 256;             ///< K of one packed block
  static constexpr std::int64_t row_block = 120;         ///< rows of A packed at once
};

/// `width` elements from `from` on, in A.
template <class S, class A>
typename GemmTile<A>::Vector load_vector(const S* from) {
  if constexpr (std::is_same_v<S, A>) {
    return Eigen::internal::ploadu<typename GemmTile<A>::Vector>(from);
  } else {
    A wide[GemmTile<A>::width];
    for (int i = 0; i < GemmTile<A>::width; ++i) wide[i] = load(from[i]);
    return Eigen::internal::ploadu<typename GemmTile<A>::Vector>(wide);
  }
}

/// One strip of pack() whose elements are contiguous along K: squares of width × width are turned in
/// registers. A square that is wider than what is left of the strip writes zeros into the strip's next
/// K, which is written after it: hence the order of the loops, and the slack of gemm_workspace.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"  // of a vector type as Eigen's template argument
template <int strip, class S, class A>
void pack_turned(const S* from, std::int64_t stride, std::int64_t present, std::int64_t depth, A* to) {
  constexpr int w = GemmTile<A>::width;
  using namespace Eigen::internal;
  std::int64_t k = 0;
  for (; k + w <= depth; k += w) {
    for (int j = (strip - 1) / w * w; j >= 0; j -= w) {
      PacketBlock<typename GemmTile<A>::Vector, w> square;
      for (int q = 0; q < w; ++q) {
        const bool there = j + q < strip && j + q < present;
        square.packet[q] = there ? load_vector<S, A>(from + (j + q) * stride + k)
                                 : pset1<typename GemmTile<A>::Vector>(A(0));
      }
      ptranspose(square);
      for (int c = 0; c < w; ++c) pstoreu(to + (k + c) * strip + j, square.packet[c]);
    }
  }
  for (; k < depth; ++k) {
    for (std::int64_t j = 0; j < strip; ++j) {
      to[k * strip + j] = j < present ? load(from[j * stride + k]) : A(0);
    }
  }
}
#pragma GCC diagnostic pop

/// Packs elements (i0 … i0 + count - 1, k0 … k0 + depth - 1) in strips of `strip` along i:
/// to[(i / strip) · strip · depth + k · strip + i % strip], zero past the count.
template <int strip, class S, class A>
void pack(const GemmOperand<S>& from, std::int64_t i0, std::int64_t count, std::int64_t k0,
          std::int64_t depth, A* to) {
  for (std::int64_t i = 0; i < count; i += strip, to += strip * depth) {
    const S* source = from.data + (i0 + i) * from.stride_i + k0 * from.stride_k;
    const std::int64_t present = std::min<std::int64_t>(strip, count - i);
    if (from.stride_i != 1) {
      pack_turned<strip>(source, from.stride_i, present, depth, to);
      continue;
    }
    if (present < strip) std::fill_n(to, strip * depth, A(0));
    for (std::int64_t k = 0; k < depth; ++k) {
      const S* line = source + k * from.stride_k;
      if (present == strip) {
        for (int j = 0; j < strip; ++j) to[k * strip + j] = load(line[j]);
      } else {
        for (std::int64_t j = 0; j < present; ++j) to[k * strip + j] = load(line[j]);
      }
    }
  }
}

/// c[rows, 2 vectors] = chain over `depth` of K, starting from what c holds, or from zero.
template <class A>
void kernel(const A* a, const A* b, std::int64_t depth, bool from_zero, A* c, std::int64_t stride) {
  using Tile = GemmTile<A>;
  using Vector = typename Tile::Vector;
  using namespace Eigen::internal;
  constexpr int w = Tile::width, rows = Tile::rows;
  Vector left[rows], right[rows];
#pragma GCC unroll 12
  for (int i = 0; i < rows; ++i) {
    left[i] = from_zero ? pset1<Vector>(A(0)) : ploadu<Vector>(c + i * stride);
    right[i] = from_zero ? pset1<Vector>(A(0)) : ploadu<Vector>(c + i * stride + w);
  }
  for (std::int64_t k = 0; k < depth; ++k, a += rows, b += 2 * w) {
    const Vector b0 = ploadu<Vector>(b), b1 = ploadu<Vector>(b + w);
#pragma GCC unroll 12
    for (int i = 0; i < rows; ++i) {
      const Vector x = pset1<Vector>(a[i]);
      left[i] = pmadd(x, b0, left[i]);
      right[i] = pmadd(x, b1, right[i]);
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < rows; ++i) {
    pstoreu(c + i * stride, left[i]);
    pstoreu(c + i * stride + w, right[i]);
  }
}

}  // namespace detail

/// Columns of C that one task should take: whole strips, few enough that B's packed block stays in the
/// second-level cache.
template <class A>
inline constexpr std::int64_t gemm_columns = 2048 / sizeof(A);

/// Elements of A that gemm packs its operands into.
template <class A>
std::int64_t gemm_workspace(std::int64_t rows, std::int64_t columns, std::int64_t depth) {
  using Tile = detail::GemmTile<A>;
  const std::int64_t block_rows = std::min(tiles(rows, Tile::rows) * Tile::rows, Tile::row_block);
  const std::int64_t block_columns = tiles(columns, Tile::columns) * Tile::columns;
  return (block_rows + block_columns) * std::min(depth, Tile::depth) + Tile::width;
}

/// c[rows, columns] = a · b, or c + a · b when accumulating; c is row-major with `stride`;
/// `packed` has room for gemm_workspace elements.
template <class S, class A>
void gemm(std::int64_t rows, std::int64_t columns, std::int64_t depth, const GemmOperand<S>& a,
          const GemmOperand<S>& b, A* c, std::int64_t stride, bool accumulate, A* packed) {
  using Tile = detail::GemmTile<A>;
  if (depth == 0 && !accumulate) {
    for (std::int64_t i = 0; i < rows; ++i) std::fill_n(c + i * stride, columns, A(0));
  }
  A* packed_a = packed + tiles(columns, Tile::columns) * Tile::columns * std::min(depth, Tile::depth);
  A edge[Tile::rows * Tile::columns];
  for (std::int64_t k = 0; k < depth; k += Tile::depth) {
    const std::int64_t now = std::min(Tile::depth, depth - k);
    const bool from_zero = k == 0 && !accumulate;
    detail::pack<Tile::columns>(b, 0, columns, k, now, packed);
    for (std::int64_t r = 0; r < rows; r += Tile::row_block) {
      const std::int64_t block = std::min(Tile::row_block, rows - r);
      detail::pack<Tile::rows>(a, r, block, k, now, packed_a);
      for (std::int64_t j = 0; j < columns; j += Tile::columns) {
        const A* strip_b = packed + j * now;
        const std::int64_t wide = std::min<std::int64_t>(Tile::columns, columns - j);
        for (std::int64_t i = 0; i < block; i += Tile::rows) {
          const std::int64_t high = std::min<std::int64_t>(Tile::rows, block - i);
          A* tile = c + (r + i) * stride + j;
          if (high == Tile::rows && wide == Tile::columns) {
            detail::kernel(packed_a + i * now, strip_b, now, from_zero, tile, stride);
            continue;
          }
          // A tile over C's edge is computed whole beside it.
          std::fill_n(edge, Tile::rows * Tile::columns, A(0));
          for (std::int64_t y = 0; y < high && !from_zero; ++y) {
            std::copy_n(tile + y * stride, wide, edge + y * Tile::columns);
          }
          detail::kernel(packed_a + i * now, strip_b, now, from_zero, edge, Tile::columns);
          for (std::int64_t y = 0; y < high; ++y) {
            std::copy_n(edge + y * Tile::columns, wide, tile + y * stride);
          }
        }
      }
    }
  }
}

}  // namespace triptych::reference

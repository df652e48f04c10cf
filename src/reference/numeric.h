/// \file
/// What the reference's loops share: loads and stores that round, rows cut in fixed lanes, and sums
/// whose order depends on nothing but the position in the row.
///
/// A row's bits must not depend on its address or on how many rows there are. Eigen's reductions over
/// mapped memory peel to the pointer's alignment, and its vector functions differ in the last bit from
/// the scalar ones of a remainder. So rows are processed in chunks of `lanes` columns from column 0, and
/// the last chunk is padded.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <type_traits>

#include "triptych/dtype.h"

namespace triptych::reference {

inline constexpr int lanes = 16;
template <class A>
using Chunk = Eigen::Array<A, lanes, 1>;

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using MatrixMap = Eigen::Map<Matrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>;
template <class T>
using ConstMatrixMap = Eigen::Map<const Matrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>;

template <class T>
MatrixMap<T> matrix(T* data, std::int64_t rows, std::int64_t columns, std::int64_t stride) {
  return {data, rows, columns, Eigen::OuterStride<>(stride)};
}
template <class T>
ConstMatrixMap<T> matrix(const T* data, std::int64_t rows, std::int64_t columns,
                         std::int64_t stride) {
  return {data, rows, columns, Eigen::OuterStride<>(stride)};
}

/// A stored value in the accumulation type: exact.
inline double load(double value) { return value; }
inline float load(float value) { return value; }
inline float load(bf16 value) { return static_cast<float>(value); }

/// Rounds an accumulated value to the stored type, once.
template <class S, class A>
S store(A value) {
  return static_cast<S>(value);
}

/// Columns begin … begin + lanes - 1 of a row of n, `past` (zero) beyond its end.
template <class A, class S>
Chunk<A> load_chunk(const S* row, std::int64_t begin, std::int64_t n, A past = 0) {
  Chunk<A> chunk;
  if (begin + lanes <= n) {
    for (int i = 0; i < lanes; ++i) chunk[i] = load(row[begin + i]);
  } else {
    chunk.setConstant(past);
    for (std::int64_t i = 0; begin + i < n; ++i) chunk[i] = load(row[begin + i]);
  }
  return chunk;
}

/// Rounds and writes the columns of a chunk that the row has.
template <class S, class A>
void store_chunk(S* row, std::int64_t begin, std::int64_t n, const Chunk<A>& chunk) {
  const std::int64_t count = begin + lanes <= n ? lanes : n - begin;
  for (std::int64_t i = 0; i < count; ++i) row[begin + i] = store<S>(chunk[i]);
}

/// The sum of a chunk's lanes, pairwise: lane i and lane i + 8, then 4, 2, 1 apart.
template <class A>
A fold(const Chunk<A>& chunk) {
  A part[lanes];
  for (int i = 0; i < lanes; ++i) part[i] = chunk[i];
  for (int half = lanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) part[i] += part[i + half];
  }
  return part[0];
}

/// Σ_c a[c] · b[c] over n columns: lane c % 16 sums its columns in order, then the lanes are folded.
template <class A, class S1, class S2>
A dot(const S1* a, const S2* b, std::int64_t n) {
  Chunk<A> sum = Chunk<A>::Zero();
  for (std::int64_t c = 0; c < n; c += lanes) {
    sum += load_chunk<A>(a, c, n) * load_chunk<A>(b, c, n);
  }
  return fold(sum);
}

/// e^z, zero where that would be subnormal: Eigen's exponential stops falling there.
template <class A>
Chunk<A> exponential(const Chunk<A>& z) {
  constexpr A lowest = std::is_same_v<A, float> ? A(-87.336544) : A(-708.39641853226408);
  return (z < lowest).select(A(0), z.exp());
}

/// 1 / (1 + e^-z), without overflow for any z.
template <class A>
Chunk<A> sigmoid(const Chunk<A>& z) {
  const Chunk<A> e = exponential<A>(-z.abs());  // in [0, 1]
  return (z >= A(0)).select(A(1) / (A(1) + e), e / (A(1) + e));
}

/// Extents as Eigen and loops want them: tiles of `tile` in n.
constexpr std::int64_t tiles(std::int64_t n, std::int64_t tile) { return (n + tile - 1) / tile; }

}  // namespace triptych::reference

/// \file
/// What the reference's loops share: loads and stores that round, rows cut in fixed lanes, and sums
/// whose order depends on nothing but the position in the row.
///
/// A row's bits must not depend on its address or on how many rows there are. Eigen's reductions over
/// mapped memory peel to the pointer's alignment, and its vector functions differ in the last bit from
/// the scalar ones of a remainder. So rows are processed in chunks of `lanes` columns from column 0, and
/// the last chunk is padded. It is also what makes the loops fast: a chunk lives in registers.
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
inline float load(e4m3 value) { return static_cast<float>(value); }

/// Rounds an accumulated value to the stored type, once.
template <class S, class A>
S store(A value) {
  return static_cast<S>(value);
}

/// Sixteen words as the compiler's own vectors: it does not find the conversions by itself. And such a
/// vector at any address.
using HalfWords [[gnu::vector_size(2 * lanes)]] = std::uint16_t;
using Words [[gnu::vector_size(4 * lanes)]] = std::uint32_t;
template <class Vector>
struct [[gnu::packed, gnu::may_alias]] Unaligned {
  Vector value;
};

/// Sixteen stored values.
inline Chunk<double> load_lanes(const double* from) { return Eigen::Map<const Chunk<double>>(from); }
inline Chunk<float> load_lanes(const float* from) { return Eigen::Map<const Chunk<float>>(from); }
inline Chunk<float> load_lanes(const bf16* from) {
  const auto& bits = *reinterpret_cast<const Unaligned<HalfWords>*>(from);
  const Words wide = __builtin_convertvector(bits.value, Words) << 16;
  return Eigen::Map<const Chunk<float>>(reinterpret_cast<const float*>(&wide));
}

/// Rounds and writes sixteen values.
inline void store_lanes(double* to, const Chunk<double>& chunk) { Eigen::Map<Chunk<double>>{to} = chunk; }
inline void store_lanes(float* to, const Chunk<float>& chunk) { Eigen::Map<Chunk<float>>{to} = chunk; }
inline void store_lanes(bf16* to, const Chunk<float>& chunk) {
  Words bits = reinterpret_cast<const Unaligned<Words>*>(chunk.data())->value;
  detail::round_to_bf16(bits);
  reinterpret_cast<Unaligned<HalfWords>*>(to)->value = __builtin_convertvector(bits, HalfWords);
}

/// Values as they come back when they have been stored as S.
template <class S, class A>
Chunk<A> rounded(const Chunk<A>& chunk) {
  if constexpr (std::is_same_v<S, bf16>) {
    Words bits = reinterpret_cast<const Unaligned<Words>*>(chunk.data())->value;
    detail::round_to_bf16(bits);
    bits <<= 16;
    return Eigen::Map<const Chunk<float>>(reinterpret_cast<const float*>(&bits));
  } else {
    return chunk;
  }
}

/// The last columns of a row, as load_chunk and store_chunk do them. By themselves, so that the compiler
/// keeps chunks in registers everywhere else.
template <class A, class S>
[[gnu::noinline]] Chunk<A> load_tail(const S* from, std::int64_t count, A past) {
  Chunk<A> chunk = Chunk<A>::Constant(past);
  for (std::int64_t i = 0; i < count; ++i) chunk[i] = load(from[i]);
  return chunk;
}
template <class S, class A>
[[gnu::noinline]] void store_tail(S* to, std::int64_t count, Chunk<A> chunk) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = store<S>(chunk[i]);
}

/// Columns begin … begin + lanes - 1 of a row of n, `past` (zero) beyond its end.
template <class A, class S>
[[gnu::always_inline]] inline Chunk<A> load_chunk(const S* row, std::int64_t begin, std::int64_t n, A past = 0) {
  return begin + lanes <= n ? load_lanes(row + begin) : load_tail(row + begin, n - begin, past);
}

/// Rounds and writes the columns of a chunk that the row has.
template <class S, class A>
[[gnu::always_inline]] inline void store_chunk(S* row, std::int64_t begin, std::int64_t n, const Chunk<A>& chunk) {
  if (begin + lanes <= n) return store_lanes(row + begin, chunk);
  store_tail(row + begin, n - begin, chunk);
}

/// The sum of a chunk's lanes, pairwise: lane i and lane i + 8, then 4, 2, 1 apart.
template <class A>
A fold(const Chunk<A>& chunk) {
  const Eigen::Array<A, 8, 1> eight = chunk.template head<8>() + chunk.template tail<8>();
  const Eigen::Array<A, 4, 1> four = eight.template head<4>() + eight.template tail<4>();
  return (four[0] + four[2]) + (four[1] + four[3]);
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

/// Extents as Eigen and loops want them: tiles of `tile` in n.
constexpr std::int64_t tiles(std::int64_t n, std::int64_t tile) { return (n + tile - 1) / tile; }

}  // namespace triptych::reference

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
#include <array>
#include <bit>
#include <cmath>
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

/// Sixteen words as the compiler's own vectors, which does not find the conversions by itself; and such a
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

/// Values as they come back when they have been stored.
template <class S, class A>
Chunk<A> rounded(const Chunk<A>& chunk) {
  S stored[lanes];
  store_lanes(stored, chunk);
  return load_lanes(stored);
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

/// a · b + c, rounded once where the processor can.
template <class A>
A multiply_add(A a, A b, A c) {
#ifdef EIGEN_VECTORIZE_FMA
  return std::fma(a, b, c);
#else
  return a * b + c;
#endif
}

/// What e^z is computed with. ln 2 is cut in two, so that n · ln2_high is exact.
template <class A>
struct Exponential;
template <>
struct Exponential<float> {
  using Bits = std::int32_t;
  static constexpr int fraction = 23, bias = 127, degree = 7;
  static constexpr float log2_e = 1.44269504f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
};
template <>
struct Exponential<double> {
  using Bits = std::int64_t;
  static constexpr int fraction = 52, bias = 1023, degree = 13;
  static constexpr double log2_e = 1.4426950408889634, ln2_high = 0.693145751953125,
                          ln2_low = 1.4286068203094172e-6;
};

/// 1/0!, 1/1!, … 1/degree!
template <class A>
constexpr auto inverse_factorials() {
  std::array<A, Exponential<A>::degree + 1> all{};
  double product = 1;
  for (std::size_t n = 0; n < all.size(); product *= static_cast<double>(++n)) all[n] = static_cast<A>(1 / product);
  return all;
}

/// e^z to within one unit in the last place; zero where that would be subnormal, infinite for the last 0.4
/// below what would overflow. Without a branch, so that the compiler makes vectors of it. (Eigen's own is
/// slower, and it stops falling at the smallest normal number.)
template <class A>
[[gnu::always_inline]] inline Chunk<A> exponential(const Chunk<A>& z) {
  using E = Exponential<A>;
  using Bits = typename E::Bits;
  constexpr auto factors = inverse_factorials<A>();
  constexpr A anchor = A(3) * static_cast<A>(Bits{1} << (E::fraction - 1));  // has an ulp of 1
  constexpr A ln2 = E::ln2_high + E::ln2_low;
  // From 2^-bias, which step 3 makes zero, to 2^(bias + 1), which it makes infinity.
  const Chunk<A> x = z.max(-E::bias * ln2).min((E::bias + 1) * ln2);
  Chunk<A> result;
  for (int i = 0; i < lanes; ++i) {
    // 1. z = n · ln 2 + r with |r| ≤ ln 2 / 2: the sum with the anchor rounds to n.
    const A sum = multiply_add(x[i], E::log2_e, anchor), n = sum - anchor;
    const A r = multiply_add(-n, E::ln2_low, multiply_add(-n, E::ln2_high, x[i]));
    // 2. e^r by its Taylor series.
    A series = 0;
    for (int k = E::degree; k >= 0; --k) series = multiply_add(series, r, factors[k]);
    // 3. Times 2^n: n, which the sum holds in its lowest bits, becomes an exponent.
    const Bits exponent = std::bit_cast<Bits>(sum) - std::bit_cast<Bits>(anchor) + E::bias;
    result[i] = series * std::bit_cast<A>(exponent << E::fraction);
  }
  return result;
}

/// 1 / (1 + e^-z)
template <class A>
[[gnu::always_inline]] inline Chunk<A> sigmoid(const Chunk<A>& z) {
  return A(1) / (A(1) + exponential<A>(-z));
}

/// Extents as Eigen and loops want them: tiles of `tile` in n.
constexpr std::int64_t tiles(std::int64_t n, std::int64_t tile) { return (n + tile - 1) / tile; }

}  // namespace triptych::reference

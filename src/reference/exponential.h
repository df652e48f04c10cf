/// \file
/// The exponential of a chunk, and what is made of it.
///
/// Eigen's own stops falling at the smallest normal number, and within select() it becomes sixteen calls of
/// the C library's. This one has no branch, so that the compiler makes vectors of it.
#pragma once

#include <array>
#include <bit>
#include <cmath>

#include "reference/numeric.h"

namespace triptych::reference {

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
  for (std::size_t n = 0; n < all.size(); ++n) {
    if (n > 0) product *= static_cast<double>(n);
    all[n] = static_cast<A>(1 / product);
  }
  return all;
}

/// e^z to within one unit in the last place; zero below 2^(0.5 - bias), infinite above 2^(0.5 + bias).
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

}  // namespace triptych::reference

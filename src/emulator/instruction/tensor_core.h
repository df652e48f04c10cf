/// \file
/// The arithmetic of tensor cores in two numerics.
///
/// fast    every product and sum in f32.
/// exact   as Hopper's hardware is modelled by MMA-Sim, whose authors validated it bit by bit: an element of
///         D is one fused sum. All K products and C are aligned to the largest exponent, truncated toward
///         zero at F fractional bits and added exactly; the sum is truncated to f32, or rounded to nearest
///         even for f16. F is 25, and 13 for FP8 through wgmma, where the f32 result is also truncated to
///         13 fractional bits. Subnormal operands are not normalised; a zero has the exponent -126.
///
/// Integers are exact: products are added in 32 bits, and C with or without saturation. f64 is a chain of
/// fused multiply-adds, the first k first.
///
/// Everything is made of products of 8 rows by 8 columns, whose D lies in the warp as all of PTX's
/// fragments do: lane 4r + q has the columns 2q and 2q + 1 of row r, one register for the even columns and
/// one for the odd ones.
#pragma once

#include <array>
#include <cstdint>

#include "emulator/machine/instr.h"
#include "emulator/ptx/type.h"

namespace triptych::emulator {

/// Most elements of a row of A in one instruction: m16n8k64 of 4-bit integers. B is twice as deep if A is
/// sparse.
inline constexpr int most_depth = 64;

/// Eight rows of A as the lanes need them: at[k][l] = A(l / 4, k).
template <class T>
struct Rows {
  static constexpr int width = warp_size, deepest = most_depth;
  void set(int row, int k, T value) {
    for (int q = 0; q < 4; ++q) at[k][4 * row + q] = value;
  }
  alignas(64) T at[deepest][width];
};

/// Four columns of B, the even or the odd ones of eight, twice: at[k][x] = B(k, 2(x % 4) + odd).
template <class T>
struct Columns {
  static constexpr int width = 8, deepest = 2 * most_depth;
  void set(int pair, int k, T value) { at[k][pair] = at[k][pair + 4] = value; }
  alignas(64) T at[deepest][width];
};

/// The same as significands with 10 fractional bits and exponents, of every format below f32.
template <class Strip>
struct Significands {
  alignas(64) std::int32_t significand[most_depth][Strip::width];
  alignas(64) std::int32_t exponent[most_depth][Strip::width];
  bool finite;   ///< no infinity, no NaN
};

/// How the hardware adds, and what it makes of the sum.
struct TensorNumerics {
  int fraction_bits = 25;      ///< F
  int result_bits = 23;        ///< fractional bits of an f32 result that are kept
  bool half = false;           ///< D is f16
  int least_c = -126;          ///< C's format, see least_exponent()
};

// Strip is Columns or, where each row of A meets other rows of B (sparse.h), Rows.

/// d[l] = Σ_k a[k][l] · b[k][l % width] + d[l], k below `depth`, in f32.
template <class Strip>
void multiply_fast(const Rows<float>& a, const Strip& b, int depth, float* d);
/// The same of both columns at once.
void multiply_fast(const Rows<float>& a, const std::array<Columns<float>, 2>& b, int depth, float* even, float* odd);

/// A format's least exponent of normal numbers decides what subnormal ones look like.
int least_exponent(Type type);
template <class Strip>
void split(const Strip& values, int depth, int least_exponent, Significands<Strip>& to);
/// The same as multiply_fast in the exact numerics. `a` and `b` are what sa and sb were made of: they are
/// asked where values are not finite.
template <class Strip>
void multiply_exact(const Rows<float>& a, const Strip& b, const Significands<Rows<float>>& sa,
                    const Significands<Strip>& sb, int depth, const TensorNumerics& numerics, float* d);

/// One of the two, of strips of these formats that no other product needs.
template <class Strip>
void multiply_once(const Rows<float>& a, const Strip& b, Type type_a, Type type_b, int depth, bool exact,
                   const TensorNumerics& numerics, float* d) {
  if (!exact) return multiply_fast(a, b, depth, d);
  Significands<Rows<float>> sa;
  Significands<Strip> sb;
  split(a, depth, least_exponent(type_a), sa);
  split(b, depth, least_exponent(type_b), sb);
  multiply_exact(a, b, sa, sb, depth, numerics, d);
}

enum class IntegerProduct : std::uint8_t { multiply, bits_and, bits_xor };

/// d[l] = Σ_k a ∘ b + d[l]; the products of bits are counts of ones in 32-bit words.
template <class Strip>
void multiply_integer(const Rows<std::int32_t>& a, const Strip& b, int depth, IntegerProduct product, bool saturate,
                      std::int32_t* d);
void multiply_double(const Rows<double>& a, const Columns<double>& b, int depth, double* d);

}  // namespace triptych::emulator

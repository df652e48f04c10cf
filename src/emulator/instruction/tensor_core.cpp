#include "emulator/instruction/tensor_core.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "emulator/instruction/half.h"

namespace triptych::emulator {
namespace {

/// Eight lanes, which compilers keep in one register or in two.
using Floats = float __attribute__((vector_size(32)));
using Ints = std::int32_t __attribute__((vector_size(32)));
constexpr int parts = warp_size / 8;

constexpr int zero_exponent = -126;

/// Significand · 2^(exponent - 23) of an f32; below `least` it is left unnormalised.
struct Addend {
  std::int64_t significand;
  int exponent;
};

Addend addend(float value, int least) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const int field = static_cast<int>(bits >> 23 & 0xFF), own = std::max(field, 1) - 127;
  const std::int64_t magnitude = (bits & 0x7FFFFF) | (field == 0 ? 0 : 0x800000);
  if (magnitude == 0) return {0, zero_exponent};
  const int exponent = std::max(own, least);
  return {(bits >> 31 != 0 ? -magnitude : magnitude) >> (exponent - own), exponent};   // of its format, so no bit is lost
}

/// sum · 2^unit in f32, truncated to `keep` fractional bits.
float truncated(std::int64_t sum, int unit, int keep) {
  auto magnitude = static_cast<std::uint64_t>(sum < 0 ? -sum : sum);
  if (magnitude == 0) return 0.0f;
  const int exponent = std::max(63 - std::countl_zero(magnitude) + unit, -126);
  const int shift = exponent - keep - unit;
  magnitude = shift > 63 ? 0 : shift >= 0 ? magnitude >> shift : magnitude << -shift;
  if (magnitude == 0) return 0.0f;
  const auto bits = static_cast<std::uint32_t>(magnitude << (23 - keep)) + (static_cast<std::uint32_t>(exponent + 126) << 23);
  return std::bit_cast<float>((exponent > 127 ? 0x7F800000u : bits) | (sum < 0 ? 0x80000000u : 0u));
}

/// sum · 2^unit rounded to nearest even in f16, as f32.
float rounded_to_half(std::int64_t sum, int unit) {
  auto magnitude = static_cast<std::uint64_t>(sum < 0 ? -sum : sum);
  if (magnitude == 0) return 0.0f;
  const int exponent = std::max(63 - std::countl_zero(magnitude) + unit, -14);
  const int shift = exponent - 10 - unit;
  if (shift > 63) return 0.0f;
  if (shift > 0) {
    const std::uint64_t rest = magnitude & ((std::uint64_t{1} << shift) - 1), half = std::uint64_t{1} << (shift - 1);
    magnitude = (magnitude >> shift) + (rest + (magnitude >> shift & 1) > half ? 1 : 0);
  } else {
    magnitude <<= -shift;
  }
  if (magnitude == 0) return 0.0f;
  // A carry counts the exponent up.
  const std::uint64_t bits = magnitude + (static_cast<std::uint64_t>(exponent + 14) << 10);
  return f16_value(static_cast<std::uint16_t>(std::min<std::uint64_t>(exponent > 15 ? 0x7C00 : bits, 0x7C00) | (sum < 0 ? 0x8000 : 0)));
}

/// Infinities and NaNs decide alone; false if there are none.
template <class Strip>
bool special(const Rows<float>& a, const Strip& b, int depth, int l, float& d) {
  double sum = d;
  bool finite = std::isfinite(d);
  for (int k = 0; k < depth; ++k) {
    const float x = a.at[k][l], y = b.at[k][l % Strip::width];
    finite = finite && std::isfinite(x) && std::isfinite(y);
    sum += static_cast<double>(x) * static_cast<double>(y);
  }
  if (!finite) d = std::isnan(sum) ? std::bit_cast<float>(0x7FFFFFFFu) : static_cast<float>(sum);
  return !finite;
}

/// Eight lanes: Σ of the products at F fractional bits below 2^largest; `largest` comes in as C's exponent.
template <int width>
void fused(const std::int32_t (*sa)[warp_size], const std::int32_t (*ea)[warp_size], const std::int32_t (*sb)[width],
           const std::int32_t (*eb)[width], int depth, int fraction_bits, std::int32_t* largest_of, std::int64_t* sums) {
  const auto load = [](const std::int32_t* from, Ints& to) { std::memcpy(&to, from, sizeof to); };
  Ints largest, x, y;
  load(largest_of, largest);
  for (int k = 0; k < depth; ++k) {
    load(ea[k], x);
    load(eb[k], y);
    x += y;
    largest = x > largest ? x : largest;
  }
  std::memcpy(largest_of, &largest, sizeof largest);
  // A product has 22 bits, 20 of them fractional.
  const int up = std::max(fraction_bits - 20, 0), down = std::max(20 - fraction_bits, 0);
  using Unsigned = std::uint32_t __attribute__((vector_size(32)));
  for (int from = 0; from < depth; from += 8) {   // 8 products of 27 bits are added without overflow
    Ints part = {};
    for (int k = from; k < std::min(from + 8, depth); ++k) {
      load(ea[k], x);
      load(eb[k], y);
      Ints shift = largest - x - y + down;
      shift = shift > 31 ? Ints{} + 31 : shift;
      load(sa[k], x);
      load(sb[k], y);
      const Ints product = x * y, sign = product >> 31;
      const auto magnitude = reinterpret_cast<Unsigned>((product ^ sign) - sign) << up;
      const auto kept = reinterpret_cast<Ints>(magnitude >> reinterpret_cast<Unsigned>(shift));
      part += (kept ^ sign) - sign;
    }
    std::int32_t lanes[8];
    std::memcpy(lanes, &part, sizeof part);
    for (int l = 0; l < 8; ++l) sums[l] += lanes[l];
  }
}

}  // namespace

template <class Strip>
void multiply_fast(const Rows<float>& a, const Strip& b, int depth, float* d) {
  Floats sum[parts], x, y;
  std::memcpy(sum, d, sizeof sum);
  for (int k = 0; k < depth; ++k) {
    std::memcpy(&y, b.at[k], sizeof y);
    for (int p = 0; p < parts; ++p) {
      if (p > 0 && Strip::width > 8) std::memcpy(&y, b.at[k] + 8 * p % Strip::width, sizeof y);
      std::memcpy(&x, a.at[k] + 8 * p, sizeof x);
      sum[p] += x * y;
    }
  }
  std::memcpy(d, sum, sizeof sum);
}
void multiply_fast(const Rows<float>& a, const std::array<Columns<float>, 2>& b, int depth, float* even, float* odd) {
  // Twice as many sums that do not wait for each other, and A's rows are loaded once for both.
  Floats sum[2][parts], x, y[2];
  for (int p = 0; p < parts; ++p) {
    std::memcpy(&sum[0][p], even + 8 * p, sizeof x);
    std::memcpy(&sum[1][p], odd + 8 * p, sizeof x);
  }
  for (int k = 0; k < depth; ++k) {
    std::memcpy(&y[0], b[0].at[k], sizeof y[0]);
    std::memcpy(&y[1], b[1].at[k], sizeof y[1]);
    for (int p = 0; p < parts; ++p) {
      std::memcpy(&x, a.at[k] + 8 * p, sizeof x);
      sum[0][p] += x * y[0];
      sum[1][p] += x * y[1];
    }
  }
  for (int p = 0; p < parts; ++p) {
    std::memcpy(even + 8 * p, &sum[0][p], sizeof x);
    std::memcpy(odd + 8 * p, &sum[1][p], sizeof x);
  }
}

template void multiply_fast(const Rows<float>&, const Columns<float>&, int, float*);
template void multiply_fast(const Rows<float>&, const Rows<float>&, int, float*);

int least_exponent(Type type) {
  if (type == Type::e4m3) return -6;
  return type == Type::f16 || type == Type::e5m2 ? -14 : -126;
}

template <class Strip>
void split(const Strip& values, int depth, int least, Significands<Strip>& to) {
  std::uint32_t most = 0;
  for (int k = 0; k < depth; ++k) {
    for (int l = 0; l < Strip::width; ++l) {
      const auto bits = std::bit_cast<std::uint32_t>(values.at[k][l]);
      const auto field = static_cast<std::int32_t>(bits >> 23 & 0xFF);
      const std::int32_t own = (field == 0 ? 1 : field) - 127, exponent = own > least ? own : least;
      const auto magnitude = static_cast<std::int32_t>((bits & 0x7FFFFF) | (field == 0 ? 0u : 0x800000u));
      const std::int32_t shift = 13 + exponent - own, kept = magnitude >> (shift > 31 ? 31 : shift);
      to.significand[k][l] = bits >> 31 != 0 ? -kept : kept;
      to.exponent[k][l] = magnitude == 0 ? zero_exponent : exponent;
      most = std::max(most, bits & 0x7FFFFFFF);
    }
  }
  to.finite = most < 0x7F800000;
}
template void split(const Rows<float>&, int, int, Significands<Rows<float>>&);
template void split(const Columns<float>&, int, int, Significands<Columns<float>>&);

template <class Strip>
void multiply_exact(const Rows<float>& a, const Strip& b, const Significands<Rows<float>>& sa,
                    const Significands<Strip>& sb, int depth, const TensorNumerics& n, float* d) {
  bool finite = sa.finite && sb.finite;
  for (int l = 0; l < warp_size; ++l) finite = finite && std::isfinite(d[l]);
  for (int first = 0; first < warp_size; first += 8) {
    Addend c[8];
    std::int32_t largest[8];
    std::int64_t sums[8] = {};
    for (int l = 0; l < 8; ++l) {
      c[l] = addend(d[first + l], n.least_c);
      largest[l] = c[l].exponent;
    }
    const auto at = [&]<std::size_t k, std::size_t width>(const std::int32_t(&rows)[k][width]) {
      return reinterpret_cast<const std::int32_t(*)[width]>(&rows[0][static_cast<std::size_t>(first) % width]);
    };
    fused<Strip::width>(at(sa.significand), at(sa.exponent), at(sb.significand), at(sb.exponent), depth, n.fraction_bits, largest, sums);
    for (int l = 0; l < 8; ++l) {
      if (!finite && special(a, b, depth, first + l, d[first + l])) continue;
      const int down = largest[l] - c[l].exponent + 23 - n.fraction_bits;
      const std::int64_t s = c[l].significand, magnitude = s < 0 ? -s : s;
      const std::int64_t kept = down > 62 ? 0 : down >= 0 ? magnitude >> down : magnitude << -down;
      sums[l] += s < 0 ? -kept : kept;
      const int unit = largest[l] - n.fraction_bits;
      d[first + l] = n.half ? rounded_to_half(sums[l], unit) : truncated(sums[l], unit, n.result_bits);
    }
  }
}

template void multiply_exact(const Rows<float>&, const Columns<float>&, const Significands<Rows<float>>&,
                             const Significands<Columns<float>>&, int, const TensorNumerics&, float*);
template void multiply_exact(const Rows<float>&, const Rows<float>&, const Significands<Rows<float>>&,
                             const Significands<Rows<float>>&, int, const TensorNumerics&, float*);

template <class Strip>
void multiply_integer(const Rows<std::int32_t>& a, const Strip& b, int depth, IntegerProduct product, bool saturate,
                      std::int32_t* d) {
  std::int32_t sum[warp_size] = {};
  for (int k = 0; k < depth; ++k) {
    const std::int32_t *x = a.at[k], *y = b.at[k];
    if (product == IntegerProduct::multiply) {
      for (int l = 0; l < warp_size; ++l) sum[l] += x[l] * y[l % Strip::width];
    } else {
      const bool both = product == IntegerProduct::bits_and;
      for (int l = 0; l < warp_size; ++l) {
        sum[l] += std::popcount(static_cast<std::uint32_t>(both ? x[l] & y[l % Strip::width] : x[l] ^ y[l % Strip::width]));
      }
    }
  }
  for (int l = 0; l < warp_size; ++l) {
    const std::int64_t whole = std::int64_t{d[l]} + sum[l];
    d[l] = static_cast<std::int32_t>(saturate ? std::clamp<std::int64_t>(whole, INT32_MIN, INT32_MAX) : whole);
  }
}

template void multiply_integer(const Rows<std::int32_t>&, const Columns<std::int32_t>&, int, IntegerProduct, bool,
                               std::int32_t*);
template void multiply_integer(const Rows<std::int32_t>&, const Rows<std::int32_t>&, int, IntegerProduct, bool, std::int32_t*);

void multiply_double(const Rows<double>& a, const Columns<double>& b, int depth, double* d) {
  for (int k = 0; k < depth; ++k) {
    for (int l = 0; l < warp_size; ++l) d[l] = std::fma(a.at[k][l], b.at[k][l % 8], d[l]);
  }
}

}  // namespace triptych::emulator

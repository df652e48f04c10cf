/// \file
/// Values that arithmetic trips over, and random ones.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

#include "emulator/ptx/type.h"

namespace triptych::emulator::test {

/// Bits of one operand in many lanes.
using Values = std::vector<std::uint64_t>;

/// Zeros, extremes, infinities, NaNs, subnormal numbers and neighbours of powers of two, as bits of a type.
inline Values special_values(Type type) {
  switch (type) {
    case Type::pred: return {0, 1};
    case Type::f16:
      return {0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x83FF, 0x0400, 0x3800, 0x3BFF, 0x3C00, 0xBC00, 0x3C01,
              0x3E00, 0x4100, 0x63FF, 0x6401, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7C01, 0x7E00, 0xFE01, 0x7FF7, 0xFFF7, 0x7FFF};
    case Type::bf16:
      return {0x0000, 0x8000, 0x0001, 0x8001, 0x007F, 0x0080, 0x8080, 0x3F00, 0x3F7F, 0x3F80, 0xBF80, 0x3F81,
              0x3FC0, 0x4020, 0x42FF, 0x7F7F, 0xFF7F, 0x7F80, 0xFF80, 0x7F81, 0x7FC0, 0xFFC1, 0x7FF7, 0xFFF7, 0x7FFF};
    case Type::f32:
      return {0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007FFFFF, 0x00800000, 0x80800000, 0x33000000,
              0x33000001, 0x3EFFFFFF, 0x3F000000, 0xBF000000, 0x3F7FFFFF, 0x3F800000, 0xBF800000, 0x3F800001,
              0x3FC00000, 0x40200000, 0xC0200000, 0x4AFFFFFF, 0x4B000001, 0x4EFFFFFF, 0x4F000000, 0xCF000000,
              0xCF000001, 0x4F7FFFFF, 0x4F800000, 0x5EFFFFFF, 0x5F000000, 0xDF000000, 0x5F800000, 0x477FEFFF,
              0x477FF000, 0x38800000, 0x387FFFFF, 0x3F808000, 0x3F818000, 0x3F801000, 0x3F803000, 0x7F7FFFFF,
              0xFF7FFFFF, 0x7F800000, 0xFF800000, 0x7F800001, 0x7FC00000, 0xFFC00001, 0x7FFFFFFF};
    case Type::f64:
      return {0x0000000000000000, 0x8000000000000000, 0x0000000000000001, 0x8000000000000001, 0x000FFFFFFFFFFFFF,
              0x0010000000000000, 0x3FE0000000000000, 0x3FEFFFFFFFFFFFFF, 0x3FF0000000000000, 0xBFF0000000000000,
              0x3FF0000000000001, 0x3FF8000000000000, 0x4004000000000000, 0xC004000000000000, 0x3FF0000010000000,
              0x3FF0000030000000, 0x3FF0000010000001, 0x36A0000000000000, 0x3690000000000000, 0x3690000000000001,
              0x380FFFFFFFFFFFFF, 0x380FFFFFE0000000, 0x3810000000000000, 0x41DFFFFFFFC00000, 0x41E0000000000000,
              0xC1E0000000000000, 0xC1E0000000200000, 0x41EFFFFFFFE00000, 0x41F0000000000000, 0x432FFFFFFFFFFFFF,
              0x4330000000000001, 0x43DFFFFFFFFFFFFF, 0x43E0000000000000, 0xC3E0000000000000, 0x43F0000000000000,
              0x47EFFFFFE0000000, 0x47EFFFFFEFFFFFFF, 0x47EFFFFFF0000000, 0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000,
              0xFFF0000000000000, 0x7FF0000000000001, 0x7FF8000000000000, 0xFFF8000000000001, 0x7FFFFFFFFFFFFFFF};
    default: break;
  }
  const int bits = bits_of(type);
  const std::uint64_t all = ~std::uint64_t{0} >> (64 - bits), top = std::uint64_t{1} << (bits - 1);
  Values values = {0, 1, 2, 3, 5, 7, all, all - 1, all - 6, top, top - 1, top + 1, top >> 1, all / 3, all / 3 * 2};
  for (int b = 7; b < bits; b += 8) {
    const std::uint64_t power = std::uint64_t{1} << b;
    values.insert(values.end(), {power - 1, power, power + 1, (0 - power) & all});
  }
  return values;
}

/// Random bits; numbers of every magnitude among integers, and of moderate exponents among floats.
template <class Random>
std::uint64_t random_value(Type type, Random& random) {
  const int bits = bits_of(type);
  const std::uint64_t all = ~std::uint64_t{0} >> (64 - bits);
  const std::uint64_t value = random();
  if (is_float(type)) return value & all;
  const std::uint64_t shorter = value >> (64 - bits) >> (random() % static_cast<unsigned>(bits));
  return (random() % 2 != 0 ? shorter : 0 - shorter) & all;
}

/// Columns of operands: all combinations of special values (or a sample of them, if they are more than
/// `most`), and as many random rows, 1000 at least where `most` allows it.
inline std::vector<Values> operands(const std::vector<Type>& types, std::size_t most = 4096, unsigned seed = 1) {
  std::mt19937_64 random(seed);
  std::vector<Values> specials;
  std::size_t combinations = 1;
  for (const Type t : types) {
    specials.push_back(special_values(t));
    combinations = std::min(combinations * specials.back().size(), std::size_t{1} << 40);
  }
  std::vector<Values> columns(types.size());
  const std::size_t rows = std::min(combinations, most);
  for (std::size_t row = 0; row < rows + std::max(rows, std::min<std::size_t>(most, 1000)); ++row) {
    std::size_t which = combinations <= most ? row : random() % combinations;
    for (std::size_t c = 0; c < types.size(); ++c) {
      const bool special = row < rows || random() % 4 == 0;
      const std::uint64_t own = specials[c][which % specials[c].size()];
      columns[c].push_back(special ? own : random_value(types[c], random));
      which /= specials[c].size();
    }
  }
  return columns;
}

}  // namespace triptych::emulator::test

/// \file
/// Operands of matrix products: from registers and packed words to the strips that tensor_core.h takes.
///
/// A 32-bit register (64-bit for f64) holds `per` elements that follow each other along K. For a product of
/// m rows, A's register r holds, in lane 4g + q, row g + 8 · (r % (m / 8)) and k = per · (q + 4 · (r / (m / 8))) + i;
/// B's register r column g and k = per · (q + 4 r) + i. Bits are not unpacked: an element is a word of 32.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "emulator/instruction/half.h"
#include "emulator/instruction/tensor_core.h"
#include "emulator/machine/warp.h"

namespace triptych::emulator {

/// How elements of a format lie in a word: Word, Value, per, get(word, i).
template <class F>
struct SmallCodec {
  using Word = std::uint32_t;
  using Value = float;
  static constexpr int bits = F::mantissa_bits == 10 ? 16 : F::sign == 0x80 ? 8 : 16, per = 32 / bits;
  static float get(Word word, int i) {
    return std::bit_cast<float>(widen<F>(word >> bits * i & (0xFFFFFFFFu >> (32 - bits))));
  }
};
struct TfCodec {
  using Word = std::uint32_t;
  using Value = float;
  static constexpr int per = 1;
  static float get(Word word, int) { return std::bit_cast<float>(word & 0xFFFFE000); }   // truncated
};
struct DoubleCodec {
  using Word = std::uint64_t;
  using Value = double;
  static constexpr int per = 1;
  static double get(Word word, int) { return std::bit_cast<double>(word); }
};
template <int bits, bool is_signed>
struct IntegerCodec {
  using Word = std::uint32_t;
  using Value = std::int32_t;
  static constexpr int per = 32 / bits;
  static std::int32_t get(Word word, int i) {
    const std::uint32_t top = word << (32 - bits - bits * i) & (0xFFFFFFFFu << (32 - bits));
    return is_signed ? static_cast<std::int32_t>(top) >> (32 - bits) : static_cast<std::int32_t>(top >> (32 - bits));
  }
};
struct BitCodec {
  using Word = std::uint32_t;
  using Value = std::int32_t;
  static constexpr int per = 1;
  static std::int32_t get(Word word, int) { return static_cast<std::int32_t>(word); }
};

/// f.operator()<Codec>() for a type with elements of Value.
template <class Value, class F>
void with_codec(Type type, F&& f) {
  if constexpr (std::is_same_v<Value, float>) {
    switch (type) {
      case Type::f16: return f.template operator()<SmallCodec<Float16>>();
      case Type::bf16: return f.template operator()<SmallCodec<BFloat16>>();
      case Type::e4m3: return f.template operator()<SmallCodec<E4M3>>();
      case Type::e5m2: return f.template operator()<SmallCodec<E5M2>>();
      default: return f.template operator()<TfCodec>();
    }
  } else if constexpr (std::is_same_v<Value, double>) {
    f.template operator()<DoubleCodec>();
  } else {
    switch (type) {
      case Type::s8: return f.template operator()<IntegerCodec<8, true>>();
      case Type::u8: return f.template operator()<IntegerCodec<8, false>>();
      case Type::s4: return f.template operator()<IntegerCodec<4, true>>();
      case Type::u4: return f.template operator()<IntegerCodec<4, false>>();
      default: return f.template operator()<BitCodec>();
    }
  }
}

/// Elements of a register, or of what has the layout of one.
inline int per_word(Type type) {
  return type == Type::f64 || type == Type::b1 ? 1 : 32 / bits_of(type == Type::tf32 ? Type::b32 : type);
}

/// One register of A into the rows of its half.
template <class Codec>
void unpack_rows(const typename Codec::Word* lanes, int group, Rows<typename Codec::Value>& to) {
  for (int l = 0; l < warp_size; ++l) {
    const int k = Codec::per * (l % 4 + 4 * group);
    for (int i = 0; i < Codec::per; ++i) to.set(l / 4, k + i, Codec::get(lanes[l], i));
  }
}
/// One register of B into the even and the odd columns.
template <class Codec>
void unpack_columns(const typename Codec::Word* lanes, int group, std::array<Columns<typename Codec::Value>, 2>& to) {
  for (int l = 0; l < warp_size; ++l) {
    const int n = l / 4, k = Codec::per * (l % 4 + 4 * group);
    for (int i = 0; i < Codec::per; ++i) to[static_cast<std::size_t>(n % 2)].set(n / 2, k + i, Codec::get(lanes[l], i));
  }
}

}  // namespace triptych::emulator

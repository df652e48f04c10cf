// Bits and fields of bits.
#include <algorithm>
#include <bit>
#include <type_traits>

#include "emulator/instruction/dispatch.h"
#include "emulator/instruction/integer.h"

namespace triptych::emulator {
namespace {

using U32 = std::uint32_t;
using S32 = std::int32_t;
using U64 = std::uint64_t;
constexpr U32 none = ~U32{0};

struct Popc {
  template <class T>
  U32 operator()(T a) const { return static_cast<U32>(std::popcount(a)); }
};
struct Clz {
  template <class T>
  U32 operator()(T a) const { return static_cast<U32>(std::countl_zero(a)); }
};
/// The highest bit that differs from the sign: its number, or the shift that brings it to the top.
template <bool shift>
struct Bfind {
  template <class T>
  U32 operator()(T a) const {
    using U = std::make_unsigned_t<T>;
    const U bits = a < 0 ? static_cast<U>(~a) : static_cast<U>(a);
    const auto zeros = static_cast<U32>(std::countl_zero(bits));
    if (bits == 0) return none;
    return shift ? zeros : static_cast<U32>(8 * sizeof(T) - 1) - zeros;
  }
};
struct Brev {
  template <class T>
  T operator()(T a) const {
    constexpr T all = ~T{0};
    a = (a & all / 3) << 1 | (a >> 1 & all / 3);
    a = (a & all / 5) << 2 | (a >> 2 & all / 5);
    a = (a & all / 17) << 4 | (a >> 4 & all / 17);
    if constexpr (sizeof(T) == 4) {
      return __builtin_bswap32(a);
    } else {
      return __builtin_bswap64(a);
    }
  }
};

/// `count` ones at the bottom, any count.
template <class T>
T ones(U32 count) {
  constexpr U32 bits = 8 * sizeof(T);
  return count >= bits ? static_cast<T>(~T{0}) : static_cast<T>((T{1} << (count % bits)) - 1);
}
/// a << count and a >> count, 0 from the width on.
template <class T>
T left(T a, U32 count) {
  constexpr U32 bits = 8 * sizeof(T);
  return count >= bits ? T{0} : static_cast<T>(a << (count % bits));
}
template <class T>
T right(T a, U32 count) {
  constexpr U32 bits = 8 * sizeof(T);
  return count >= bits ? T{0} : static_cast<T>(a >> (count % bits));
}

/// Length and position count modulo 256. The sign is that of the field's highest bit within the register.
template <class T>
void bfe(Warp& w, const Instr& i) {
  using U = std::make_unsigned_t<T>;
  constexpr U32 bits = 8 * sizeof(T);
  const auto* a = w.in<U>(i.op[1]);
  const auto *position = w.in<U32>(i.op[2]), *length = w.in<U32>(i.op[3]);
  for_lanes(w, w.out<U>(i.op[0]), [=](int l) {
    const U32 at = position[l] & 0xFF, n = length[l] & 0xFF;
    const U field = right(a[l], at) & ones<U>(n);
    if constexpr (!std::is_signed_v<T>) return field;
    const U32 top = std::min(at + n - 1, bits - 1);
    const bool negative = n != 0 && (a[l] >> (top % bits) & 1) != 0;
    const U32 held = at >= bits ? 0 : std::min(n, bits - at);
    return negative ? static_cast<U>(field | ~ones<U>(held)) : field;
  });
}
template <class T>
void bfi(Warp& w, const Instr& i) {
  const auto *a = w.in<T>(i.op[1]), *b = w.in<T>(i.op[2]);
  const auto *position = w.in<U32>(i.op[3]), *length = w.in<U32>(i.op[4]);
  for_lanes(w, w.out<T>(i.op[0]), [=](int l) {
    const U32 at = position[l] & 0xFF;
    const T field = left(ones<T>(length[l] & 0xFF), at);
    return static_cast<T>((left(a[l], at) & field) | (b[l] & ~field));
  });
}

/// Ones from bit a on, b of them.
template <bool clamp>
struct Bmsk {
  U32 operator()(U32 a, U32 b) const {
    if (!clamp) {
      a &= 31;
      b &= 31;
    }
    return left(ones<U32>(b), a);
  }
};
/// The lower b bits of a; with a sign if signed.
template <class T, bool clamp>
struct Szext {
  U32 operator()(U32 a, U32 b) const {
    const U32 n = clamp ? std::min(b, U32{32}) : b & 31, unused = 32 - n;
    return n == 0 ? 0 : static_cast<U32>(static_cast<T>(a << (unused % 32)) >> (unused % 32));
  }
};

/// The n-th one of `mask` from bit `base` on, upwards or, if n is negative, downwards. n = 0 asks for the bit
/// at the base itself.
U32 find_nth_set(U32 mask, U32 base, S32 n) {
  if (base > 31) return none;
  if (n == 0) return (mask >> base & 1) != 0 ? base : none;
  const S32 step = n > 0 ? 1 : -1;
  U32 left_over = n > 0 ? static_cast<U32>(n) : U32{0} - static_cast<U32>(n);
  for (S32 at = static_cast<S32>(base); at >= 0 && at < 32; at += step) {
    if ((mask >> at & 1) != 0 && --left_over == 0) return static_cast<U32>(at);
  }
  return none;
}
void fns(Warp& w, const Instr& i) {
  const auto *mask = w.in<U32>(i.op[1]), *base = w.in<U32>(i.op[2]);
  const auto* n = w.in<S32>(i.op[3]);
  for_lanes(w, w.out<U32>(i.op[0]), [=](int l) { return find_nth_set(mask[l], base[l], n[l]); });
}

template <class F>
Run count_of(Choice& c) {
  return c.type("T") == Type::b32 ? Run(unary<U32, F, U32>) : unary<U64, F, U32>;
}
template <bool shift>
Run bfind(Choice& c) {
  return for_integer(c.type("T"), []<class T>() { return Run(unary<T, Bfind<shift>, U32>); });
}
Run brev(Choice& c) { return c.type("T") == Type::b32 ? Run(unary<U32, Brev>) : unary<U64, Brev>; }
Run bfe_of(Choice& c) {
  return for_integer(c.type("T"), []<class T>() { return Run(bfe<T>); });
}
Run bfi_of(Choice& c) { return c.type("T") == Type::b32 ? Run(bfi<U32>) : bfi<U64>; }
Run bmsk(Choice& c) { return c.has("clamp") ? Run(binary<U32, Bmsk<true>>) : binary<U32, Bmsk<false>>; }
template <class T>
Run szext_of(bool clamp) {
  return clamp ? Run(binary<U32, Szext<T, true>>) : binary<U32, Szext<T, false>>;
}
Run szext(Choice& c) { return c["T"] == "s32" ? szext_of<S32>(c.has("clamp")) : szext_of<U32>(c.has("clamp")); }

const Form table[] = {
    {"popc.<T: b32 b64>", "=u32, T", count_of<Popc>, 0, 20, 20, false, "integer_bits"},
    {"clz.<T: b32 b64>", "=u32, T", count_of<Clz>, 0, 20, 20, false, "integer_bits"},
    {"bfind.<T: u32 u64 s32 s64>", "=u32, T", bfind<false>, 0, 20, 20, false, "integer_bits"},
    {"bfind.shiftamt.<T: u32 u64 s32 s64>", "=u32, T", bfind<true>, 0, 20, 20, false, "integer_bits"},
    {"fns.b32", "=b32, b32, b32, b32", always<fns>, 0, 60, 30, false, "integer_bits"},
    {"brev.<T: b32 b64>", "=T, T", brev, 0, 20, 20, false, "integer_bits"},
    {"bfe.<T: u32 u64 s32 s64>", "=T, T, u32, u32", bfe_of, 0, 20, 20, false, "integer_bits"},
    {"bfi.<T: b32 b64>", "=T, T, T, u32, u32", bfi_of, 0, 20, 20, false, "integer_bits"},
    {"bmsk.<M: clamp wrap>.b32", "=u32, u32, u32", bmsk, 0, 76, 70, false, "integer_bits"},
    {"szext.<M: clamp wrap>.<T: u32 s32>", "=T, T, u32", szext, 0, 76, 70, false, "integer_bits"},
};

}  // namespace

std::span<const Form> bit_forms() { return table; }

}  // namespace triptych::emulator

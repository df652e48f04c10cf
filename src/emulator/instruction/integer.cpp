// Integer arithmetic. Chains with carries are in integer_carry.cpp, bit fields in integer_bits.cpp, video
// instructions in integer_video.cpp.
#include <algorithm>
#include <bit>
#include <limits>
#include <type_traits>
#include <vector>

#include "emulator/instruction/dispatch.h"
#include "emulator/instruction/integer.h"

namespace triptych::emulator {
namespace {

using U16 = std::uint16_t;
using U32 = std::uint32_t;
using S16 = std::int16_t;
using S32 = std::int32_t;
using S64 = std::int64_t;
using U64 = std::uint64_t;
__extension__ typedef __int128 S128;
__extension__ typedef unsigned __int128 U128;

/// An integer type of twice the bits.
template <class T>
struct Twice;
template <>
struct Twice<std::uint16_t> { using type = std::uint32_t; };
template <>
struct Twice<std::int16_t> { using type = std::int32_t; };
template <>
struct Twice<std::uint32_t> { using type = std::uint64_t; };
template <>
struct Twice<std::int32_t> { using type = std::int64_t; };
template <>
struct Twice<std::uint64_t> { using type = U128; };
template <>
struct Twice<std::int64_t> { using type = S128; };

S32 saturate(S64 value) {
  return static_cast<S32>(std::clamp<S64>(value, std::numeric_limits<S32>::min(), std::numeric_limits<S32>::max()));
}

/// The same operation on both 16-bit halves of a register; T says how it reads them.
template <class T, class F>
struct OnHalves {
  U32 operator()(U32 a, U32 b) const {
    const T low = F()(static_cast<T>(a), static_cast<T>(b));
    const T high = F()(static_cast<T>(a >> 16), static_cast<T>(b >> 16));
    return static_cast<U16>(low) | static_cast<U32>(static_cast<U16>(high)) << 16;
  }
};
// Operations whose result has no sign take unsigned values, so that they wrap.
struct Add {
  template <class T>
  T operator()(T a, T b) const { return static_cast<T>(a + b); }
};
struct Sub {
  template <class T>
  T operator()(T a, T b) const { return static_cast<T>(a - b); }
};
struct AddSat {
  S32 operator()(S32 a, S32 b) const { return saturate(S64{a} + b); }
};
struct SubSat {
  S32 operator()(S32 a, S32 b) const { return saturate(S64{a} - b); }
};
struct Neg {
  template <class T>
  T operator()(T a) const { return static_cast<T>(T{0} - a); }
};
struct Abs {
  template <class T>
  T operator()(T a) const {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(a < 0 ? static_cast<U>(U{0} - static_cast<U>(a)) : static_cast<U>(a));
  }
};
struct Min {
  template <class T>
  T operator()(T a, T b) const { return a < b ? a : b; }
};
struct Max {
  template <class T>
  T operator()(T a, T b) const { return a > b ? a : b; }
};
template <class F>
struct Relu {
  template <class T>
  T operator()(T a, T b) const { return Max()(F()(a, b), T{0}); }
};

struct MulLow {
  template <class T>
  T operator()(T a, T b) const {
    using W = std::common_type_t<T, U32>;
    return static_cast<T>(W{a} * W{b});
  }
};
struct MulWide {
  template <class T>
  typename Twice<T>::type operator()(T a, T b) const { return static_cast<typename Twice<T>::type>(a) * b; }
};
struct MulHigh {
  template <class T>
  T operator()(T a, T b) const { return static_cast<T>(MulWide()(a, b) >> (8 * sizeof(T))); }
};
/// Bits 0 … 31 or 16 … 47 of the product of two 24-bit values.
template <bool high>
struct Mul24 {
  template <class T>
  T operator()(T a, T b) const {
    const auto x = static_cast<T>(static_cast<U32>(a) << 8) >> 8, y = static_cast<T>(static_cast<U32>(b) << 8) >> 8;
    return static_cast<T>(MulWide()(static_cast<T>(x), static_cast<T>(y)) >> (high ? 16 : 0));
  }
};
template <class F>
struct ThenAdd {
  template <class T>
  T operator()(T a, T b, T c) const {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(static_cast<U>(F()(a, b)) + static_cast<U>(c)));
  }
};
template <class F>
struct ThenAddSat {
  S32 operator()(S32 a, S32 b, S32 c) const { return saturate(S64{F()(a, b)} + c); }
};
template <class T>
void mad_wide(Warp& w, const Instr& i) {
  using Wide = std::make_unsigned_t<typename Twice<T>::type>;
  const auto *a = w.in<U32>(i.op[1]), *b = w.in<U32>(i.op[2]);
  const auto* c = w.in<Wide>(i.op[3]);
  for_lanes(w, w.out<Wide>(i.op[0]), [=](int l) {
    return static_cast<Wide>(MulWide()(from_lane<T>(a[l]), from_lane<T>(b[l]))) + c[l];
  });
}

struct AbsDifferenceAdd {
  template <class T>
  T operator()(T a, T b, T c) const {
    using U = std::make_unsigned_t<T>;
    const U x = static_cast<U>(a), y = static_cast<U>(b);
    return static_cast<T>(static_cast<U>((a < b ? y - x : x - y) + static_cast<U>(c)));
  }
};

// Quotients as the hardware's routines give them: by zero, the quotient and the remainder are all ones; the
// least integer by -1 is itself.

/// Through f64, which vector instructions divide. Exact: a quotient that is no integer is at least a
/// b-th away from the next one, its error less than 2^-21 of that.
U32 divide(U32 a, U32 b) {
  const U32 zero = b == 0 ? 1 : 0;
  const double quotient = static_cast<double>(a) / static_cast<double>(b | zero);
  const double shifted = quotient + 0x1p52;   // the nearest integer stands in its lower bits
  const U32 above = shifted - 0x1p52 > quotient ? 1 : 0;
  return (static_cast<U32>(std::bit_cast<U64>(shifted)) - above) | (U32{0} - zero);
}
U64 divide(U64 a, U64 b) { return b == 0 ? ~U64{0} : a / b; }

template <bool remainder>
struct Divide {
  template <class T>
  T operator()(T a, T b) const {
    using U = std::conditional_t<sizeof(T) == 8, U64, U32>;
    const U x = magnitude<U>(a), y = magnitude<U>(b), zero = b == 0 ? 1 : 0;
    U result = divide(x, y);
    if constexpr (remainder) result = x - result * y;
    const U minus = U{0} - static_cast<U>(remainder ? a < 0 : (a < 0) != (b < 0));
    return static_cast<T>(((result ^ minus) - minus) | (U{0} - zero));
  }

 private:
  template <class U, class T>
  static U magnitude(T value) { return value < 0 ? U{0} - static_cast<U>(value) : static_cast<U>(value); }
};

/// d = c + Σ aᵢ·bᵢ over n parts of a and b, bits wide.
template <class A, class B, int n, int first>
struct Dot {
  U32 operator()(U32 a, U32 b, U32 c) const {
    for (int k = 0; k < n; ++k) {
      const auto x = static_cast<S32>(static_cast<A>(a >> (32 / n * k)));
      const auto y = static_cast<S32>(static_cast<B>(b >> (8 * (first + k))));
      c += static_cast<U32>(x * y);
    }
    return c;
  }
};
template <class Unsigned, class Signed, int n, int first>
Run dot(Choice& c) {
  using U8 = std::uint8_t;
  using S8 = std::int8_t;
  const bool s = c["A"] == "s32", t = c["B"] == "s32";
  if (s) return t ? Run(ternary<U32, Dot<Signed, S8, n, first>>) : ternary<U32, Dot<Signed, U8, n, first>>;
  return t ? Run(ternary<U32, Dot<Unsigned, S8, n, first>>) : ternary<U32, Dot<Unsigned, U8, n, first>>;
}
Run dot2(Choice& c) { return c.has("lo") ? dot<U16, S16, 2, 0>(c) : dot<U16, S16, 2, 2>(c); }

template <Run plain, Run with_sign>
Run by_sign(Choice& c) {
  return is_signed(c.type("T")) ? with_sign : plain;
}
template <class F>
Run halves(Choice& c) {
  return by_sign<binary<U32, OnHalves<U16, F>>, binary<U32, OnHalves<S16, F>>>(c);
}
template <class F>
Run binary_word(Choice& c) {
  return by_sign<binary<U32, F>, binary<S32, F>>(c);
}
template <class F>
Run ternary_word(Choice& c) {
  return by_sign<ternary<U32, F>, ternary<S32, F>>(c);
}

#define INTEGERS ".<T: u16 u32 u64 s16 s32 s64>"
#define WORDS ".<T: u32 s32>"

const Form table[] = {
    {"add" INTEGERS, "=T, T, T", binary_bits<Add>, 0, 10, 10, false, "integer"},
    {"add.sat.s32", "=s32, s32, s32", always<binary<S32, AddSat>>, 0, 10, 10, false, "integer"},
    {"add.<T: u16x2 s16x2>", "=T, T, T", halves<Add>, 0, 80, 90, false, "integer"},
    {"sub" INTEGERS, "=T, T, T", binary_bits<Sub>, 0, 10, 10, false, "integer"},
    {"sub.sat.s32", "=s32, s32, s32", always<binary<S32, SubSat>>, 0, 10, 10, false, "integer"},
    {"mul.lo" INTEGERS, "=T, T, T", binary_bits<MulLow>, 0, 10, 10, false, "integer"},
    {"mul.hi" INTEGERS, "=T, T, T", binary_integer<MulHigh>, 0, 10, 10, false, "integer"},
    {"mul.wide.u16", "=u32, u16, u16", always<binary<U16, MulWide, U32>>, 0, 10, 10, false, "integer"},
    {"mul.wide.s16", "=s32, s16, s16", always<binary<S16, MulWide, S32>>, 0, 10, 10, false, "integer"},
    {"mul.wide.u32", "=u64, u32, u32", always<binary<U32, MulWide, U64>>, 0, 10, 10, false, "integer"},
    {"mul.wide.s32", "=s64, s32, s32", always<binary<S32, MulWide, S64>>, 0, 10, 10, false, "integer"},
    {"mad.lo" INTEGERS, "=T, T, T, T", ternary_bits<ThenAdd<MulLow>>, 0, 10, 10, false, "integer"},
    {"mad.hi" INTEGERS, "=T, T, T, T", ternary_integer<ThenAdd<MulHigh>>, 0, 10, 10, false, "integer"},
    {"mad.hi.sat.s32", "=s32, s32, s32, s32", always<ternary<S32, ThenAddSat<MulHigh>>>, 0, 10, 10, false, "integer"},
    {"mad.wide.u16", "=u32, u16, u16, u32", always<mad_wide<U16>>, 0, 10, 10, false, "integer"},
    {"mad.wide.s16", "=s32, s16, s16, s32", always<mad_wide<S16>>, 0, 10, 10, false, "integer"},
    {"mad.wide.u32", "=u64, u32, u32, u64", always<mad_wide<U32>>, 0, 10, 10, false, "integer"},
    {"mad.wide.s32", "=s64, s32, s32, s64", always<mad_wide<S32>>, 0, 10, 10, false, "integer"},
    {"mul24.lo" WORDS, "=T, T, T", binary_word<Mul24<false>>, 0, 10, 10, false, "integer"},
    {"mul24.hi" WORDS, "=T, T, T", binary_word<Mul24<true>>, 0, 10, 10, false, "integer"},
    {"mad24.lo" WORDS, "=T, T, T, T", ternary_word<ThenAdd<Mul24<false>>>, 0, 10, 10, false, "integer"},
    {"mad24.hi" WORDS, "=T, T, T, T", ternary_word<ThenAdd<Mul24<true>>>, 0, 10, 10, false, "integer"},
    {"mad24.hi.sat.s32", "=s32, s32, s32, s32", always<ternary<S32, ThenAddSat<Mul24<true>>>>, 0, 10, 10, false, "integer"},
    {"sad" INTEGERS, "=T, T, T, T", ternary_integer<AbsDifferenceAdd>, 0, 10, 10, false, "integer"},
    {"div" INTEGERS, "=T, T, T", binary_integer<Divide<false>>, 0, 10, 10, false, "integer"},
    {"rem" INTEGERS, "=T, T, T", binary_integer<Divide<true>>, 0, 10, 10, false, "integer"},
    {"abs.<T: s16 s32 s64>", "=T, T", unary_integer<Abs>, 0, 10, 10, false, "integer"},
    {"neg.<T: s16 s32 s64>", "=T, T", unary_bits<Neg>, 0, 10, 10, false, "integer"},
    {"min" INTEGERS, "=T, T, T", binary_integer<Min>, 0, 10, 10, false, "integer"},
    {"max" INTEGERS, "=T, T, T", binary_integer<Max>, 0, 10, 10, false, "integer"},
    {"min.<T: u16x2 s16x2>", "=b32, b32, b32", halves<Min>, 0, 80, 90, false, "integer"},
    {"max.<T: u16x2 s16x2>", "=b32, b32, b32", halves<Max>, 0, 80, 90, false, "integer"},
    // In braces, so that it may stand behind the type too.
    {"min{.relu}.s32", "=s32, s32, s32", always<binary<S32, Relu<Min>>>, 0, 80, 90, false, "integer"},
    {"max{.relu}.s32", "=s32, s32, s32", always<binary<S32, Relu<Max>>>, 0, 80, 90, false, "integer"},
    {"min{.relu}.s16x2", "=b32, b32, b32", always<binary<U32, OnHalves<S16, Relu<Min>>>>, 0, 80, 90, false, "integer"},
    {"max{.relu}.s16x2", "=b32, b32, b32", always<binary<U32, OnHalves<S16, Relu<Max>>>>, 0, 80, 90, false, "integer"},
    {"dp4a.<A: u32 s32>.<B: u32 s32>", "=b32, b32, b32, b32", dot<std::uint8_t, std::int8_t, 4, 0>, 0, 50, 61, false, "integer"},
    {"dp2a.<M: lo hi>.<A: u32 s32>.<B: u32 s32>", "=b32, b32, b32, b32", dot2, 0, 50, 61, false, "integer"},
};

}  // namespace

std::span<const Form> integer_forms() {
  static const std::vector<Form> all = join({table, carry_forms(), bit_forms(), video_forms()});
  return all;
}

}  // namespace triptych::emulator

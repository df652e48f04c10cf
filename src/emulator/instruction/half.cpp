// Arithmetic of f16 and bf16, and of pairs of them. Each operation is computed so that one rounding to the
// format is right: see half_op, and Fma below.
#include "emulator/instruction/half.h"

#include "emulator/instruction/lanes.h"
#include "emulator/machine/tensor_map.h"

namespace triptych::emulator {
namespace {

using U16 = std::uint16_t;
constexpr U16 sign_bit = 0x8000, half_nan = 0x7FFF, f16_one = 0x3C00, f16_infinity = 0x7C00;

/// Denormal numbers become zeros of their sign. Only f16 is ever flushed but by ex2.ftz.bf16.
template <class Half>
U16 flushed(U16 x) {
  constexpr U16 exponent = std::is_same_v<Half, F16> ? 0x7C00 : 0x7F80;
  return (x & exponent) == 0 ? x & sign_bit : x;
}

enum class Clamp : std::uint8_t { none, sat, relu };

/// To [0, 1], a NaN to 0; or, relu, what is negative to 0.
template <Clamp clamp>
U16 clamped(U16 x) {
  if constexpr (clamp == Clamp::none) return x;
  if ((x & sign_bit) != 0) return 0;
  if constexpr (clamp == Clamp::relu) return x;
  return x > f16_infinity ? U16{0} : std::min(x, f16_one);
}

/// F in f32, rounded, with the modifiers around it.
template <class Half, class F, bool ftz = false, Clamp clamp = Clamp::none>
struct Rounded {
  template <class... T>
  U16 operator()(T... x) const {
    if constexpr (ftz) {
      return clamped<clamp>(flushed<Half>(Half::bits(F()(Half::value(flushed<Half>(x))...))));
    } else {
      return clamped<clamp>(Half::bits(F()(Half::value(x)...)));
    }
  }
};

struct Add { float operator()(float a, float b) const { return a + b; } };
struct Sub { float operator()(float a, float b) const { return a - b; } };
/// Of two halves: 22 bits at most, so exact but for underflow, and then a product of two bf16 has too few bits
/// for a tie and something below it.
struct Mul { float operator()(float a, float b) const { return a * b; } };

/// Rounded to odd, so that a second rounding to fewer bits is as one: the product is exact in f64, the
/// sum's error is exact too, and a result that is not is given the odd neighbour that lies towards it.
struct Fma {
  float operator()(float a, float b, float c) const {
    const double product = double{a} * double{b}, addend = c;
    const double sum = product + addend, back = sum - product;
    const double error = (product - (sum - back)) + (addend - back);
    const auto single = static_cast<float>(sum);
    // What the f32 lacks of the exact result, by its sign: a comparison with NaN is false.
    const double lack = sum - double{single};
    const bool above = lack > 0 || (lack == 0 && error > 0), below = lack < 0 || (lack == 0 && error < 0);
    auto bits = std::bit_cast<std::uint32_t>(single);
    if ((above || below) && (bits & 1) == 0) {
      // Away from zero if the rest has the number's sign. A zero here is one that has lost all its bits.
      const bool negative = single == 0 ? below : std::signbit(single);
      if (single == 0) bits = negative ? 0x80000000 : 0;
      bits += above != negative ? 1u : ~0u;
    }
    return std::bit_cast<float>(bits);
  }
};

/// NaN loses against a number, or with `nan` wins; -0 is below +0.
template <class Half, bool max, bool nan, bool ftz>
struct Extreme {
  U16 operator()(U16 a, U16 b) const {
    if constexpr (ftz) a = flushed<Half>(a), b = flushed<Half>(b);
    if constexpr (nan) {
      if (std::isnan(Half::value(a)) || std::isnan(Half::value(b))) return half_nan;
    }
    return half_op<Half, max ? HalfOp::max : HalfOp::min>(a, b);
  }
};
/// Of the magnitudes, with the product's sign.
template <class F>
struct XorSign {
  U16 operator()(U16 a, U16 b) const {
    const U16 r = F()(static_cast<U16>(a & ~sign_bit), static_cast<U16>(b & ~sign_bit));
    return r == half_nan ? r : static_cast<U16>(r | ((a ^ b) & sign_bit));
  }
};

// Signs: operations on bits.
template <class Half, bool ftz>
struct Abs { U16 operator()(U16 a) const { return static_cast<U16>((ftz ? flushed<Half>(a) : a) & ~sign_bit); } };
template <class Half, bool ftz>
struct Neg { U16 operator()(U16 a) const { return static_cast<U16>((ftz ? flushed<Half>(a) : a) ^ sign_bit); } };

struct Ex2 { float operator()(float a) const { return std::exp2(a); } };
struct Tanh { float operator()(float a) const { return std::tanh(a); } };

/// Of both halves of a register.
template <class F>
struct Pair {
  template <class... T>
  std::uint32_t operator()(T... x) const {
    const U16 low = F()(static_cast<U16>(x)...), high = F()(static_cast<U16>(x >> 16)...);
    return low | std::uint32_t{high} << 16;
  }
};

bool is_pair(const Choice& c) { return c.has("f16x2") || c.has("bf16x2"); }
bool is_bf16(const Choice& c) { return c.has("bf16") || c.has("bf16x2"); }

template <class F, int operands>
Run one_or_two(const Choice& c) {
  if constexpr (operands == 1) {
    return is_pair(c) ? unary<std::uint32_t, Pair<F>> : unary<U16, F>;
  } else if constexpr (operands == 2) {
    return is_pair(c) ? binary<std::uint32_t, Pair<F>> : binary<U16, F>;
  } else {
    return is_pair(c) ? ternary<std::uint32_t, Pair<F>> : ternary<U16, F>;
  }
}

template <class Half, class F, int operands, bool ftz>
Run clamping(const Choice& c) {
  if (c.has("relu")) return one_or_two<Rounded<Half, F, ftz, Clamp::relu>, operands>(c);
  if constexpr (std::is_same_v<Half, F16>) {
    if (c.has("sat")) return one_or_two<Rounded<Half, F, ftz, Clamp::sat>, operands>(c);
  }
  return one_or_two<Rounded<Half, F, ftz>, operands>(c);
}
template <class F, int operands>
Run arithmetic(Choice& c) {
  if (is_bf16(c)) return clamping<Bf16, F, operands, false>(c);
  return c.has("ftz") ? clamping<F16, F, operands, true>(c) : clamping<F16, F, operands, false>(c);
}

/// F, but +0 where a or b is the NaN that tensor copies put out of bounds, of either sign.
template <class F>
struct UnlessOutOfBounds {
  U16 operator()(U16 a, U16 b, U16 c) const {
    const auto outside = [](U16 x) { return (x & ~sign_bit) == out_of_bounds_nan; };
    return outside(a) || outside(b) ? U16{0} : F()(a, b, c);
  }
};
template <class Half>
Run guarded_of(const Choice& c) {
  if constexpr (std::is_same_v<Half, F16>) {
    if (c.has("sat")) return one_or_two<UnlessOutOfBounds<Rounded<Half, Fma, false, Clamp::sat>>, 3>(c);
  }
  return c.has("relu") ? one_or_two<UnlessOutOfBounds<Rounded<Half, Fma, false, Clamp::relu>>, 3>(c)
                       : one_or_two<UnlessOutOfBounds<Rounded<Half, Fma>>, 3>(c);
}
Run guarded(Choice& c) { return is_bf16(c) ? guarded_of<Bf16>(c) : guarded_of<F16>(c); }

template <class Half, bool max, bool nan, bool ftz>
Run extreme_of(const Choice& c) {
  using F = Extreme<Half, max, nan, ftz>;
  return c.has("xorsign") ? one_or_two<XorSign<F>, 2>(c) : one_or_two<F, 2>(c);
}
template <bool max>
Run extreme(Choice& c) {
  const bool nan = c.has("NaN");
  if (is_bf16(c)) return nan ? extreme_of<Bf16, max, true, false>(c) : extreme_of<Bf16, max, false, false>(c);
  if (c.has("ftz")) return nan ? extreme_of<F16, max, true, true>(c) : extreme_of<F16, max, false, true>(c);
  return nan ? extreme_of<F16, max, true, false>(c) : extreme_of<F16, max, false, false>(c);
}

template <template <class, bool> class F>
Run sign_of(Choice& c) {
  if (is_bf16(c)) return one_or_two<F<Bf16, false>, 1>(c);
  return c.has("ftz") ? one_or_two<F<F16, true>, 1>(c) : one_or_two<F<F16, false>, 1>(c);
}

/// ex2 of bf16 has .ftz and always flushes; the others never do.
template <class F>
Run approximate(Choice& c) {
  if (!is_bf16(c)) return one_or_two<Rounded<F16, F>, 1>(c);
  return c.has("ftz") ? one_or_two<Rounded<Bf16, F, true>, 1>(c) : one_or_two<Rounded<Bf16, F>, 1>(c);
}

// Forms of a half and of a pair in a register.
#define ONE(t) "=" t ", " t
#define TWO(t) ONE(t) ", " t
#define THREE(t) TWO(t) ", " t
#define BOTH(type, pattern, operands, select, version, target)                              \
  {pattern "." type, operands(type), select, 0, version, target, false, "half"},            \
      {pattern "." type "x2", operands("b32"), select, 0, version, target, false, "half"}
const Form table[] = {
    BOTH("f16", "add{.rn}{.ftz}{.sat}", TWO, (arithmetic<Add, 2>), 42, 53),
    BOTH("f16", "sub{.rn}{.ftz}{.sat}", TWO, (arithmetic<Sub, 2>), 42, 53),
    BOTH("f16", "mul{.rn}{.ftz}{.sat}", TWO, (arithmetic<Mul, 2>), 42, 53),
    BOTH("f16", "fma.rn{.ftz}{.sat}", THREE, (arithmetic<Fma, 3>), 42, 53),
    BOTH("f16", "fma.rn{.ftz}.relu", THREE, (arithmetic<Fma, 3>), 70, 80),
    BOTH("bf16", "add{.rn}", TWO, (arithmetic<Add, 2>), 78, 90),
    BOTH("bf16", "sub{.rn}", TWO, (arithmetic<Sub, 2>), 78, 90),
    BOTH("bf16", "mul{.rn}", TWO, (arithmetic<Mul, 2>), 78, 90),
    BOTH("bf16", "fma.rn{.relu}", THREE, (arithmetic<Fma, 3>), 70, 80),
    BOTH("f16", "fma.rn.oob{.sat}", THREE, guarded, 81, 90),
    BOTH("f16", "fma.rn.oob.relu", THREE, guarded, 81, 90),
    BOTH("bf16", "fma.rn.oob{.relu}", THREE, guarded, 81, 90),
    BOTH("f16", "min{.ftz}{.NaN}", TWO, extreme<false>, 70, 80),
    BOTH("f16", "max{.ftz}{.NaN}", TWO, extreme<true>, 70, 80),
    BOTH("f16", "min{.ftz}{.NaN}.xorsign.abs", TWO, extreme<false>, 72, 86),
    BOTH("f16", "max{.ftz}{.NaN}.xorsign.abs", TWO, extreme<true>, 72, 86),
    BOTH("bf16", "min{.NaN}", TWO, extreme<false>, 70, 80),
    BOTH("bf16", "max{.NaN}", TWO, extreme<true>, 70, 80),
    BOTH("bf16", "min{.NaN}.xorsign.abs", TWO, extreme<false>, 72, 86),
    BOTH("bf16", "max{.NaN}.xorsign.abs", TWO, extreme<true>, 72, 86),
    BOTH("f16", "abs{.ftz}", ONE, sign_of<Abs>, 65, 53),
    BOTH("f16", "neg{.ftz}", ONE, sign_of<Neg>, 60, 53),
    BOTH("bf16", "abs", ONE, sign_of<Abs>, 70, 80),
    BOTH("bf16", "neg", ONE, sign_of<Neg>, 70, 80),
    BOTH("f16", "ex2.approx", ONE, approximate<Ex2>, 70, 75),
    BOTH("f16", "tanh.approx", ONE, approximate<Tanh>, 70, 75),
    BOTH("bf16", "ex2.approx.ftz", ONE, approximate<Ex2>, 78, 90),
    BOTH("bf16", "tanh.approx", ONE, approximate<Tanh>, 78, 90),
};

}  // namespace

std::span<const Form> half_forms() { return table; }

}  // namespace triptych::emulator

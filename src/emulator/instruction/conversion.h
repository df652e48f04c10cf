/// \file
/// What cvt is made of: how a lane is read, and how its value is written as another type.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "emulator/instruction/dispatch.h"
#include "emulator/instruction/float.h"
#include "emulator/instruction/small_float.h"

namespace triptych::emulator::conversion {

// ---- sources: Row is a lane's type, get() its value; a float with as many `digits` holds each exactly -------

template <class S>
struct Integer {
  using Row = Lane<S>;
  static constexpr int digits = std::numeric_limits<S>::digits;
  static S get(Row lane) { return from_lane<S>(lane); }
};
/// .sat of an integer's float.
template <class S>
struct UnitInteger {
  using Row = Lane<S>;
  static constexpr int digits = 1;
  static S get(Row lane) { return from_lane<S>(lane) > 0 ? 1 : 0; }
};
template <bool ftz>
struct Single {
  using Row = std::uint32_t;
  static constexpr int digits = 24;
  static float get(Row lane) { return ftz ? flushed(from_lane<float>(lane)) : from_lane<float>(lane); }
};
struct Double {
  using Row = double;
  static constexpr int digits = 53;
  static double get(Row lane) { return lane; }
};
/// f16, whose NaNs become the canonical one, and bf16, which is the upper half of an f32.
template <class F>
struct Small {
  using Row = std::uint32_t;
  static constexpr int digits = std::is_same_v<F, BFloat16> ? 24 : 11;   // bf16 has the exponents of f32
  static float get(Row lane) {
    const float value = std::bit_cast<float>(widen<F>(lane & 0xFFFF));
    return std::is_same_v<F, BFloat16> ? value : with_canonical_nan(value);
  }
};

/// How .rni, .rzi, .rmi and .rpi round to an integer.
template <Rounding rounding, class T>
T integral(T value) {
  switch (rounding) {
    case Rounding::zero: return std::trunc(value);
    case Rounding::down: return std::floor(value);
    case Rounding::up: return std::ceil(value);
    default: return std::nearbyint(value);   // the host rounds to nearest even
  }
}
/// For a destination of the same type: as it is, or rounded to an integer.
template <class From>
struct Same : From {
  static constexpr int digits = 0;
};
template <class From, Rounding rounding>
struct Integral : Same<From> {
  static auto get(typename From::Row lane) {
    const auto value = integral<rounding>(From::get(lane));
    if constexpr (std::is_same_v<From, Double>) {
      return value;
    } else {
      return with_canonical_nan(value);
    }
  }
};

// ---- destinations: put() makes the whole lane ------------------------------------------------------

/// A lane of an integer, sign- or zero-extended.
template <class D>
Lane<D> whole_lane(D value) {
  if constexpr (sizeof(D) < 4) {
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(value));
  } else {
    return to_lane<D>(value);
  }
}

template <class D>
struct Wrapped {
  using Row = Lane<D>;
  template <class S>
  static Row put(S value) { return whole_lane(static_cast<D>(value)); }
};
/// Whether a value of type S may lie beyond those of type D.
template <class D, class S>
constexpr bool exceeds = std::cmp_less(std::numeric_limits<S>::min(), std::numeric_limits<D>::min()) ||
                         std::cmp_greater(std::numeric_limits<S>::max(), std::numeric_limits<D>::max());
template <class D, class S>
D clamped(S value) {
  using Own = std::numeric_limits<D>;
  using Its = std::numeric_limits<S>;
  constexpr S low = std::cmp_less(Its::min(), Own::min()) ? static_cast<S>(Own::min()) : Its::min();
  constexpr S high = std::cmp_greater(Its::max(), Own::max()) ? static_cast<S>(Own::max()) : Its::max();
  return static_cast<D>(value < low ? low : value > high ? high : value);
}
template <class D>
struct Clamped {
  using Row = Lane<D>;
  template <class S>
  static Row put(S value) { return whole_lane(clamped<D>(value)); }
};

/// The integer of a whole number, clamped; 0 of a NaN. Without branches.
template <class D, class T>
D clamped_integer(T value) {
  static_assert(sizeof(D) >= 4);
  constexpr D greatest = std::numeric_limits<D>::max();
  constexpr T beyond = static_cast<T>(greatest / 2 + 1) * 2;   // 2^31, 2^32, 2^63, 2^64
  constexpr T least = static_cast<T>(std::numeric_limits<D>::min());
  // The greatest T below `beyond`; of the integer it lacks the lower bits.
  constexpr T below = beyond - beyond / (sizeof(T) == 4 ? T(0x1p24) : T(0x1p53));
  T inside = value < beyond ? value : below;   // of a NaN too
  inside = inside > least ? inside : least;
  D integer;
  if constexpr (sizeof(D) == 8 || std::is_signed_v<D>) {
    integer = static_cast<D>(inside);
  } else {
    // Vector instructions convert to signed integers only.
    const bool upper = inside >= T(0x1p31);
    const D half = upper ? D{0x80000000} : D{0};
    integer = static_cast<D>(static_cast<std::int32_t>(inside - static_cast<T>(half >> 31) * T(0x1p31))) + half;
  }
  const D missing = value >= beyond ? static_cast<D>(greatest ^ static_cast<D>(below)) : D{0};
  return static_cast<D>((integer | missing) & (value == value ? ~D{0} : D{0}));
}
/// Of a float. Of a NaN the top bit alone where 64 bits are involved, else 0.
template <class D, Rounding rounding>
struct RoundedInteger {
  using Row = Lane<D>;
  template <class T>
  static Row put(T value) {
    using Wide = std::conditional_t<sizeof(D) < 4, std::int32_t, D>;
    const D integer = clamped<D>(clamped_integer<Wide>(integral<rounding>(value)));
    constexpr D of_nan = sizeof(T) == 8 || sizeof(D) == 8 ? static_cast<D>(std::make_unsigned_t<D>{1} << (8 * sizeof(D) - 1)) : D{0};
    return whole_lane(static_cast<D>(integer | (value == value ? D{0} : of_nan)));
  }
};

/// f32, in the host's rounding mode.
template <bool ftz, bool sat>
struct ToSingle {
  using Row = std::uint32_t;
  template <class T>
  static Row put(T value) {
    float x = static_cast<float>(value);
    if constexpr (ftz) x = flushed(x);
    if constexpr (sat) x = saturated(x);
    return to_lane<float>(x);
  }
};
/// f64, in the host's rounding mode.
template <bool sat>
struct ToDouble {
  using Row = double;
  template <class T>
  static Row put(T value) { return sat ? saturated(static_cast<double>(value)) : static_cast<double>(value); }
};

/// An f32 that any narrower float is rounded from as from the value itself: what an f32 has no room for is
/// kept in its last bit. The host must round toward zero.
template <class T>
float sticky(T value) {
  const float x = static_cast<float>(value);
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) | (static_cast<T>(x) != value ? 1u : 0u));
}

/// Limits of a narrow float's value.
enum class Range : std::uint8_t { all, relu, finite, finite_relu, unit };
template <class F, Rounding rounding, Range range>
struct ToSmall {
  using Row = std::uint32_t;
  template <class T>
  static Row put(T value) {
    if constexpr (!std::is_same_v<T, float>) {
      return put(sticky(value));
    } else {
      constexpr bool finite = range == Range::finite || range == Range::finite_relu;
      std::uint32_t bits = narrow<F, rounding, finite>(std::bit_cast<std::uint32_t>(value));
      if constexpr (range == Range::all || range == Range::finite) return bits;
      const std::uint32_t positive = (bits >> F::sign_bit) - 1;   // all ones, or 0
      if constexpr (range == Range::unit) {
        constexpr std::uint32_t one = narrow<F, Rounding::nearest>(0x3F800000);
        bits = bits > F::infinity ? 0 : std::min(bits, one);
      }
      return bits & positive;
    }
  }
};

template <class From, class To>
void convert(Warp& w, const Instr& i) {
  const auto* a = w.in<typename From::Row>(i.op[1]);
  for_lanes(w, w.out<typename To::Row>(i.op[0]), [=](int l) { return To::put(From::get(a[l])); });
}

// ---- choices ---------------------------------------------------------------------------------------

/// f.operator()<D>() for an integer type of 8 bits or more.
template <class F>
Run for_any_integer(Type type, F f) {
  if (type == Type::u8) return f.template operator()<std::uint8_t>();
  if (type == Type::s8) return f.template operator()<std::int8_t>();
  return for_integer(type, f);
}
/// f.operator()<rounding>() for .rn … .rp and .rni … .rpi.
template <class F>
Run for_rounding(std::string_view name, F f) {
  switch (rounding_of(name.substr(0, 2))) {
    case Rounding::zero: return f.template operator()<Rounding::zero>();
    case Rounding::down: return f.template operator()<Rounding::down>();
    case Rounding::up: return f.template operator()<Rounding::up>();
    default: return f.template operator()<Rounding::nearest>();
  }
}

/// f.operator()<From>() for a float type.
template <class F>
Run for_float(Type type, bool ftz, F f) {
  switch (type) {
    case Type::f16: return f.template operator()<Small<Float16>>();
    case Type::bf16: return f.template operator()<Small<BFloat16>>();
    case Type::f64: return f.template operator()<Double>();
    default: return ftz ? f.template operator()<Single<true>>() : f.template operator()<Single<false>>();
  }
}

}  // namespace triptych::emulator::conversion

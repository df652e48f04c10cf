// cvt to floats.
#include "emulator/instruction/conversion.h"
#include "emulator/instruction/convert.h"

namespace triptych::emulator {
namespace {

using namespace conversion;

/// A handler for each rounding mode, or the same for all where a float of so many digits is exact. To f32 and
/// f64 the host rounds.
template <class From, class To, int digits>
Run by_host(const Choice& c) {
  if constexpr (From::digits <= digits) return convert<From, To>;
  return with_rounding<convert<From, To>>(c["R"]);
}
template <class From>
Run to_single(const Choice& c) {
  const bool sat = c.has("sat");
  if (c.has("ftz")) {
    return sat ? by_host<From, ToSingle<true, true>, 24>(c) : by_host<From, ToSingle<true, false>, 24>(c);
  }
  return sat ? by_host<From, ToSingle<false, true>, 24>(c) : by_host<From, ToSingle<false, false>, 24>(c);
}
template <class From>
Run to_double(const Choice& c) {
  return c.has("sat") ? by_host<From, ToDouble<true>, 53>(c) : by_host<From, ToDouble<false>, 53>(c);
}

/// Narrow floats are rounded from f32, into which other types go sticky.
template <class From, class F, Range range, Rounding r>
Run by_rounding() {
  constexpr bool direct = From::digits <= 24;
  return direct ? Run(convert<From, ToSmall<F, r, range>>) : rounded<convert<From, ToSmall<F, r, range>>, FE_TOWARDZERO>;
}
template <class From, class F, Range range>
Run to_small_within(const Choice& c) {
  if constexpr (From::digits <= F::mantissa_bits + 1) return by_rounding<From, F, range, Rounding::nearest>();
  return for_rounding(c["R"], []<Rounding r>() { return by_rounding<From, F, range, r>(); });
}
template <class From, class F>
Run to_small(const Choice& c) {
  return c.has("sat") ? to_small_within<From, F, Range::unit>(c) : to_small_within<From, F, Range::all>(c);
}

template <class From>
Run to_float(const Choice& c) {
  switch (c.type("D")) {
    case Type::f16: return to_small<From, Float16>(c);
    case Type::bf16: return to_small<From, BFloat16>(c);
    case Type::f64: return to_double<From>(c);
    default: return to_single<From>(c);
  }
}
/// .ftz changes nothing, and .sat leaves 0 and 1.
template <class From>
Run integer_to_float(const Choice& c) {
  switch (c.type("D")) {
    case Type::f16: return to_small_within<From, Float16, Range::all>(c);
    case Type::bf16: return to_small_within<From, BFloat16, Range::all>(c);
    case Type::f64: return by_host<From, ToDouble<false>, 53>(c);
    default: return by_host<From, ToSingle<false, false>, 24>(c);
  }
}
Run from_integer(Choice& c) {
  return for_any_integer(c.type("S"), [&]<class S>() {
    return c.has("sat") ? integer_to_float<UnitInteger<S>>(c) : integer_to_float<Integer<S>>(c);
  });
}
Run from_float(Choice& c) {
  return for_float(c.type("S"), c.has("ftz"), [&]<class From>() { return to_float<From>(c); });
}
Run same_float(Choice& c) {
  return for_float(c.type("S"), c.has("ftz"), [&]<class From>() {
    const auto to_own = [&]<class Read>() {
      if constexpr (std::is_same_v<From, Double>) return to_double<Read>(c);
      if constexpr (std::is_same_v<From, Small<Float16>>) return to_small<Read, Float16>(c);
      if constexpr (std::is_same_v<From, Small<BFloat16>>) return to_small<Read, BFloat16>(c);
      return to_single<Read>(c);
    };
    if (c["R"].empty()) return to_own.template operator()<Same<From>>();
    return for_rounding(c["R"], [&]<Rounding r>() { return to_own.template operator()<Integral<From, r>>(); });
  });
}

/// .relu and .satfinite, of f32 and with .rn and .rz only.
template <class F, Rounding r>
Run limited_to(const Choice& c) {
  if (!c.has("satfinite")) return by_rounding<Single<false>, F, Range::relu, r>();
  return c.has("relu") ? by_rounding<Single<false>, F, Range::finite_relu, r>()
                       : by_rounding<Single<false>, F, Range::finite, r>();
}
template <class F>
Run limited_by(const Choice& c) {
  return c["R"] == "rz" ? limited_to<F, Rounding::zero>(c) : limited_to<F, Rounding::nearest>(c);
}
Run limited(Choice& c) { return c["D"] == "f16" ? limited_by<Float16>(c) : limited_by<BFloat16>(c); }

#define WHOLE ".<R: rni rzi rmi rpi>"
#define ROUND ".<R: rn rz rm rp>"
#define INTEGERS "u8 u16 u32 u64 s8 s16 s32 s64"
#define FORM(pattern, select, version, target) {"cvt" pattern, "=~D, &~S", select, 0, version, target, false, "convert_float"}

const Form table[] = {
    FORM(ROUND "{.sat}.<D: f16 f64>.<S: " INTEGERS ">", from_integer, 10, 10),
    FORM(ROUND "{.ftz}{.sat}.<D: f32>.<S: " INTEGERS ">", from_integer, 10, 10),
    FORM(ROUND ".<D: bf16>.<S: u16 u32 u64 s16 s32 s64>", from_integer, 78, 90),
    FORM(ROUND "{.sat}.<D: f16>.<S: f64>", from_float, 10, 10),
    FORM(ROUND "{.ftz}{.sat}.<D: f16>.<S: f32>", from_float, 10, 10),
    FORM(ROUND "{.ftz}{.sat}.<D: f32>.<S: f64>", from_float, 10, 10),
    FORM(ROUND "{.ftz}.<D: bf16>.<S: f32>", from_float, 70, 80),
    FORM(ROUND ".<D: bf16>.<S: f64>", from_float, 78, 90),
    FORM(".<R: rn rz>.relu.<D: f16 bf16>.<S: f32>", limited, 70, 80),
    FORM(".<R: rn rz>{.relu}.satfinite.<D: f16 bf16>.<S: f32>", limited, 81, 80),
    FORM("{" ROUND "}.<D: f16 f64>.<S: bf16>", from_float, 78, 90),
    FORM("{" ROUND "}.<D: bf16>.<S: f16>", from_float, 78, 90),
    FORM(".<D: f32>.<S: bf16>", from_float, 71, 80),
    FORM("{" ROUND "}{.ftz}.<D: f32>.<S: bf16>", from_float, 78, 90),
    FORM("{.ftz}{.sat}.<D: f32>.<S: f16>", from_float, 10, 10),
    FORM("{.sat}.<D: f64>.<S: f16>", from_float, 10, 10),
    FORM("{.ftz}{.sat}.<D: f64>.<S: f32>", from_float, 10, 10),
    FORM("{" WHOLE "}{.sat}.<D: f16>.<S: f16>", same_float, 10, 10),
    FORM("{" WHOLE "}{.sat}.<D: f64>.<S: f64>", same_float, 10, 10),
    FORM("{" WHOLE "}{.ftz}{.sat}.<D: f32>.<S: f32>", same_float, 10, 10),
    FORM("{" WHOLE "}.<D: bf16>.<S: bf16>", same_float, 78, 90),
};

}  // namespace

std::span<const Form> convert_float_forms() { return table; }

}  // namespace triptych::emulator

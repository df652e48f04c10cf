// f32 and f64 arithmetic that IEEE defines. Approximations are in float_approximate.cpp.
#include "emulator/instruction/float.h"

#include <vector>

#include "emulator/instruction/float_approximate.h"
#include "emulator/instruction/lanes.h"

namespace triptych::emulator {
namespace {

/// An f32 operation with its modifiers around it.
template <class F, bool ftz, bool sat>
struct Single {
  template <class... T>
  float operator()(T... x) const {
    float r;
    if constexpr (ftz) {
      r = flushed(F()(flushed(x)...));
    } else {
      r = F()(x...);
    }
    r = with_canonical_nan(r);
    if constexpr (sat) r = saturated(r);
    return r;
  }
};

struct Add { template <class T> T operator()(T a, T b) const { return a + b; } };
struct Sub { template <class T> T operator()(T a, T b) const { return a - b; } };
struct Mul { template <class T> T operator()(T a, T b) const { return a * b; } };
struct Div { template <class T> T operator()(T a, T b) const { return a / b; } };
struct Fma { template <class T> T operator()(T a, T b, T c) const { return std::fma(a, b, c); } };
struct Rcp { template <class T> T operator()(T a) const { return T(1) / a; } };
struct Sqrt { template <class T> T operator()(T a) const { return std::sqrt(a); } };

/// NaN loses against a number, or with `nan` wins; -0 is below +0.
template <bool max, bool nan>
struct Extreme {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (nan) {
      if (a != a || b != b) return a != a ? a : b;
    } else {
      if (a != a) return b;
      if (b != b) return a;
    }
    if (a == b) return std::signbit(a) == max ? b : a;
    return (a > b) == max ? a : b;
  }
};
/// Of the magnitudes, with the product's sign.
template <class F>
struct XorSign {
  float operator()(float a, float b) const {
    const auto sign = (std::bit_cast<std::uint32_t>(a) ^ std::bit_cast<std::uint32_t>(b)) & 0x80000000;
    const float r = F()(std::fabs(a), std::fabs(b));
    return std::bit_cast<float>((std::bit_cast<std::uint32_t>(r) & 0x7FFFFFFF) | sign);
  }
};

template <class F, int operands, class T>
constexpr Run handler() {
  if constexpr (operands == 1) {
    return unary<T, F>;
  } else if constexpr (operands == 2) {
    return binary<T, F>;
  } else {
    return ternary<T, F>;
  }
}

/// f32: rounding mode R, .ftz, .sat.
template <class F, int operands>
Run single(Choice& c) {
  const bool ftz = c.has("ftz"), sat = c.has("sat");
  const std::string_view r = c["R"];
  if (ftz) {
    return sat ? with_rounding<handler<Single<F, true, true>, operands, float>()>(r)
               : with_rounding<handler<Single<F, true, false>, operands, float>()>(r);
  }
  return sat ? with_rounding<handler<Single<F, false, true>, operands, float>()>(r)
             : with_rounding<handler<Single<F, false, false>, operands, float>()>(r);
}

template <class F, int operands>
Run twice(Choice& c) {
  c.ticks = 2;
  return with_rounding<handler<F, operands, double>()>(c["R"]);
}

template <class F>
Run extreme_of(bool ftz) {
  return ftz ? binary<float, Single<F, true, false>> : binary<float, Single<F, false, false>>;
}
template <bool max>
Run extreme(Choice& c) {
  const bool nan = c.has("NaN"), ftz = c.has("ftz");
  if (c.has("xorsign")) {
    return nan ? extreme_of<XorSign<Extreme<max, true>>>(ftz) : extreme_of<XorSign<Extreme<max, false>>>(ftz);
  }
  return nan ? extreme_of<Extreme<max, true>>(ftz) : extreme_of<Extreme<max, false>>(ftz);
}
template <bool max>
Run extreme_double(Choice&) {
  return binary<double, Extreme<max, false>>;
}

// Signs: operations on bits.
struct AbsBits { float operator()(float a) const { return std::bit_cast<float>(std::bit_cast<std::uint32_t>(a) & 0x7FFFFFFF); } };
struct NegBits { float operator()(float a) const { return std::bit_cast<float>(std::bit_cast<std::uint32_t>(a) ^ 0x80000000); } };
template <class F>
struct Flushing { float operator()(float a) const { return F()(flushed(a)); } };
struct AbsWide { double operator()(double a) const { return std::fabs(a); } };
struct NegWide { double operator()(double a) const { return -a; } };
struct CopySign { template <class T> T operator()(T a, T b) const { return std::copysign(b, a); } };

template <class F>
Run sign_of(Choice& c) {
  return c.has("ftz") ? unary<float, Flushing<F>> : unary<float, F>;
}

template <class T, class F>
void test_property(Warp& w, const Instr& i) {
  const auto* a = w.in<Lane<T>>(i.op[1]);
  w.set_predicate(i.op[0], lanes_where([=](int l) { return F()(std::fpclassify(from_lane<T>(a[l]))); }));
}
struct Finite { bool operator()(int c) const { return c != FP_NAN && c != FP_INFINITE; } };
struct Infinite { bool operator()(int c) const { return c == FP_INFINITE; } };
struct Number { bool operator()(int c) const { return c != FP_NAN; } };
struct NotANumber { bool operator()(int c) const { return c == FP_NAN; } };
struct Normal { bool operator()(int c) const { return c == FP_NORMAL || c == FP_ZERO; } };
struct Subnormal { bool operator()(int c) const { return c == FP_SUBNORMAL; } };

template <class T>
Run property(std::string_view p) {
  if (p == "finite") return test_property<T, Finite>;
  if (p == "infinite") return test_property<T, Infinite>;
  if (p == "number") return test_property<T, Number>;
  if (p == "notanumber") return test_property<T, NotANumber>;
  return p == "normal" ? test_property<T, Normal> : test_property<T, Subnormal>;
}
Run testp(Choice& c) { return c.type("T") == Type::f32 ? property<float>(c["P"]) : property<double>(c["P"]); }

#define R "{.<R: rn rz rm rp>}"
#define MUST ".<R: rn rz rm rp>"
const Form table[] = {
    {"add" R "{.ftz}{.sat}.f32", "=f32, f32, f32", single<Add, 2>, 0, 10, 20, false, "float"},
    {"sub" R "{.ftz}{.sat}.f32", "=f32, f32, f32", single<Sub, 2>, 0, 10, 20, false, "float"},
    {"mul" R "{.ftz}{.sat}.f32", "=f32, f32, f32", single<Mul, 2>, 0, 10, 20, false, "float"},
    {"fma" MUST "{.ftz}{.sat}.f32", "=f32, f32, f32, f32", single<Fma, 3>, 0, 14, 20, false, "float"},
    {"mad" MUST "{.ftz}{.sat}.f32", "=f32, f32, f32, f32", single<Fma, 3>, 0, 10, 20, false, "float"},
    {"div" MUST "{.ftz}.f32", "=f32, f32, f32", single<Div, 2>, 0, 14, 20, false, "float"},
    {"rcp" MUST "{.ftz}.f32", "=f32, f32", single<Rcp, 1>, 0, 14, 20, false, "float"},
    {"sqrt" MUST "{.ftz}.f32", "=f32, f32", single<Sqrt, 1>, 0, 14, 20, false, "float"},
    {"add" R ".f64", "=f64, f64, f64", twice<Add, 2>, 0, 10, 20, false, "float"},
    {"sub" R ".f64", "=f64, f64, f64", twice<Sub, 2>, 0, 10, 20, false, "float"},
    {"mul" R ".f64", "=f64, f64, f64", twice<Mul, 2>, 0, 10, 20, false, "float"},
    {"fma" MUST ".f64", "=f64, f64, f64, f64", twice<Fma, 3>, 0, 14, 20, false, "float"},
    {"mad" MUST ".f64", "=f64, f64, f64, f64", twice<Fma, 3>, 0, 10, 20, false, "float"},
    {"div" MUST ".f64", "=f64, f64, f64", twice<Div, 2>, 0, 14, 20, false, "float"},
    {"rcp" MUST ".f64", "=f64, f64", twice<Rcp, 1>, 0, 14, 20, false, "float"},
    {"sqrt" MUST ".f64", "=f64, f64", twice<Sqrt, 1>, 0, 14, 20, false, "float"},
    {"min{.ftz}{.NaN}{.xorsign.abs}.f32", "=f32, f32, f32", extreme<false>, 0, 10, 20, false, "float"},
    {"max{.ftz}{.NaN}{.xorsign.abs}.f32", "=f32, f32, f32", extreme<true>, 0, 10, 20, false, "float"},
    {"min.f64", "=f64, f64, f64", extreme_double<false>, 0, 10, 20, false, "float"},
    {"max.f64", "=f64, f64, f64", extreme_double<true>, 0, 10, 20, false, "float"},
    {"abs{.ftz}.f32", "=f32, f32", sign_of<AbsBits>, 0, 10, 20, false, "float"},
    {"neg{.ftz}.f32", "=f32, f32", sign_of<NegBits>, 0, 10, 20, false, "float"},
    {"abs.f64", "=f64, f64", [](Choice&) { return Run(unary<double, AbsWide>); }, 0, 10, 20, false, "float"},
    {"neg.f64", "=f64, f64", [](Choice&) { return Run(unary<double, NegWide>); }, 0, 10, 20, false, "float"},
    {"copysign.f32", "=f32, f32, f32", [](Choice&) { return Run(binary<float, CopySign>); }, 0, 20, 20, false, "float"},
    {"copysign.f64", "=f64, f64, f64", [](Choice&) { return Run(binary<double, CopySign>); }, 0, 20, 20, false, "float"},
    {"testp.<P: finite infinite number notanumber normal subnormal>.<T: f32 f64>", "=pred, T", testp, 0, 20, 20, false, "float"},
};

}  // namespace

std::span<const Form> float_forms() {
  static const std::vector<Form> all = [] {
    std::vector<Form> both(std::begin(table), std::end(table));
    const auto more = approximate_forms();
    both.insert(both.end(), more.begin(), more.end());
    return both;
  }();
  return all;
}

}  // namespace triptych::emulator

// Approximations: computed in double and rounded once, which is within the ISA's bounds. What hardware
// gives differs in the last places, so results are to be compared within those bounds and never bit by bit.
#include "emulator/instruction/float_approximate.h"

#include <cmath>

#include "emulator/instruction/float.h"
#include "emulator/instruction/lanes.h"

namespace triptych::emulator {
namespace {

template <class F, bool ftz>
struct Approximate {
  float operator()(float a) const {
    const float x = ftz ? flushed(a) : a;
    const float r = with_canonical_nan(static_cast<float>(F()(static_cast<double>(x))));
    return ftz ? flushed(r) : r;
  }
};
struct Sin { double operator()(double a) const { return std::sin(a); } };
struct Cos { double operator()(double a) const { return std::cos(a); } };
struct Lg2 { double operator()(double a) const { return std::log2(a); } };
struct Ex2 { double operator()(double a) const { return std::exp2(a); } };
struct Tanh { double operator()(double a) const { return std::tanh(a); } };
struct Rcp { double operator()(double a) const { return 1 / a; } };
struct Sqrt { double operator()(double a) const { return std::sqrt(a); } };
struct Rsqrt { double operator()(double a) const { return 1 / std::sqrt(a); } };

template <class F>
Run approximate(Choice& c) {
  c.ticks = 4;
  return c.has("ftz") ? unary<float, Approximate<F, true>> : unary<float, Approximate<F, false>>;
}

/// div.approx loses divisors beyond 2^126: it multiplies by a reciprocal that is then a denormal.
template <bool ftz>
struct DivApprox {
  float operator()(float a, float b) const {
    const float x = ftz ? flushed(a) : a, y = ftz ? flushed(b) : b;
    float r = x / y;
    if (!std::isnan(x) && std::fabs(y) > 0x1p126f && std::fabs(y) <= 0x1.fffffep127f) {
      r = std::isinf(x) ? std::bit_cast<float>(nan_bits) : std::copysign(0.0f, r);
    }
    r = with_canonical_nan(r);
    return ftz ? flushed(r) : r;
  }
};
template <bool ftz>
struct DivFull {
  float operator()(float a, float b) const {
    const float r = with_canonical_nan((ftz ? flushed(a) : a) / (ftz ? flushed(b) : b));
    return ftz ? flushed(r) : r;
  }
};
Run div_approx(Choice& c) {
  c.ticks = 4;
  return c.has("ftz") ? binary<float, DivApprox<true>> : binary<float, DivApprox<false>>;
}
Run div_full(Choice& c) {
  c.ticks = 4;
  return c.has("ftz") ? binary<float, DivFull<true>> : binary<float, DivFull<false>>;
}

/// The upper half of the bits is right, the lower half zero; denormals are flushed.
template <class F>
struct Gross {
  double operator()(double a) const {
    const auto flush = [](double x) {
      const auto bits = std::bit_cast<std::uint64_t>(x);
      return std::bit_cast<double>((bits & 0x7FF0000000000000) == 0 ? bits & 0x8000000000000000 : bits);
    };
    const auto r = std::bit_cast<std::uint64_t>(flush(F()(flush(a))));
    return std::bit_cast<double>(r & 0xFFFFFFFF00000000);
  }
};
struct Whole { double operator()(double a) const { return 1 / std::sqrt(a); } };

const Form table[] = {
    {"div.approx{.ftz}.f32", "=f32, f32, f32", div_approx, 0, 14, 20, false, "float"},
    {"div.full{.ftz}.f32", "=f32, f32, f32", div_full, 0, 14, 20, false, "float"},
    {"rcp.approx{.ftz}.f32", "=f32, f32", approximate<Rcp>, 0, 14, 20, false, "float"},
    {"sqrt.approx{.ftz}.f32", "=f32, f32", approximate<Sqrt>, 0, 14, 20, false, "float"},
    {"rsqrt.approx{.ftz}.f32", "=f32, f32", approximate<Rsqrt>, 0, 14, 20, false, "float"},
    {"sin.approx{.ftz}.f32", "=f32, f32", approximate<Sin>, 0, 14, 20, false, "float"},
    {"cos.approx{.ftz}.f32", "=f32, f32", approximate<Cos>, 0, 14, 20, false, "float"},
    {"lg2.approx{.ftz}.f32", "=f32, f32", approximate<Lg2>, 0, 14, 20, false, "float"},
    {"ex2.approx{.ftz}.f32", "=f32, f32", approximate<Ex2>, 0, 14, 20, false, "float"},
    {"tanh.approx.f32", "=f32, f32", approximate<Tanh>, 0, 70, 75, false, "float"},
    {"rcp.approx.ftz.f64", "=f64, f64", [](Choice&) { return Run(unary<double, Gross<Rcp>>); }, 0, 21, 20, false, "float"},
    {"rsqrt.approx.f64", "=f64, f64", [](Choice&) { return Run(unary<double, Whole>); }, 0, 10, 20, false, "float"},
    {"rsqrt.approx.ftz.f64", "=f64, f64", [](Choice&) { return Run(unary<double, Gross<Rsqrt>>); }, 0, 40, 20, false, "float"},
};

}  // namespace

std::span<const Form> approximate_forms() { return table; }

}  // namespace triptych::emulator

// cvt from and to pairs of narrow floats, and to tf32. The first source is the upper half.
#include "emulator/instruction/conversion.h"
#include "emulator/instruction/convert.h"

namespace triptych::emulator {
namespace {

using namespace conversion;
using U32 = std::uint32_t;

/// Two f32 become the halves of a register.
template <class To, int bits>
struct Join {
  U32 operator()(float upper, float lower) const { return To::put(upper) << bits | To::put(lower); }
};
/// Each half becomes another narrow float.
template <class F, int from_bits, class To, int to_bits>
struct Each {
  U32 operator()(U32 pair) const {
    const auto half = [](U32 code) { return To::put(std::bit_cast<float>(widen<F>(code))); };
    constexpr U32 mask = (1u << from_bits) - 1;
    return half(pair >> from_bits & mask) << to_bits | half(pair & mask);
  }
};

template <class F, Rounding r, int bits>
Run join(const Choice& c) {
  if (c.has("satfinite")) {
    return c.has("relu") ? binary<float, Join<ToSmall<F, r, Range::finite_relu>, bits>, U32>
                         : binary<float, Join<ToSmall<F, r, Range::finite>, bits>, U32>;
  }
  return c.has("relu") ? binary<float, Join<ToSmall<F, r, Range::relu>, bits>, U32>
                       : binary<float, Join<ToSmall<F, r, Range::all>, bits>, U32>;
}
template <class F>
Run halves(const Choice& c) {
  return c["R"] == "rz" ? join<F, Rounding::zero, 16>(c) : join<F, Rounding::nearest, 16>(c);
}
Run to_halves(Choice& c) { return c["D"] == "f16x2" ? halves<Float16>(c) : halves<BFloat16>(c); }

Run to_bytes(Choice& c) {
  return c["D"] == "e4m3x2" ? join<E4M3, Rounding::nearest, 8>(c) : join<E5M2, Rounding::nearest, 8>(c);
}
template <class F>
Run bytes_of_halves(const Choice& c) {
  return c.has("relu") ? unary<U32, Each<Float16, 16, ToSmall<F, Rounding::nearest, Range::finite_relu>, 8>>
                       : unary<U32, Each<Float16, 16, ToSmall<F, Rounding::nearest, Range::finite>, 8>>;
}
Run halves_to_bytes(Choice& c) { return c["D"] == "e4m3x2" ? bytes_of_halves<E4M3>(c) : bytes_of_halves<E5M2>(c); }
template <class F>
Run halves_of_bytes(const Choice& c) {
  return c.has("relu") ? unary<U32, Each<F, 8, ToSmall<Float16, Rounding::nearest, Range::relu>, 16>>
                       : unary<U32, Each<F, 8, ToSmall<Float16, Rounding::nearest, Range::all>, 16>>;
}
Run bytes_to_halves(Choice& c) { return c["S"] == "e4m3x2" ? halves_of_bytes<E4M3>(c) : halves_of_bytes<E5M2>(c); }

constexpr int tf32_unused = 13;   // lower bits of the register

template <Rounding r, Range range>
struct ToTensorFloat {
  U32 operator()(float value) const { return ToSmall<TFloat32, r, range>::put(value) << tf32_unused; }
};
/// As ptxas expands .rna: of a NaN the lower bits are cut off, so that it may become an infinity, and
/// .satfinite takes the greatest number instead.
template <bool finite>
struct ToTensorFloatAway {
  U32 operator()(U32 bits) const {
    constexpr U32 infinity = 0x7F800000, unit = 1u << tf32_unused;
    bits += (bits & 0x7FFFFFFF) < infinity ? unit / 2 : 0;
    bits &= ~(unit - 1);
    return finite && (bits & 0x7FFFFFFF) >= infinity ? bits - unit : bits;
  }
};
Run to_tf32(Choice& c) {
  if (c["R"] == "rz") {
    return c.has("relu") ? unary<float, ToTensorFloat<Rounding::zero, Range::relu>, U32>
                         : unary<float, ToTensorFloat<Rounding::zero, Range::all>, U32>;
  }
  return c.has("relu") ? unary<float, ToTensorFloat<Rounding::nearest, Range::relu>, U32>
                       : unary<float, ToTensorFloat<Rounding::nearest, Range::all>, U32>;
}
Run to_tf32_away(Choice& c) {
  return c.has("satfinite") ? Run(unary<U32, ToTensorFloatAway<true>>) : unary<U32, ToTensorFloatAway<false>>;
}

const Form table[] = {
    {"cvt.<R: rn rz>{.relu}.<D: f16x2 bf16x2>.f32", "=b32, f32, f32", to_halves, 0, 70, 80, false, "convert_packed"},
    {"cvt.<R: rn rz>{.relu}.satfinite.<D: f16x2 bf16x2>.f32", "=b32, f32, f32", to_halves, 0, 81, 80, false, "convert_packed"},
    {"cvt.rn.satfinite{.relu}.<D: e4m3x2 e5m2x2>.f32", "=b16, f32, f32", to_bytes, 0, 78, 89, false, "convert_packed"},
    {"cvt.rn.satfinite{.relu}.<D: e4m3x2 e5m2x2>.f16x2", "=b16, b32", halves_to_bytes, 0, 78, 89, false, "convert_packed"},
    {"cvt.rn{.relu}.f16x2.<S: e4m3x2 e5m2x2>", "=b32, b16", bytes_to_halves, 0, 78, 89, false, "convert_packed"},
    {"cvt.<R: rn rz>{.relu}.tf32.f32", "=b32, f32", to_tf32, 0, 78, 90, false, "convert_packed"},
    {"cvt.rna.tf32.f32", "=b32, f32", to_tf32_away, 0, 70, 80, false, "convert_packed"},
    {"cvt.rna.satfinite.tf32.f32", "=b32, f32", to_tf32_away, 0, 81, 80, false, "convert_packed"},
};

}  // namespace

std::span<const Form> convert_packed_forms() { return table; }

}  // namespace triptych::emulator

/// \file
/// What the scalar and the SIMD video instructions share: operations on values of 33 bits.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "emulator/instruction/form.h"

namespace triptych::emulator {

std::span<const Form> video_simd_forms();   // vadd2 … vset4

namespace video {

using S64 = std::int64_t;

struct Add {
  S64 operator()(S64 a, S64 b) const { return a + b; }
};
struct Sub {
  S64 operator()(S64 a, S64 b) const { return a - b; }
};
struct AbsDifference {
  S64 operator()(S64 a, S64 b) const { return a < b ? b - a : a - b; }
};
struct Min {
  S64 operator()(S64 a, S64 b) const { return a < b ? a : b; }
};
struct Max {
  S64 operator()(S64 a, S64 b) const { return a < b ? b : a; }
};
/// Half of the sum, rounded away from zero where the sum is positive, else down.
struct Average {
  S64 operator()(S64 a, S64 b) const { return (a + b + (a + b >= 0 ? 1 : 0)) >> 1; }
};
struct Eq {
  S64 operator()(S64 a, S64 b) const { return a == b ? 1 : 0; }
};
struct Ne {
  S64 operator()(S64 a, S64 b) const { return a != b ? 1 : 0; }
};
struct Lt {
  S64 operator()(S64 a, S64 b) const { return a < b ? 1 : 0; }
};
struct Le {
  S64 operator()(S64 a, S64 b) const { return a <= b ? 1 : 0; }
};
struct Gt {
  S64 operator()(S64 a, S64 b) const { return a > b ? 1 : 0; }
};
struct Ge {
  S64 operator()(S64 a, S64 b) const { return a >= b ? 1 : 0; }
};

}  // namespace video

/// f.operator()<F>() for the comparison of that name.
template <class Call>
Run with_comparison(std::string_view name, Call call) {
  if (name == "eq") return call.template operator()<video::Eq>();
  if (name == "ne") return call.template operator()<video::Ne>();
  if (name == "lt") return call.template operator()<video::Lt>();
  if (name == "le") return call.template operator()<video::Le>();
  if (name == "gt") return call.template operator()<video::Gt>();
  return name == "ge" ? call.template operator()<video::Ge>() : nullptr;
}

}  // namespace triptych::emulator

/// \file
/// IEEE arithmetic as PTX modifies it: rounding modes, flushing, saturation, canonical NaNs.
#pragma once

#include <bit>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "emulator/machine/instr.h"

namespace triptych::emulator {

/// The NaN that single-precision instructions give.
inline constexpr std::uint32_t nan_bits = 0x7FFFFFFF;

/// Denormal numbers become zeros of their sign.
inline float flushed(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return std::bit_cast<float>((bits & 0x7F800000) == 0 ? bits & 0x80000000 : bits);
}

inline float with_canonical_nan(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return std::bit_cast<float>((bits & 0x7FFFFFFF) > 0x7F800000 ? nan_bits : bits);
}

/// To [0, 1]; NaN and -0 become +0.
template <class T>
T saturated(T x) {
  const T low = x > T{0} ? x : T{0};
  return low < T{1} ? low : T{1};
}

/// The host's rounding mode that a modifier names; rn if it names none.
inline int host_rounding(std::string_view mode) {
  return mode == "rz" ? FE_TOWARDZERO : mode == "rm" ? FE_DOWNWARD : mode == "rp" ? FE_UPWARD : FE_TONEAREST;
}

/// Rounds the host's arithmetic otherwise for a while. The functions it is used around read and write
/// memory that others see, so no compiler moves their arithmetic out of its reach.
class HostRounding {
 public:
  explicit HostRounding(int mode) : before_(std::fegetround()) { std::fesetround(mode); }
  HostRounding(const HostRounding&) = delete;
  HostRounding& operator=(const HostRounding&) = delete;
  ~HostRounding() { std::fesetround(before_); }

 private:
  int before_;
};

/// The handler under another rounding mode of the host.
template <Run run, int mode>
void rounded(Warp& w, const Instr& i) {
  const HostRounding scope(mode);
  run(w, i);
}
template <Run run>
Run with_rounding(std::string_view mode) {
  switch (host_rounding(mode)) {
    case FE_TOWARDZERO: return rounded<run, FE_TOWARDZERO>;
    case FE_DOWNWARD: return rounded<run, FE_DOWNWARD>;
    case FE_UPWARD: return rounded<run, FE_UPWARD>;
    default: return run;
  }
}

}  // namespace triptych::emulator

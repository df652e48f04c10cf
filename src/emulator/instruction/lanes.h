/// \file
/// How handlers work on 32 lanes: loops that the compiler turns into vector instructions.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "emulator/instruction/form.h"
#include "emulator/machine/warp.h"

namespace triptych::emulator {

/// The type that a lane of a row is stored in: 4 bytes for values of up to 32 bits.
template <class T>
using Lane = std::conditional_t<sizeof(T) <= 4, std::uint32_t, T>;

/// A lane's lower bits as T.
template <class T>
T from_lane(Lane<T> lane) {
  if constexpr (sizeof(T) == 4) {
    return std::bit_cast<T>(lane);
  } else if constexpr (sizeof(T) == 2) {
    return std::bit_cast<T>(static_cast<std::uint16_t>(lane));
  } else if constexpr (sizeof(T) == 1) {
    return std::bit_cast<T>(static_cast<std::uint8_t>(lane));
  } else {
    return lane;
  }
}

/// A value as a lane; narrow ones are zero-extended.
template <class T>
Lane<T> to_lane(T value) {
  if constexpr (sizeof(T) == 4) {
    return std::bit_cast<std::uint32_t>(value);
  } else if constexpr (sizeof(T) == 2) {
    return std::bit_cast<std::uint16_t>(value);
  } else if constexpr (sizeof(T) == 1) {
    return std::bit_cast<std::uint8_t>(value);
  } else {
    return value;
  }
}

// Clang does not know the pragma.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
/// out[l] = f(l) for the lanes that execute. A lane may be read and written in the same place.
template <class D, class F>
void for_lanes(const Warp& warp, D* out, F&& f) {
  const Mask exec = warp.exec();
  if (exec == all_lanes) {
#pragma GCC ivdep
    for (int l = 0; l < warp_size; ++l) out[l] = f(l);
  } else {
#pragma GCC ivdep
    for (int l = 0; l < warp_size; ++l) out[l] = (exec >> l & 1) != 0 ? f(l) : out[l];
  }
}
#pragma GCC diagnostic pop

/// The mask of lanes for which f holds, all lanes evaluated.
template <class F>
Mask lanes_where(F&& f) {
  Mask mask = 0;
  for (int l = 0; l < warp_size; ++l) mask |= static_cast<Mask>(f(l) ? 1 : 0) << l;
  return mask;
}

/// Instr with op[0] = f(op[1]), f(op[1], op[2]) or f(op[1], op[2], op[3]): sources of type T, the result of
/// type D. F is stateless.
template <class T, class F, class D = T>
void unary(Warp& w, const Instr& i) {
  const auto* a = w.in<Lane<T>>(i.op[1]);
  for_lanes(w, w.out<Lane<D>>(i.op[0]), [=](int l) { return to_lane<D>(F()(from_lane<T>(a[l]))); });
}
template <class T, class F, class D = T>
void binary(Warp& w, const Instr& i) {
  const auto *a = w.in<Lane<T>>(i.op[1]), *b = w.in<Lane<T>>(i.op[2]);
  for_lanes(w, w.out<Lane<D>>(i.op[0]),
            [=](int l) { return to_lane<D>(F()(from_lane<T>(a[l]), from_lane<T>(b[l]))); });
}
template <class T, class F, class D = T>
void ternary(Warp& w, const Instr& i) {
  const auto *a = w.in<Lane<T>>(i.op[1]), *b = w.in<Lane<T>>(i.op[2]), *c = w.in<Lane<T>>(i.op[3]);
  for_lanes(w, w.out<Lane<D>>(i.op[0]), [=](int l) {
    return to_lane<D>(F()(from_lane<T>(a[l]), from_lane<T>(b[l]), from_lane<T>(c[l])));
  });
}

}  // namespace triptych::emulator

/// \file
/// What atom, red and asynchronous reductions do to a word of memory.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <utility>

#include "emulator/instruction/float.h"
#include "emulator/instruction/half.h"

namespace triptych::emulator {

__extension__ typedef unsigned __int128 Wide;

// What an operation makes of the old bits and its operands. B is what memory holds.
struct Add { template <class B> static B of(B old, B b, B) { return static_cast<B>(old + b); } };
struct And { template <class B> static B of(B old, B b, B) { return old & b; } };
struct Or { template <class B> static B of(B old, B b, B) { return old | b; } };
struct Xor { template <class B> static B of(B old, B b, B) { return old ^ b; } };
struct Exch { template <class B> static B of(B, B b, B) { return b; } };
struct Cas { template <class B> static B of(B old, B b, B c) { return old == b ? c : old; } };
struct Inc { template <class B> static B of(B old, B b, B) { return old >= b ? B(0) : old + 1; } };
struct Dec { template <class B> static B of(B old, B b, B) { return old == 0 || old > b ? b : old - 1; } };
struct Min { template <class B> static B of(B old, B b, B) { return std::min(old, b); } };
struct Max { template <class B> static B of(B old, B b, B) { return std::max(old, b); } };
template <class Signed, class Op>
struct AsSigned {
  template <class B> static B of(B old, B b, B) {
    return static_cast<B>(Op::of(static_cast<Signed>(old), static_cast<Signed>(b), Signed(0)));
  }
};
template <class F>
struct AddReal {
  template <class B> static B of(B old, B b, B) {
    const F sum = std::bit_cast<F>(old) + std::bit_cast<F>(b);
    if (std::isnan(sum)) return static_cast<B>(sizeof(F) == 4 ? 0x7FFFFFFFu : 0x7FF8000000000000u);
    return std::bit_cast<B>(sum);
  }
};
/// f32 in global memory, where denormals count as zero; in shared memory they do not.
struct AddFlushing {
  template <class B> static B of(B old, B b, B) {
    const float x = flushed(std::bit_cast<float>(old)), y = flushed(std::bit_cast<float>(b));
    return std::bit_cast<B>(with_canonical_nan(flushed(x + y)));
  }
};
/// Halves of 16 bits, one or two in a word.
template <class Half, HalfOp op>
struct OnHalves {
  template <class B> static B of(B old, B b, B) {
    B result = 0;
    for (std::size_t h = 0; h < sizeof(B) / 2; ++h) {
      const auto x = static_cast<std::uint16_t>(old >> (16 * h)), y = static_cast<std::uint16_t>(b >> (16 * h));
      result = static_cast<B>(result | static_cast<B>(static_cast<B>(half_op<Half, op>(x, y)) << (16 * h)));
    }
    return result;
  }
};

/// One turn on the host's word; gives the old bits, and whether they changed.
template <class B, class Op>
std::pair<B, bool> swap(std::uint8_t* host, B b, B c) {
  B old, next;
  if constexpr (sizeof(B) == 16) {
    // Not lock-free everywhere: 128-bit atomics take turns among themselves.
    static std::mutex mutex;
    const std::lock_guard lock(mutex);
    std::memcpy(&old, host, 16);
    next = Op::of(old, b, c);
    std::memcpy(host, &next, 16);
  } else {
    auto* at = reinterpret_cast<B*>(host);
    old = __atomic_load_n(at, __ATOMIC_ACQUIRE);
    do {
      next = Op::of(old, b, c);
    } while (!__atomic_compare_exchange_n(at, &old, next, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
  }
  return {old, next != old};
}

}  // namespace triptych::emulator

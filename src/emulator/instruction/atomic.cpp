// atom and red. Lanes of a warp take their turns in the order of lanes; other SMs may be stepped by other
// host threads, so every turn is a compare-and-swap of host memory. Fences are in fence.cpp.
#include <algorithm>
#include <bit>
#include <cmath>
#include <mutex>
#include <vector>

#include "emulator/instruction/access.h"
#include "emulator/instruction/fence.h"
#include "emulator/instruction/half.h"
#include "emulator/instruction/lanes.h"
#include "emulator/instruction/reduction.h"

namespace triptych::emulator {
namespace {

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
    F x = std::bit_cast<F>(old), y = std::bit_cast<F>(b);
    // In global memory f32 sums flush nothing; NaN results are canonical.
    F sum = x + y;
    if (std::isnan(sum)) return static_cast<B>(sizeof(F) == 4 ? 0x7FFFFFFFu : 0x7FF8000000000000u);
    return std::bit_cast<B>(sum);
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

/// One turn; gives the old bits, and whether they changed.
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

template <class B, class Op>
B turn(Warp& w, std::uint8_t* host, B b, B c) {
  const auto [old, changed] = swap<B, Op>(host, b, c);
  if (changed) {
    w.note_effect();
  } else {
    w.note_poll(host, sizeof(B), static_cast<std::uint64_t>(old));
  }
  return old;
}

/// One element of an asynchronous reduction.
template <class B, class Op>
void reduce_element(std::uint8_t* host, const std::uint8_t* value) {
  B b;
  std::memcpy(&b, value, sizeof(B));
  swap<B, Op>(host, b, B(0));
}

/// d = old, or nothing (red): operands d, [a], b and perhaps c.
template <class B, class Op, bool returns>
void atomic(Warp& w, const Instr& i) {
  const AccessCode code(i.extra);
  constexpr std::size_t first = returns ? 1 : 0;
  Lanes<std::uint64_t> addresses;
  Lanes<std::uint8_t*> hosts;
  w.addresses(i.op[first], code.wide(), i.imm, addresses);
  w.resolve(code.space(), addresses, sizeof(B), Access::atomic, code.semantics(), i, hosts);
  const auto* b = w.in<Lane<B>>(i.op[first + 1]);
  const auto* c = std::is_same_v<Op, Cas> ? w.in<Lane<B>>(i.op[first + 2]) : b;
  Lane<B>* d = nullptr;
  if constexpr (returns) d = w.out<Lane<B>>(i.op[0]);
  for (Mask left = w.exec(); left != 0; left &= left - 1) {
    const int l = std::countr_zero(left);
    const B old = turn<B, Op>(w, hosts[l], static_cast<B>(b[l]), static_cast<B>(c[l]));
    if constexpr (returns) d[l] = static_cast<Lane<B>>(old);
  }
}

/// Vectors: element by element, each atomic by itself.
template <class B, class Op, bool returns>
void atomic_vector(Warp& w, const Instr& i) {
  const AccessCode code(i.extra);
  const std::uint32_t n = returns ? i.list_count / 2 : i.list_count;
  Lanes<std::uint64_t> addresses;
  Lanes<std::uint8_t*> hosts;
  w.addresses(i.op[0], code.wide(), i.imm, addresses);
  w.resolve(code.space(), addresses, static_cast<std::uint32_t>(sizeof(B)) * n, Access::atomic, code.semantics(), i, hosts);
  for (Mask left = w.exec(); left != 0; left &= left - 1) {
    const int l = std::countr_zero(left);
    for (std::uint32_t e = 0; e < n; ++e) {
      const auto* b = w.in<Lane<B>>(w.list(i, returns ? n + e : e));
      const B old = turn<B, Op>(w, hosts[l] + e * sizeof(B), static_cast<B>(b[l]), B(0));
      if constexpr (returns) w.out<Lane<B>>(w.list(i, e))[l] = static_cast<Lane<B>>(old);
    }
  }
}

using U32 = std::uint32_t;
using U64 = std::uint64_t;
using U16 = std::uint16_t;
using S32 = std::int32_t;
using S64 = std::int64_t;

template <bool returns, class B>
Run by_bits(std::string_view op) {
  if (op == "and") return atomic<B, And, returns>;
  if (op == "or") return atomic<B, Or, returns>;
  if (op == "xor") return atomic<B, Xor, returns>;
  if (op == "exch") return atomic<B, Exch, returns>;
  return atomic<B, Cas, returns>;
}

template <bool returns>
Run plain(Choice& c) {
  const std::string_view op = c["A"];
  const Type t = c.type("T");
  const bool min = op == "min", wide = bits_of(t) == 64;
  if (op == "inc") return t == Type::u32 ? Run(atomic<U32, Inc, returns>) : nullptr;
  if (op == "dec") return t == Type::u32 ? Run(atomic<U32, Dec, returns>) : nullptr;
  if (op == "min" || op == "max") {
    if (t == Type::u32) return min ? atomic<U32, Min, returns> : atomic<U32, Max, returns>;
    if (t == Type::u64) return min ? atomic<U64, Min, returns> : atomic<U64, Max, returns>;
    if (t == Type::s32) return min ? atomic<U32, AsSigned<S32, Min>, returns> : atomic<U32, AsSigned<S32, Max>, returns>;
    if (t == Type::s64) return min ? atomic<U64, AsSigned<S64, Min>, returns> : atomic<U64, AsSigned<S64, Max>, returns>;
    return nullptr;
  }
  if (op == "add") {
    if (t == Type::f32) return atomic<U32, AddReal<float>, returns>;
    if (t == Type::f64) return atomic<U64, AddReal<double>, returns>;
    if (is_untyped(t) || t == Type::s64) return nullptr;
    return wide ? Run(atomic<U64, Add, returns>) : Run(atomic<U32, Add, returns>);
  }
  if (!is_untyped(t)) return nullptr;
  if (bits_of(t) == 16) return op == "cas" ? Run(atomic<U16, Cas, returns>) : nullptr;
  if (bits_of(t) == 128) {
    return op == "cas" ? Run(atomic<Wide, Cas, returns>) : op == "exch" ? Run(atomic<Wide, Exch, returns>) : nullptr;
  }
  return wide ? by_bits<returns, U64>(op) : by_bits<returns, U32>(op);
}

template <template <class, class, bool> class Kind, class B, bool returns, class Half>
Run on_halves(std::string_view op) {
  if (op == "add") return Kind<B, OnHalves<Half, HalfOp::add>, returns>::run;
  if (op == "min") return Kind<B, OnHalves<Half, HalfOp::min>, returns>::run;
  return Kind<B, OnHalves<Half, HalfOp::max>, returns>::run;
}
template <class B, class Op, bool returns>
struct One { static constexpr Run run = atomic<B, Op, returns>; };
template <class B, class Op, bool returns>
struct Many { static constexpr Run run = atomic_vector<B, Op, returns>; };

template <template <class, class, bool> class Kind, bool returns>
Run halves(Choice& c) {
  const std::string_view op = c["A"];
  switch (c.type("T")) {
    case Type::f16: return on_halves<Kind, U16, returns, F16>(op);
    case Type::bf16: return on_halves<Kind, U16, returns, Bf16>(op);
    case Type::f16x2: return on_halves<Kind, U32, returns, F16>(op);
    case Type::bf16x2: return on_halves<Kind, U32, returns, Bf16>(op);
    case Type::f32: return Kind<U32, AddReal<float>, returns>::run;
    default: return nullptr;
  }
}

/// Packs the access into `extra`. An order that is left out is relaxed, a scope that is left out gpu.
template <Run (*pick)(Choice&)>
Run with_access(Choice& c) {
  const AccessCode written = AccessCode::of(c);
  Semantics s = written.semantics();
  if (s.order == Order::weak) s.order = Order::relaxed;
  if (c["O"].empty()) s.scope = Scope::gpu;
  c.extra = AccessCode(written.space(), s).bits();
  c.ticks = 8;
  return pick(c);
}

/// Vectors have 128 bits at most, and sixteen-bit elements only whole.
template <bool returns>
Run vector(Choice& c) {
  const int n = c["V"] == "v2" ? 2 : c["V"] == "v4" ? 4 : 8;
  if (n * bits_of(c.type("T")) > 128 || (n == 8 && bits_of(c.type("T")) != 16)) return nullptr;
  return halves<Many, returns>(c);
}

constexpr std::uint8_t m = Instr::memory;
#define SEM "{.<M: relaxed acquire release acq_rel>}{.<O: cta cluster gpu sys>}"
#define RED_SEM "{.<M: relaxed release>}{.<O: cta cluster gpu sys>}"
#define SPACES "{.<S: global shared shared::cta shared::cluster>}"
#define HINT "{.L2::cache_hint}"
#define POLICY ", b64?.L2::cache_hint"

const Form table[] = {
    {"atom" SEM SPACES ".cas" HINT ".<T: b16 b32 b64 b128>", "=T, [S], T, T" POLICY, with_access<[](Choice& c) { c.named.emplace_back("A", "cas"); return plain<true>(c); }>, m, 11, 20, false, "atomic"},
    {"atom" SEM SPACES ".<A: add min max inc dec and or xor exch>" HINT ".<T: b32 b64 b128 u32 u64 s32 s64 f32 f64>", "=T, [S], T" POLICY, with_access<plain<true>>, m, 11, 20, false, "atomic"},
    {"atom" SEM SPACES ".<A: add>.noftz" HINT ".<T: f16 f16x2 bf16 bf16x2>", "=T, [S], T" POLICY, with_access<halves<One, true>>, m, 62, 60, false, "atomic"},
    {"atom" SEM "{.<S: global>}.<A: add>" HINT ".<V: v2 v4>.<T: f32>", "=V*T, [S], V*T" POLICY, with_access<vector<true>>, m, 81, 90, false, "atomic"},
    {"atom" SEM "{.<S: global>}.<A: add min max>.noftz" HINT ".<V: v2 v4 v8>.<T: f16 bf16 f16x2 bf16x2>", "=V*T, [S], V*T" POLICY, with_access<vector<true>>, m, 81, 90, false, "atomic"},
    {"red" RED_SEM SPACES ".<A: add min max inc dec and or xor>" HINT ".<T: b32 b64 u32 u64 s32 s64 f32 f64>", "[S], T" POLICY, with_access<plain<false>>, m, 12, 20, false, "atomic"},
    {"red" RED_SEM SPACES ".<A: add>.noftz" HINT ".<T: f16 f16x2 bf16 bf16x2>", "[S], T" POLICY, with_access<halves<One, false>>, m, 62, 60, false, "atomic"},
    {"red" RED_SEM "{.<S: global>}.<A: add>" HINT ".<V: v2 v4>.<T: f32>", "[S], V*T" POLICY, with_access<vector<false>>, m, 81, 90, false, "atomic"},
    {"red" RED_SEM "{.<S: global>}.<A: add min max>.noftz" HINT ".<V: v2 v4 v8>.<T: f16 bf16 f16x2 bf16x2>", "[S], V*T" POLICY, with_access<vector<false>>, m, 81, 90, false, "atomic"},
};

template <class Half>
Reduction half_reduction(std::string_view op) {
  if (op == "add") return reduce_element<U16, OnHalves<Half, HalfOp::add>>;
  if (op == "min") return reduce_element<U16, OnHalves<Half, HalfOp::min>>;
  return op == "max" ? reduce_element<U16, OnHalves<Half, HalfOp::max>> : nullptr;
}

template <class U, class S>
Reduction integer_reduction(std::string_view op, bool sign) {
  if (op == "add") return reduce_element<U, Add>;
  if (op == "and") return reduce_element<U, And>;
  if (op == "or") return reduce_element<U, Or>;
  if (op == "xor") return reduce_element<U, Xor>;
  if (op == "inc") return reduce_element<U, Inc>;
  if (op == "dec") return reduce_element<U, Dec>;
  if (op == "min") return sign ? Reduction(reduce_element<U, AsSigned<S, Min>>) : reduce_element<U, Min>;
  return sign ? Reduction(reduce_element<U, AsSigned<S, Max>>) : reduce_element<U, Max>;
}

}  // namespace

Reduction reduction_of(std::string_view op, Type type) {
  switch (type) {
    case Type::f16: return half_reduction<F16>(op);
    case Type::bf16: return half_reduction<Bf16>(op);
    case Type::f32: return op == "add" ? reduce_element<U32, AddReal<float>> : nullptr;
    case Type::f64: return op == "add" ? reduce_element<U64, AddReal<double>> : nullptr;
    default: break;
  }
  return bits_of(type) == 64 ? integer_reduction<U64, S64>(op, is_signed(type))
                             : integer_reduction<U32, S32>(op, is_signed(type));
}

std::span<const Form> atomic_forms() {
  static const std::vector<Form> all = [] {
    std::vector<Form> both(std::begin(table), std::end(table));
    const auto fences = fence_forms();
    both.insert(both.end(), fences.begin(), fences.end());
    return both;
  }();
  return all;
}

}  // namespace triptych::emulator

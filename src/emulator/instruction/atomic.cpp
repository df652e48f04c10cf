// atom and red. Lanes of a warp take their turns in the order of lanes; other SMs may be stepped by other
// host threads, so every turn is a compare-and-swap of host memory. Fences are in fence.cpp.
#include <bit>
#include <type_traits>
#include <vector>

#include "emulator/instruction/access.h"
#include "emulator/instruction/atomic_operation.h"
#include "emulator/instruction/fence.h"
#include "emulator/instruction/lanes.h"

namespace triptych::emulator {
namespace {

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

/// Whether a lane's address is in global memory.
bool in_global(const AccessCode& code, std::uint64_t address) {
  return code.space() == Space::global || (code.space() == Space::generic && window::of(address) == 0);
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
    const bool flushes = std::is_same_v<Op, AddReal<float>> && in_global(code, addresses[l]);
    const auto one = flushes ? turn<B, std::conditional_t<std::is_same_v<Op, AddReal<float>>, AddFlushing, Op>> : turn<B, Op>;
    const B old = one(w, hosts[l], static_cast<B>(b[l]), static_cast<B>(c[l]));
    if constexpr (returns) d[l] = static_cast<Lane<B>>(old);
  }
}

/// Vectors in global memory: element by element, each atomic by itself.
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

using U16 = std::uint16_t;
using U32 = std::uint32_t;
using U64 = std::uint64_t;
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
    case Type::f32: return Kind<U32, AddFlushing, returns>::run;
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
#define GLOBAL "{.<S: global>}"
#define HINT "{.L2::cache_hint}"
#define POLICY ", u64?.L2::cache_hint"
#define TYPES ".<T: b32 b64 u32 u64 s32 s64 f32 f64>"
#define HALVES ".<T: f16 f16x2 bf16 bf16x2>"
#define EXCHANGING ".<A: add min max inc dec and or xor exch>"
#define REDUCING ".<A: add min max inc dec and or xor>"
#define WIDE ".<V: v2 v4>.<T: f32>"
#define NARROW ".<A: add min max>.noftz" HINT ".<V: v2 v4 v8>.<T: f16 bf16 f16x2 bf16x2>"

// Hints are for global memory alone; without one the first form of two takes the instruction.
const Form table[] = {
    {"atom" SEM SPACES ".<A: cas>.<T: b16 b32 b64 b128>", "=T, [S], T, T", with_access<plain<true>>, m, 11, 20, false, "atomic"},
    {"atom" SEM SPACES ".<A: exch>.<T: b128>", "=T, [S], T", with_access<plain<true>>, m, 83, 90, false, "atomic"},
    {"atom" SEM GLOBAL ".<A: exch>.L2::cache_hint.<T: b128>", "=T, [S], T, u64", with_access<plain<true>>, m, 83, 90, false, "atomic"},
    {"atom" SEM SPACES EXCHANGING TYPES, "=T, [S], T", with_access<plain<true>>, m, 11, 20, false, "atomic"},
    {"atom" SEM GLOBAL EXCHANGING ".L2::cache_hint" TYPES, "=T, [S], T, u64", with_access<plain<true>>, m, 74, 80, false, "atomic"},
    {"atom" SEM SPACES ".<A: add>.noftz" HALVES, "=T, [S], T", with_access<halves<One, true>>, m, 62, 60, false, "atomic"},
    {"atom" SEM GLOBAL ".<A: add>.noftz.L2::cache_hint" HALVES, "=T, [S], T, u64", with_access<halves<One, true>>, m, 74, 80, false, "atomic"},
    {"atom" SEM GLOBAL ".<A: add>" HINT WIDE, "=V*T, [S], V*T" POLICY, with_access<vector<true>>, m, 81, 90, false, "atomic"},
    {"atom" SEM GLOBAL NARROW, "=V*T, [S], V*T" POLICY, with_access<vector<true>>, m, 81, 90, false, "atomic"},
    {"red" RED_SEM SPACES REDUCING TYPES, "[S], T", with_access<plain<false>>, m, 12, 20, false, "atomic"},
    {"red" RED_SEM GLOBAL REDUCING ".L2::cache_hint" TYPES, "[S], T, u64", with_access<plain<false>>, m, 74, 80, false, "atomic"},
    {"red" RED_SEM SPACES ".<A: add>.noftz" HALVES, "[S], T", with_access<halves<One, false>>, m, 62, 60, false, "atomic"},
    {"red" RED_SEM GLOBAL ".<A: add>.noftz.L2::cache_hint" HALVES, "[S], T, u64", with_access<halves<One, false>>, m, 74, 80, false, "atomic"},
    {"red" RED_SEM GLOBAL ".<A: add>" HINT WIDE, "[S], V*T" POLICY, with_access<vector<false>>, m, 81, 90, false, "atomic"},
    {"red" RED_SEM GLOBAL NARROW, "[S], V*T" POLICY, with_access<vector<false>>, m, 81, 90, false, "atomic"},
};

}  // namespace

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

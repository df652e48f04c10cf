// ld, st and what goes with them. Every address goes through Warp::resolve.
#include <bit>

#include "emulator/instruction/access.h"
#include "emulator/instruction/dispatch.h"
#include "emulator/instruction/lanes.h"
#include "emulator/instruction/stack.h"
#include "emulator/machine/machine.h"
#include "emulator/machine/observer.h"

namespace triptych::emulator {
namespace {

/// Copies one element of each executing lane between host memory and a row. T is what memory holds; narrow
/// ones fill their lane, sign-extended if T is signed.
template <class T, bool strong>
void read_row(const Warp& w, const Lanes<std::uint8_t*>& from, std::size_t element, Slot to) {
  using Row = Lane<T>;
  auto* row = reinterpret_cast<Row*>(w.bank_[Slot::frame] + to.byte_offset());
  for (int l = 0; l < warp_size; ++l) {
    if ((w.exec() >> l & 1) == 0) continue;
    const std::uint8_t* at = from[l] + element * sizeof(T);
    T value;
    if constexpr (strong && sizeof(T) <= 8) {
      value = __atomic_load_n(reinterpret_cast<const T*>(at), __ATOMIC_ACQUIRE);
    } else {
      std::memcpy(&value, at, sizeof(T));
    }
    row[l] = static_cast<Row>(value);
  }
}

template <class T, bool strong>
void write_row(Warp& w, const Lanes<std::uint8_t*>& to, std::size_t element, Slot from) {
  const auto* row = w.in<Lane<T>>(from);
  for (int l = 0; l < warp_size; ++l) {
    if ((w.exec() >> l & 1) == 0) continue;
    const T value = static_cast<T>(row[l]);
    std::uint8_t* at = to[l] + element * sizeof(T);
    if constexpr (strong && sizeof(T) <= 8) {
      __atomic_store_n(reinterpret_cast<T*>(at), value, __ATOMIC_RELEASE);
    } else {
      std::memcpy(at, &value, sizeof(T));
    }
  }
}

/// What a strong load saw: should the warp be in a polling loop, it waits for a change of it.
void note_polls(Warp& w, const Lanes<std::uint8_t*>& hosts, std::uint32_t bytes) {
  const std::uint8_t* last = nullptr;
  for (Mask left = w.exec(); left != 0; left &= left - 1) {
    const std::uint8_t* host = hosts[std::countr_zero(left)];
    if (host == last) continue;
    last = host;
    std::uint64_t value = 0;
    std::memcpy(&value, host, std::min(bytes, 8u));
    w.note_poll(host, bytes, value);
  }
}

/// Weak accesses of whole warps to the CTA's own shared memory, or to an allocation that was touched before,
/// are most of all: their addresses are checked together. A is a register of an address.
template <class A>
struct Whole {
  A at[warp_size];
  std::uint8_t* base = nullptr;   ///< what they count from

  /// False if the general way has to be gone.
  bool find(Warp& w, const Instr& i, std::uint32_t bytes, Access access) {
    if (w.exec() != all_lanes || i.op[0].absent()) return false;
    const A* row = w.in<A>(i.op[0]);
    const A displacement = static_cast<A>(i.imm);
    A low = ~A{0}, high = 0, ones = 0;
    for (int l = 0; l < warp_size; ++l) {
      const A a = row[l] + displacement;
      at[l] = a;
      low = std::min(low, a);
      high = std::max(high, a);
      ones |= a;
    }
    if ((ones & (bytes - 1)) != 0) return false;
    if constexpr (sizeof(A) == 4) {
      base = w.cta().shared();
      if (low < shared_reserved || high >= w.cta().shared_bytes() || w.cta().shared_bytes() - high < bytes) return false;
    } else if (!w.found_before(low, high + bytes, access)) {
      return false;
    }
    if (w.observer() != nullptr) [[unlikely]] tell(w, i, bytes, access);
    return true;
  }
  void tell(Warp& w, const Instr& i, std::uint32_t bytes, Access access) const {
    Lanes<std::uint64_t> addresses;
    Lanes<std::uint8_t*> hosts;
    for (int l = 0; l < warp_size; ++l) {
      addresses[l] = at[l];
      hosts[l] = host(l);
    }
    const AccessCode code(i.extra);
    w.observer()->access({w, i, code.space(), access, code.semantics(), all_lanes, addresses, hosts, bytes});
  }
  std::uint8_t* host(int l) const {
    if constexpr (sizeof(A) == 4) return base + at[l];
    return reinterpret_cast<std::uint8_t*>(at[l]);
  }
  /// Whether the lanes' elements of `bytes` follow each other.
  bool contiguous(std::uint32_t bytes) const {
    A differ = 0;
    for (int l = 0; l < warp_size; ++l) differ |= at[l] ^ (at[0] + static_cast<A>(l) * bytes);
    return differ == 0;
  }
};

template <class T, class A>
bool load_whole(Warp& w, const Instr& i) {
  Whole<A> whole;
  if (!whole.find(w, i, static_cast<std::uint32_t>(sizeof(T) * i.list_count), Access::read)) return false;
  using Row = Lane<T>;
  if (i.list_count == 1 && sizeof(T) == sizeof(Row) && whole.contiguous(sizeof(T))) {
    std::memcpy(w.out<Row>(w.list(i, 0)), whole.host(0), warp_size * sizeof(T));
    return true;
  }
  for (std::uint32_t e = 0; e < i.list_count; ++e) {
    Row* row = w.out<Row>(w.list(i, e));
    for (int l = 0; l < warp_size; ++l) {
      T value;
      std::memcpy(&value, whole.host(l) + e * sizeof(T), sizeof(T));
      row[l] = static_cast<Row>(value);
    }
  }
  return true;
}

template <class T, class A>
bool store_whole(Warp& w, const Instr& i) {
  Whole<A> whole;
  if (!whole.find(w, i, static_cast<std::uint32_t>(sizeof(T) * i.list_count), Access::write)) return false;
  using Row = Lane<T>;
  if (i.list_count == 1 && sizeof(T) == sizeof(Row) && whole.contiguous(sizeof(T))) {
    std::memcpy(whole.host(0), w.in<Row>(w.list(i, 0)), warp_size * sizeof(T));
  } else {
    for (std::uint32_t e = 0; e < i.list_count; ++e) {
      const Row* row = w.in<Row>(w.list(i, e));
      for (int l = 0; l < warp_size; ++l) {
        const T value = static_cast<T>(row[l]);
        std::memcpy(whole.host(l) + e * sizeof(T), &value, sizeof(T));
      }
    }
  }
  w.note_effect();
  return true;
}

/// Spaces whose accesses may go the short way.
bool is_common(Space space) { return space == Space::shared || space == Space::global; }

template <class T, bool strong>
void load(Warp& w, const Instr& i) {
  const AccessCode code(i.extra);
  if constexpr (!strong) {
    if (is_common(code.space()) && (code.wide() ? load_whole<T, std::uint64_t>(w, i) : load_whole<T, std::uint32_t>(w, i))) return;
  }
  Lanes<std::uint64_t> addresses;
  Lanes<std::uint8_t*> hosts;
  const auto bytes = static_cast<std::uint32_t>(sizeof(T) * i.list_count);
  w.addresses(i.op[0], code.wide(), i.imm, addresses);
  w.resolve(code.space(), addresses, bytes, Access::read, code.semantics(), i, hosts);
  if constexpr (strong) note_polls(w, hosts, bytes);
  for (std::uint32_t e = 0; e < i.list_count; ++e) read_row<T, strong>(w, hosts, e, w.list(i, e));
}

template <class T, bool strong>
void store(Warp& w, const Instr& i) {
  const AccessCode code(i.extra);
  if constexpr (!strong) {
    if (is_common(code.space()) && (code.wide() ? store_whole<T, std::uint64_t>(w, i) : store_whole<T, std::uint32_t>(w, i))) return;
  }
  Lanes<std::uint64_t> addresses;
  Lanes<std::uint8_t*> hosts;
  w.addresses(i.op[0], code.wide(), i.imm, addresses);
  w.resolve(code.space(), addresses, static_cast<std::uint32_t>(sizeof(T) * i.list_count), Access::write,
            code.semantics(), i, hosts);
  for (std::uint32_t e = 0; e < i.list_count; ++e) write_row<T, strong>(w, hosts, e, w.list(i, e));
  if (code.space() != Space::local) w.note_effect();
}

__extension__ typedef unsigned __int128 Wide;

/// The handler for a type; kind<T, strong>.
template <template <class, bool> class Kind>
Run by_type(Choice& c, bool strong) {
  const auto pick = [&]<class T>(T) { return strong ? Kind<T, true>::run : Kind<T, false>::run; };
  const Type type = c.type("T");
  const bool sign = is_signed(type);
  switch (bytes_of(type)) {
    case 1: return sign ? pick(std::int8_t{}) : pick(std::uint8_t{});
    case 2: return sign ? pick(std::int16_t{}) : pick(std::uint16_t{});
    case 4: return pick(std::uint32_t{});
    case 8: return pick(std::uint64_t{});
    default: return pick(Wide{});
  }
}
template <class T, bool strong>
struct Load {
  static constexpr Run run = load<T, strong>;
};
template <class T, bool strong>
struct Store {
  static constexpr Run run = store<T, strong>;
};

/// Vectors hold 128 bits at most.
bool fits(Choice& c) {
  const std::string_view v = c["V"];
  const int elements = v == "v2" ? 2 : v == "v4" ? 4 : 1;
  return elements * bits_of(c.type("T")) <= 128;
}

template <template <class, bool> class Kind>
Run access(Choice& c) {
  if (!fits(c)) return nullptr;
  const AccessCode code = AccessCode::of(c);
  c.extra = code.bits();
  c.ticks = 4;
  return by_type<Kind>(c, code.semantics().order != Order::weak);
}

/// prefetch, discard and the like change no value; the address is not even looked at.
void hint(Warp&, const Instr&) {}

template <int ticks>
Run no_effect(Choice& c) {
  c.ticks = ticks;
  return hint;
}

/// applypriority and discard work on lines of 128 bytes.
Run on_line(Choice& c) { return c.imm.empty() || c.imm[0] == 128 ? no_effect<1>(c) : nullptr; }

/// createpolicy: what a policy holds is nobody's business; it is a number that cache hints take.
void create_policy(Warp& w, const Instr& i) {
  for_lanes(w, w.out<std::uint64_t>(i.op[0]), [](int) { return std::uint64_t{0x10F0000000000000}; });
}

Run policy(Choice&) { return create_policy; }

constexpr std::uint8_t m = Instr::memory;

#define TYPES "{.<V: v2 v4>}.<T: b8 b16 b32 b64 b128 u8 u16 u32 u64 s8 s16 s32 s64 f32 f64>"
#define SCALARS ".<T: b8 b16 b32 b64 b128 u8 u16 u32 u64 s8 s16 s32 s64 f32 f64>"
#define GLOBAL "{.<S: global>}"
#define COMMON "{.<S: global shared shared::cta shared::cluster>}"
#define READABLE "{.<S: const global local param param::entry param::func shared shared::cta shared::cluster>}"
#define WRITABLE "{.<S: global local param::func shared shared::cta shared::cluster>}"
#define EVICT "{.<E: L1::evict_normal L1::evict_unchanged L1::evict_first L1::evict_last L1::no_allocate>}"
#define POLICY "{.L2::cache_hint}"
#define AHEAD "{.<P: L2::64B L2::128B L2::256B>}"
#define SCOPES "<O: cta cluster gpu sys>"
#define LOADED "=V*~T, [S]"
#define STORED "[S], V*~T"
#define WITH_POLICY ", u64?.L2::cache_hint"

// Hints are for global memory alone; without any the first form of several takes the instruction.
const Form table[] = {
    {"ld{.weak}" READABLE TYPES, LOADED, access<Load>, m, 10, 20, false, "memory"},
    {"ld{.weak}" GLOBAL EVICT POLICY AHEAD TYPES, LOADED WITH_POLICY, access<Load>, m, 74, 70, false, "memory"},
    {"ld{.weak}" READABLE ".<C: ca cg cs lu cv>" TYPES, LOADED, access<Load>, m, 20, 20, false, "memory"},
    {"ld{.weak}" GLOBAL ".<C: ca cg cs lu cv>" POLICY AHEAD TYPES, LOADED WITH_POLICY, access<Load>, m, 74, 75, false, "memory"},
    {"ld.volatile" COMMON TYPES, LOADED, access<Load>, m, 10, 20, false, "memory"},
    {"ld.volatile" GLOBAL AHEAD TYPES, LOADED, access<Load>, m, 74, 75, false, "memory"},
    {"ld.<M: relaxed acquire>." SCOPES COMMON TYPES, LOADED, access<Load>, m, 60, 70, false, "memory"},
    {"ld.<M: relaxed acquire>." SCOPES GLOBAL EVICT POLICY AHEAD TYPES, LOADED WITH_POLICY, access<Load>, m, 74, 70, false, "memory"},
    {"ld.mmio.relaxed.<O: sys>" GLOBAL SCALARS, LOADED, access<Load>, m, 82, 70, false, "memory"},
    {"ld.<S: global>.nc" EVICT POLICY AHEAD TYPES, LOADED WITH_POLICY, access<Load>, m, 31, 32, false, "memory"},
    {"ld.<S: global>.<C: ca cg cs>.nc" POLICY AHEAD TYPES, LOADED WITH_POLICY, access<Load>, m, 31, 32, false, "memory"},
    {"ldu" GLOBAL TYPES, LOADED, access<Load>, m, 20, 20, false, "memory"},
    {"st{.weak}" WRITABLE TYPES, STORED, access<Store>, m, 10, 20, false, "memory"},
    {"st{.weak}" GLOBAL EVICT POLICY TYPES, STORED WITH_POLICY, access<Store>, m, 74, 70, false, "memory"},
    {"st{.weak}" WRITABLE ".<C: wb cg cs wt>" TYPES, STORED, access<Store>, m, 20, 20, false, "memory"},
    {"st{.weak}" GLOBAL ".<C: wb cg cs wt>" POLICY TYPES, STORED WITH_POLICY, access<Store>, m, 74, 80, false, "memory"},
    {"st.volatile" COMMON TYPES, STORED, access<Store>, m, 10, 20, false, "memory"},
    {"st.<M: relaxed release>." SCOPES COMMON TYPES, STORED, access<Store>, m, 60, 70, false, "memory"},
    {"st.<M: relaxed release>." SCOPES GLOBAL EVICT POLICY TYPES, STORED WITH_POLICY, access<Store>, m, 74, 70, false, "memory"},
    {"st.mmio.relaxed.<O: sys>" GLOBAL SCALARS, STORED, access<Store>, m, 82, 70, false, "memory"},
    {"prefetch{.<S: global local>}.<L: L1 L2>", "[S]", no_effect<1>, 0, 20, 20, false, "memory"},
    {"prefetch.<S: global>.<L: L2::evict_last L2::evict_normal>", "[S]", no_effect<1>, 0, 74, 80, false, "memory"},
    {"prefetch{.<S: const param>}.tensormap", "[S]", no_effect<1>, 0, 80, 90, false, "memory"},
    {"prefetchu.L1", "[]", no_effect<1>, 0, 20, 20, false, "memory"},
    {"applypriority{.<S: global>}.L2::evict_normal", "[S], imm", on_line, 0, 74, 80, false, "memory"},
    {"discard{.<S: global>}.L2", "[S], imm", on_line, 0, 74, 80, false, "memory"},
    {"createpolicy.fractional.<A: L2::evict_last L2::evict_normal L2::evict_first L2::evict_unchanged>{.<B: L2::evict_first L2::evict_unchanged>}.b64", "=u64, f32?", policy, 0, 74, 80, false, "memory"},
    {"createpolicy.range{.<S: global>}.<A: L2::evict_last L2::evict_normal L2::evict_first L2::evict_unchanged>{.<B: L2::evict_first L2::evict_unchanged>}.b64", "=u64, [S], u32, u32", policy, 0, 74, 80, false, "memory"},
    {"createpolicy.cvt.L2.b64", "=u64, u64", policy, 0, 74, 80, false, "memory"},
};

}  // namespace

std::span<const Form> memory_forms() {
  static const std::vector<Form> all = join({table, stack_forms()});
  return all;
}

}  // namespace triptych::emulator

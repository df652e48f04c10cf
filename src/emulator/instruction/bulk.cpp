// Bulk copies: contiguous ranges that a copy engine moves, and stores that announce their bytes.
#include <algorithm>
#include <bit>

#include "emulator/instruction/access.h"
#include "emulator/instruction/bulk.h"
#include "emulator/instruction/lanes.h"
#include "emulator/instruction/reduction.h"
#include "emulator/machine/machine.h"
#include "emulator/machine/mbarrier.h"
#include "emulator/machine/observer.h"

namespace triptych::emulator {
namespace {

// Instr::extra: flags, then the reduction's operation (0: none) and the type of an element.
constexpr std::uint32_t multicast = 1, from_shared = 2;
constexpr std::string_view operations[] = {"", "and", "or", "xor", "add", "inc", "dec", "min", "max"};

std::uint32_t pack_element(Type type) { return static_cast<std::uint32_t>(type) << 16; }

std::uint32_t pack_reduction(std::string_view op, Type type) {
  const auto at = std::find(std::begin(operations), std::end(operations), op) - std::begin(operations);
  return static_cast<std::uint32_t>(at) << 8 | pack_element(type);
}

Type type_of_extra(std::uint32_t extra) { return static_cast<Type>(extra >> 16 & 0xFF); }
std::uint32_t element_of_extra(std::uint32_t extra) {
  return std::max(1u, static_cast<std::uint32_t>(bytes_of(type_of_extra(extra))));
}
Reduction reduction_of_extra(std::uint32_t extra) {
  const std::uint32_t op = extra >> 8 & 0xFF;
  return op == 0 ? nullptr : reduction_of(operations[op], type_of_extra(extra));
}

/// Which operations have which types: add of halves only with .noftz, min and max of u64 only in global memory.
bool allowed(const Choice& c, bool global, bool single) {
  const std::string_view op = c["A"];
  const Type t = c.type("T");
  const bool half = t == Type::f16 || t == Type::bf16, logic = op == "and" || op == "or" || op == "xor";
  if (c.has("noftz") != (half && op == "add")) return false;
  if (logic) return is_untyped(t);
  if (is_untyped(t)) return false;
  if (op == "inc" || op == "dec") return t == Type::u32;
  if (op == "add") return single || t != Type::s64;
  return !(t == Type::f32 || t == Type::f64) && (global || bits_of(t) != 64);
}

/// One piece of work: a range that goes to another, perhaps reduced into it.
struct Move {
  std::uint8_t *to, *from;
  std::uint64_t bytes;
  Space to_space, from_space;
  Reduction reduce = nullptr;
  std::uint32_t element = 1;
};

void put(const Move& m, const std::uint8_t* from) {
  if (m.reduce == nullptr) {
    std::memcpy(m.to, from, m.bytes);
    return;
  }
  for (std::uint64_t b = 0; b < m.bytes; b += m.element) m.reduce(m.to + b, from + b);
}

std::uint64_t size_of(Warp& w, Slot slot, int l) {
  const std::uint32_t bytes = w.in<std::uint32_t>(slot)[l];
  if (bytes % 16 == 0) return bytes;
  throw KernelFault{FaultKind::protocol, "a bulk copy of " + std::to_string(bytes) + " bytes; wanted a multiple of 16",
                    Mask{1} << l};
}

/// Completes on an mbarrier: the bytes are there, then they are announced.
void move_to_mbarrier(Warp& w, const Instr& i, AsyncKind kind, const Move& move, std::uint8_t* barrier) {
  Observer* observer = w.observer();
  const auto token = std::make_shared<std::uint64_t>(0);
  *token = w.sm().later(w.cta(), copy_ticks(move.bytes), [move, barrier, observer, token] {
    if (observer != nullptr) {
      observer->async_touches(*token, {move.from_space, move.from, move.bytes, false});
      observer->async_touches(*token, {move.to_space, move.to, move.bytes, true});
    }
    put(move, move.from);
    if (observer != nullptr) observer->async_completed(*token, barrier);
    mbarrier::complete_bytes(barrier, static_cast<std::int32_t>(move.bytes));
  });
  if (observer != nullptr) observer->async_issued(w, i, kind, *token, barrier);
}

/// Completes in a bulk group: first the source has been read, later the destination is written.
void move_in_group(Warp& w, const Instr& i, AsyncKind kind, const Move& move, Mask lane) {
  const std::shared_ptr<AsyncGroup> group = w.bulk_groups().open(lane);
  ++group->pending;
  ++group->reading;
  Observer* observer = w.observer();
  Sm& sm = w.sm();
  Cta& cta = w.cta();
  const auto token = std::make_shared<std::uint64_t>(0);
  *token = sm.later(cta, copy_ticks(move.bytes) / 2, [move, group, observer, token, &sm, &cta] {
    if (observer != nullptr) observer->async_touches(*token, {move.from_space, move.from, move.bytes, false});
    auto data = std::make_shared<std::vector<std::uint8_t>>(move.from, move.from + move.bytes);
    --group->reading;
    sm.later(cta, copy_ticks(move.bytes) / 2, [move, group, observer, token, data] {
      if (observer != nullptr) observer->async_touches(*token, {move.to_space, move.to, move.bytes, true});
      put(move, data->data());
      --group->pending;
      if (observer != nullptr) observer->async_completed(*token, nullptr);
    });
  });
  if (observer != nullptr) observer->async_issued(w, i, kind, *token, nullptr);
}

/// Operands [dst], [src], size, [mbarrier]{, ctaMask}.
void load(Warp& w, const Instr& i) {
  Lanes<std::uint64_t> to, from, barrier;
  w.addresses(i.op[0], false, i.imm, to);
  const bool shared = (i.extra & from_shared) != 0;
  w.addresses(i.op[1], !shared, 0, from);
  w.addresses(i.op[3], false, 0, barrier);
  const Reduction reduce = reduction_of_extra(i.extra);
  for (Mask left = w.exec(); left != 0; left &= left - 1) {
    const int l = std::countr_zero(left);
    const std::uint64_t bytes = size_of(w, i.op[2], l);
    Move move{w.range(Space::shared, l, to[l], bytes, 16, Access::write),
              w.range(shared ? Space::shared : Space::global, l, from[l], bytes, 16, Access::read), bytes, Space::shared,
              shared ? Space::shared : Space::global, reduce, element_of_extra(i.extra)};
    std::uint8_t* const object = w.range(Space::shared, l, barrier[l], 8, 8, Access::atomic);
    if ((i.extra & multicast) == 0) {
      if (&w.cta_of(to[l], l) != &w.cta_of(barrier[l], l)) {
        throw KernelFault{FaultKind::protocol, "a bulk copy's mbarrier lies in another CTA than its destination", Mask{1} << l};
      }
      move_to_mbarrier(w, i, AsyncKind::bulk, move, object);
      continue;
    }
    // The same place in every CTA of the mask.
    const std::uint32_t ctas = w.in<std::uint32_t>(i.op[4])[l] & 0xFFFF;
    for (std::uint32_t r = 0; r < 16; ++r) {
      if ((ctas >> r & 1) == 0) continue;
      const std::uint64_t rank = std::uint64_t{r + 1} << 24;
      move.to = w.range(Space::shared, l, rank | (to[l] & 0xFFFFFF), bytes, 16, Access::write);
      move_to_mbarrier(w, i, AsyncKind::bulk, move, w.range(Space::shared, l, rank | (barrier[l] & 0xFFFFFF), 8, 8, Access::atomic));
    }
  }
  w.note_effect();
}

/// Operands [dst], [src], size: shared memory to global.
void store(Warp& w, const Instr& i) {
  Lanes<std::uint64_t> to, from;
  w.addresses(i.op[0], true, i.imm, to);
  w.addresses(i.op[1], false, 0, from);
  const Reduction reduce = reduction_of_extra(i.extra);
  for (Mask left = w.exec(); left != 0; left &= left - 1) {
    const int l = std::countr_zero(left);
    const std::uint64_t bytes = size_of(w, i.op[2], l);
    const Move move{w.range(Space::global, l, to[l], bytes, 16, Access::write),
                    w.range(Space::shared, l, from[l], bytes, 16, Access::read), bytes, Space::global, Space::shared,
                    reduce, element_of_extra(i.extra)};
    move_in_group(w, i, AsyncKind::bulk, move, Mask{1} << l);
  }
  w.note_effect();
}

/// st.async and red.async: [address], values, [mbarrier]. The values are in the list.
void store_async(Warp& w, const Instr& i) {
  Lanes<std::uint64_t> to, barrier;
  w.addresses(i.op[0], false, i.imm, to);
  w.addresses(i.op[1], false, 0, barrier);
  const std::uint32_t element = element_of_extra(i.extra), bytes = element * i.list_count;
  const Reduction reduce = reduction_of_extra(i.extra);
  for (Mask left = w.exec(); left != 0; left &= left - 1) {
    const int l = std::countr_zero(left);
    auto values = std::make_shared<std::vector<std::uint8_t>>(bytes);
    for (std::uint32_t e = 0; e < i.list_count; ++e) {
      const std::uint8_t* row = w.in<std::uint8_t>(w.list(i, e));
      std::memcpy(values->data() + e * element, row + element * static_cast<std::uint32_t>(l), element);
    }
    std::uint8_t* const host = w.range(Space::shared, l, to[l], bytes, bytes, Access::write);
    std::uint8_t* const object = w.range(Space::shared, l, barrier[l], 8, 8, Access::atomic);
    if (&w.cta_of(to[l], l) != &w.cta_of(barrier[l], l)) {
      throw KernelFault{FaultKind::protocol, "an st.async's mbarrier lies in another CTA than its destination", Mask{1} << l};
    }
    Observer* observer = w.observer();
    const auto token = std::make_shared<std::uint64_t>(0);
    const Move move{host, nullptr, bytes, Space::shared, Space::shared, reduce, element};
    *token = w.sm().later(w.cta(), copy_ticks(bytes), [move, values, object, observer, token] {
      if (observer != nullptr) observer->async_touches(*token, {Space::shared, move.to, move.bytes, true});
      put(move, values->data());
      if (observer != nullptr) observer->async_completed(*token, object);
      mbarrier::complete_bytes(object, static_cast<std::int32_t>(move.bytes));
    });
    if (observer != nullptr) observer->async_issued(w, i, reduce == nullptr ? AsyncKind::st_async : AsyncKind::red_async, *token, object);
  }
  w.note_effect();
}

void commit(Warp& w, const Instr&) {
  w.bulk_groups().commit(w.exec());
  w.note_effect();
}

/// extra: the count above bit 0, which says .read.
void wait_group(Warp& w, const Instr& i) {
  const bool read = (i.extra & 1) != 0;
  if (!group_complete(w, w.bulk_groups().waits_for(w.exec(), i.extra >> 1, read), read)) return;
  if (w.observer() != nullptr) w.observer()->group_waited(w, AsyncKind::bulk, i.extra >> 1, read);
}

Run choose_wait(Choice& c) {
  if (!c.imm.empty() && c.imm[0] < 0) return nullptr;
  c.extra = (c.imm.empty() ? 0u : static_cast<std::uint32_t>(c.imm[0]) << 1) | (c.has("read") ? 1u : 0u);
  return wait_group;
}

void prefetch(Warp&, const Instr&) {}

template <Run run, std::uint32_t flags>
Run choose(Choice& c) {
  c.extra = flags | (c.has("multicast::cluster") ? multicast : 0u);
  c.ticks = 8;
  if (c["A"].empty()) {
    if (c["V"] == "v4" && bits_of(c.type("T")) == 64) return nullptr;   // vectors have 128 bits at most
    c.extra |= pack_element(c.type("T"));
    return run;
  }
  if (!allowed(c, run == store, run == store_async)) return nullptr;
  c.extra |= pack_reduction(c["A"], c.type("T"));
  return run;
}

constexpr std::uint8_t m = Instr::memory, k = Instr::control;
#define BYTES ".mbarrier::complete_tx::bytes"
#define OPS ".<A: and or xor add inc dec min max>"
const Form table[] = {
    {"cp.async.bulk.<D: shared::cluster>.global" BYTES "{.multicast::cluster}{.L2::cache_hint}", "[D], [global], u32, [D], b16?.multicast::cluster, u64?.L2::cache_hint", choose<load, 0>, m, 80, 90, false, "bulk"},
    {"cp.async.bulk.<D: shared::cta>.global" BYTES "{.L2::cache_hint}", "[D], [global], u32, [D], u64?.L2::cache_hint", choose<load, 0>, m, 86, 90, false, "bulk"},
    {"cp.async.bulk.shared::cluster.shared::cta" BYTES, "[shared], [shared], u32, [shared]", choose<load, from_shared>, m, 80, 90, false, "bulk"},
    {"cp.async.bulk.global.shared::cta.bulk_group{.L2::cache_hint}", "[global], [shared], u32, u64?.L2::cache_hint", choose<store, 0>, m, 80, 90, false, "bulk"},
    {"cp.reduce.async.bulk.shared::cluster.shared::cta" BYTES OPS ".<T: s32 u32 u64 b32>", "[shared], [shared], u32, [shared]", choose<load, from_shared>, m, 80, 90, false, "bulk"},
    {"cp.reduce.async.bulk.global.shared::cta.bulk_group{.L2::cache_hint}" OPS "{.noftz}.<T: f16 bf16 b32 b64 u32 s32 u64 s64 f32 f64>", "[global], [shared], u32, u64?.L2::cache_hint", choose<store, 0>, m, 80, 90, false, "bulk"},
    {"cp.async.bulk.prefetch.L2.global{.L2::cache_hint}", "[global], u32, u64?.L2::cache_hint", [](Choice&) { return Run(prefetch); }, 0, 80, 90, false, "bulk"},
    {"cp.async.bulk.commit_group", "", [](Choice&) { return Run(commit); }, 0, 80, 90, false, "bulk"},
    {"cp.async.bulk.wait_group{.read}", "imm", choose_wait, k, 80, 90, false, "bulk"},
    {"st.async{.weak}{.shared::cluster}" BYTES "{.<V: v2 v4>}.<T: b32 b64 u32 u64 s32 s64 f32 f64>", "[shared], V*T, [shared]", choose<store_async, 0>, m, 81, 90, false, "bulk"},
    {"red.async.relaxed.cluster{.shared::cluster}" BYTES OPS ".<T: u32 s32 u64 s64 b32>", "[shared], 1*T, [shared]", choose<store_async, 0>, m, 81, 90, false, "bulk"},
};

}  // namespace

std::span<const Form> bulk_forms() { return table; }

}  // namespace triptych::emulator

// Instructions by which the lanes of a warp exchange values. Each waits until all lanes of its mask have
// come (Warp::gather), and refuses a lane that is not in the mask it gives.
#include <algorithm>
#include <bit>

#include "emulator/instruction/lanes.h"
#include "emulator/machine/observer.h"

namespace triptych::emulator {
namespace {

/// The mask that the first lane gives; lanes that give another take their turn later. False while lanes are
/// missing.
bool members(Warp& w, Slot slot, Mask& mask) {
  const auto* masks = w.in<std::uint32_t>(slot);
  mask = masks[std::countr_zero(w.exec())];
  w.only(lanes_where([&](int l) { return masks[l] == mask; }));
  if (const Mask outside = w.exec() & ~lanes_where([&](int l) { return (masks[l] >> l & 1) != 0; }); outside != 0) {
    throw KernelFault{FaultKind::protocol, "a lane executes it with a membermask that it is not in", outside};
  }
  return w.gather(mask);
}

enum class Shuffle : std::uint8_t { up, down, bfly, idx };

/// The lane that lane l reads, and whether it lies in the segment.
std::pair<int, bool> source_lane(Shuffle mode, int l, std::uint32_t b, std::uint32_t c) {
  const int offset = static_cast<int>(b & 31), clamp = static_cast<int>(c & 31), segment = static_cast<int>(c >> 8 & 31);
  const int last = (l & segment) | (clamp & ~segment), first = l & segment;
  const auto within = [&](int j, bool inside) { return std::pair{inside ? j : l, inside}; };
  switch (mode) {
    case Shuffle::up: return within(l - offset, l - offset >= last);
    case Shuffle::down: return within(l + offset, l + offset <= last);
    case Shuffle::bfly: return within(l ^ offset, (l ^ offset) <= last);
    default: {
      const int j = first | (offset & ~segment);
      return within(j, j <= last);
    }
  }
}

/// d|p, a, b, c: row, predicate, then the sources.
template <Shuffle mode>
void exchange(Warp& w, const Instr& i, Mask mask) {
  const auto *a = w.in<std::uint32_t>(i.op[2]), *b = w.in<std::uint32_t>(i.op[3]), *c = w.in<std::uint32_t>(i.op[4]);
  Lanes<std::uint32_t> values;
  Mask inside = 0;
  for (int l = 0; l < warp_size; ++l) {
    const auto [from, ok] = source_lane(mode, l, b[l], c[l]);
    if (w.observer() != nullptr && (w.exec() >> l & 1) != 0 && ((w.exec() & mask) >> from & 1) == 0) {
      w.observer()->undefined(w, Mask{1} << l, "reads from lane " + std::to_string(from) + ", which does not take part");
    }
    values[l] = a[from];
    inside |= static_cast<Mask>(ok) << l;
  }
  for_lanes(w, w.out<std::uint32_t>(i.op[0]), [&](int l) { return values[l]; });
  if (!i.op[1].absent()) w.set_predicate(i.op[1], inside);
}
template <Shuffle mode>
void shfl(Warp& w, const Instr& i) {
  Mask mask = 0;
  if (members(w, i.op[5], mask)) exchange<mode>(w, i, mask);
}

Run choose_shfl(Choice& c) {
  const std::string_view m = c["M"];
  c.ticks = 2;
  if (m == "up") return shfl<Shuffle::up>;
  if (m == "down") return shfl<Shuffle::down>;
  return m == "bfly" ? shfl<Shuffle::bfly> : shfl<Shuffle::idx>;
}

enum class Vote : std::uint8_t { all, any, uni, ballot };

template <Vote mode>
void vote(Warp& w, const Instr& i) {
  Mask mask = 0;
  if (!members(w, i.op[2], mask)) return;
  const Mask here = w.exec() & mask, yes = w.predicate(i.op[1]) & here;
  if constexpr (mode == Vote::ballot) {
    for_lanes(w, w.out<std::uint32_t>(i.op[0]), [=](int) { return yes; });
  } else {
    const bool result = mode == Vote::all ? yes == here : mode == Vote::any ? yes != 0 : yes == 0 || yes == here;
    w.set_predicate(i.op[0], result ? all_lanes : 0);
  }
}

Run choose_vote(Choice& c) {
  const std::string_view m = c["M"];
  return m == "all" ? vote<Vote::all> : m == "any" ? vote<Vote::any> : vote<Vote::uni>;
}

/// match.any: the lanes with the same value; match.all: all of them, or none and a false predicate.
template <class T, bool all>
void match(Warp& w, const Instr& i) {
  Mask mask = 0;
  if (!members(w, i.op[all ? 3 : 2], mask)) return;
  const T* a = w.in<T>(i.op[all ? 2 : 1]);
  const Mask here = w.exec() & mask;
  Lanes<std::uint32_t> same;
  for (int l = 0; l < warp_size; ++l) same[l] = here & lanes_where([&](int k) { return a[k] == a[l]; });
  const bool equal = same[std::countr_zero(here)] == here;
  for_lanes(w, w.out<std::uint32_t>(i.op[0]), [&](int l) { return all ? (equal ? here : 0) : same[l]; });
  if constexpr (all) {
    if (!i.op[1].absent()) w.set_predicate(i.op[1], equal ? all_lanes : 0);
  }
}

template <class T, class F>
void redux(Warp& w, const Instr& i) {
  Mask mask = 0;
  if (!members(w, i.op[2], mask)) return;
  const auto* a = w.in<std::uint32_t>(i.op[1]);
  const Mask here = w.exec() & mask;
  auto result = static_cast<T>(a[std::countr_zero(here)]);
  for (Mask left = here & (here - 1); left != 0; left &= left - 1) {
    result = F()(result, static_cast<T>(a[std::countr_zero(left)]));
  }
  for_lanes(w, w.out<std::uint32_t>(i.op[0]), [=](int) { return static_cast<std::uint32_t>(result); });
}
struct Add { template <class T> T operator()(T a, T b) const { return static_cast<T>(static_cast<std::uint32_t>(a) + static_cast<std::uint32_t>(b)); } };
struct Min { template <class T> T operator()(T a, T b) const { return std::min(a, b); } };
struct Max { template <class T> T operator()(T a, T b) const { return std::max(a, b); } };
struct And { std::uint32_t operator()(std::uint32_t a, std::uint32_t b) const { return a & b; } };
struct Or { std::uint32_t operator()(std::uint32_t a, std::uint32_t b) const { return a | b; } };
struct Xor { std::uint32_t operator()(std::uint32_t a, std::uint32_t b) const { return a ^ b; } };

template <class T>
Run arithmetic(std::string_view op) {
  return op == "add" ? redux<T, Add> : op == "min" ? redux<T, Min> : redux<T, Max>;
}
Run choose_redux(Choice& c) {
  c.ticks = 2;
  return c.type("T") == Type::s32 ? arithmetic<std::int32_t>(c["A"]) : arithmetic<std::uint32_t>(c["A"]);
}
Run choose_bits(Choice& c) {
  const std::string_view op = c["A"];
  return op == "and" ? redux<std::uint32_t, And> : op == "or" ? redux<std::uint32_t, Or> : redux<std::uint32_t, Xor>;
}

/// The lowest lane of the mask is elected: which one is the implementation's choice, the same each time.
void elect(Warp& w, const Instr& i) {
  Mask mask = 0;
  if (!members(w, i.op[2], mask)) return;
  const int leader = std::countr_zero(mask & w.exec());
  for_lanes(w, w.out<std::uint32_t>(i.op[0]), [=](int) { return static_cast<std::uint32_t>(leader); });
  w.set_predicate(i.op[1], Mask{1} << leader);
}

void activemask(Warp& w, const Instr& i) {
  const Mask active = w.exec();
  for_lanes(w, w.out<std::uint32_t>(i.op[0]), [=](int) { return active; });
}

template <class T>
Run match_any(Choice&) { return match<T, false>; }
template <class T>
Run match_all(Choice&) { return match<T, true>; }

constexpr std::uint8_t c = Instr::control;
const Form table[] = {
    {"shfl.sync.<M: up down bfly idx>.b32", "=b32|pred, b32, b32, b32, u32", choose_shfl, c, 60, 30, false, "warp"},
    {"vote.sync.<M: all any uni>.pred", "=pred, pred, u32", choose_vote, c, 60, 30, false, "warp"},
    {"vote.sync.ballot.b32", "=b32, pred, u32", [](Choice&) { return Run(vote<Vote::ballot>); }, c, 60, 30, false, "warp"},
    {"vote.<M: all any uni>.sync.pred", "=pred, pred, u32", choose_vote, c, 60, 30, false, "warp"},   // as ptxas takes it too, and CUB writes it
    {"vote.ballot.sync.b32", "=b32, pred, u32", [](Choice&) { return Run(vote<Vote::ballot>); }, c, 60, 30, false, "warp"},
    {"match.any.sync.b32", "=u32, b32, u32", match_any<std::uint32_t>, c, 60, 70, false, "warp"},
    {"match.any.sync.b64", "=u32, b64, u32", match_any<std::uint64_t>, c, 60, 70, false, "warp"},
    {"match.all.sync.b32", "=u32|pred, b32, u32", match_all<std::uint32_t>, c, 60, 70, false, "warp"},
    {"match.all.sync.b64", "=u32|pred, b64, u32", match_all<std::uint64_t>, c, 60, 70, false, "warp"},
    {"redux.sync.<A: add min max>.<T: u32 s32>", "=T, T, u32", choose_redux, c, 70, 80, false, "warp"},
    {"redux.sync.<A: and or xor>.b32", "=u32, u32, u32", choose_bits, c, 70, 80, false, "warp"},
    {"elect.sync", "=u32|pred, u32", [](Choice&) { return Run(elect); }, c, 80, 90, false, "warp"},
    {"activemask.b32", "=b32", [](Choice&) { return Run(activemask); }, 0, 62, 30, false, "warp"},
};

}  // namespace

std::span<const Form> warp_forms() { return table; }

}  // namespace triptych::emulator

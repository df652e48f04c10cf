// A warp arrives once an instruction and waits until the barrier's generation changes. A count is in
// threads and a warp that arrives whole counts as 32, whatever lanes it has; without a count all threads
// of the CTA that have not exited are expected.
#include "emulator/instruction/barrier.h"

#include <bit>

#include "emulator/instruction/lanes.h"
#include "emulator/machine/machine.h"
#include "emulator/machine/observer.h"

namespace triptych::emulator {
namespace {

constexpr std::uint32_t aligned = 1, counted = 2;   // Instr::extra
enum class Reduction : std::uint8_t { none, popc, all, any };

/// The one value that all executing lanes have.
std::uint32_t same_in_all(Warp& w, Slot slot, const char* what) {
  const auto* values = w.in<std::uint32_t>(slot);
  const int first = std::countr_zero(w.exec());
  const std::uint32_t value = values[first];
  if ((w.exec() & ~lanes_where([&](int l) { return values[l] == value; })) != 0) {
    throw KernelFault{FaultKind::protocol, std::string("lanes of a warp name different ") + what};
  }
  return value;
}

/// Number, count and threads of one arrival.
struct Arrival {
  std::uint32_t id, expected, threads;
};

Arrival arrival(Warp& w, const Instr& i, int first) {
  Arrival a{same_in_all(w, i.op[static_cast<std::size_t>(first)], "barriers"), 0, 0};
  if (a.id >= w.cta().barriers.size()) {
    throw KernelFault{FaultKind::protocol, "barrier " + std::to_string(a.id) + "; there are 0 … 15"};
  }
  const Slot count = i.op[static_cast<std::size_t>(first) + 1];
  if ((i.extra & counted) != 0) {
    a.expected = same_in_all(w, count, "thread counts");
    if (a.expected == 0 || a.expected % warp_size != 0 || a.expected > (w.cta().threads() + 31) / 32 * 32) {
      throw KernelFault{FaultKind::protocol, "a barrier for " + std::to_string(a.expected) +
                                                 " threads; wanted a multiple of 32 up to the CTA's " +
                                                 std::to_string(w.cta().threads())};
    }
  }
  const auto lanes = static_cast<std::uint32_t>(std::popcount(w.exec()));
  a.threads = a.expected != 0 && w.exec() == w.alive() ? warp_size : lanes;
  return a;
}

/// Notes an arrival; a barrier must be used in one way from its first arrival to its completion.
void arrive(Warp& w, const Arrival& a, Reduction reduction) {
  NamedBarrier& b = w.cta().barriers[a.id];
  if (b.arrived != 0) {
    if (b.kind != static_cast<std::uint8_t>(reduction)) {
      throw KernelFault{FaultKind::protocol, "barrier " + std::to_string(a.id) +
                                                 " is used for a reduction and for sync or arrive at once"};
    }
    if (b.expected != a.expected) {
      throw KernelFault{FaultKind::protocol, "barrier " + std::to_string(a.id) + " waits for " +
                                                 std::to_string(b.expected) + " threads, but this warp says " +
                                                 std::to_string(a.expected)};
    }
    if (a.expected != 0 && b.arrived + a.threads > a.expected) {
      throw KernelFault{FaultKind::protocol, "barrier " + std::to_string(a.id) + " for " +
                                                 std::to_string(a.expected) + " threads: more arrive"};
    }
  }
  b.kind = static_cast<std::uint8_t>(reduction);
  if (w.observer() != nullptr) w.observer()->barrier_arrives(w, static_cast<int>(a.id), w.exec());
  w.cta().arrive(b, a.threads, a.expected);
  w.note_effect();
}

/// Arrives at the first attempt, waits until the barrier is complete. True when it is.
bool passes(Warp& w, const Arrival& a, Reduction reduction, Mask votes) {
  NamedBarrier& b = w.cta().barriers[a.id];
  if (w.ticket() == 0) {
    const std::uint64_t seen = b.generation.load();
    if (reduction != Reduction::none) {
      b.votes_popc += static_cast<std::uint32_t>(std::popcount(votes & w.exec()));
      b.votes_or |= (votes & w.exec()) != 0 ? 1 : 0;
      b.votes_and &= (votes & w.exec()) == w.exec() ? 1 : 0;
    }
    arrive(w, a, reduction);
    if (b.generation.load() == seen) {
      w.suspend({.kind = Wait::Kind::barrier, .word = &b.generation, .seen = seen, .id = a.id});
      w.ticket() = seen;
      return false;
    }
  } else if (b.generation.load() == w.ticket()) {
    w.suspend({.kind = Wait::Kind::barrier, .word = &b.generation, .seen = w.ticket(), .id = a.id});
    return false;
  }
  w.ticket() = 0;
  if (w.observer() != nullptr) w.observer()->barrier_passes(w, static_cast<int>(a.id), w.exec());
  return true;
}

/// All lanes of the warp execute an aligned barrier together.
bool together(Warp& w, const Instr& i) { return (i.extra & aligned) == 0 || w.gather(all_lanes); }

void sync(Warp& w, const Instr& i) {
  if (together(w, i)) passes(w, arrival(w, i, 0), Reduction::none, 0);
}

void arrive_only(Warp& w, const Instr& i) {
  if (together(w, i)) arrive(w, arrival(w, i, 0), Reduction::none);
}

template <Reduction reduction>
void reduce(Warp& w, const Instr& i) {
  if (!together(w, i)) return;
  const Arrival a = arrival(w, i, 1);
  const Mask votes = w.predicate(i.op[(i.extra & counted) != 0 ? 3 : 2]);
  if (!passes(w, a, reduction, votes)) return;
  const NamedBarrier& b = w.cta().barriers[a.id];
  if constexpr (reduction == Reduction::popc) {
    for_lanes(w, w.out<std::uint32_t>(i.op[0]), [&](int) { return b.result_popc; });
  } else {
    w.set_predicate(i.op[0], (reduction == Reduction::all ? b.result_and : b.result_or) != 0 ? all_lanes : 0);
  }
}

/// `bar` is always aligned, `barrier` where it says so.
template <bool bar, bool count, Run run>
Run choose(Choice& c) {
  c.extra = (bar || c.has("aligned") ? aligned : 0) | (count ? counted : 0);
  c.ticks = 4;
  return run;
}

/// The lanes of the mask wait for each other.
void warp_sync(Warp& w, const Instr& i) {
  const auto* members = w.in<std::uint32_t>(i.op[0]);
  const Mask first = members[std::countr_zero(w.exec())], wanted = first & w.alive();
  w.only(lanes_where([&](int l) { return members[l] == first; }));
  if ((w.exec() & ~lanes_where([&](int l) { return (members[l] >> l & 1) != 0; })) != 0) {
    throw KernelFault{FaultKind::protocol, "a lane executes bar.warp.sync with a mask that it is not in"};
  }
  if (w.gather(wanted, true) && w.observer() != nullptr) w.observer()->warp_synced(w, wanted);
}

constexpr std::uint8_t c = Instr::control;
using R = Reduction;
const Form table[] = {
    {"bar{.cta}.sync", "u32", choose<true, false, sync>, c, 10, 20, false, "barrier"},
    {"bar{.cta}.sync", "u32, u32", choose<true, true, sync>, c, 20, 20, false, "barrier"},
    {"bar{.cta}.arrive", "u32, u32", choose<true, true, arrive_only>, c, 20, 20, false, "barrier"},
    {"bar{.cta}.red.popc.u32", "=u32, u32, pred", choose<true, false, reduce<R::popc>>, c, 20, 20, false, "barrier"},
    {"bar{.cta}.red.popc.u32", "=u32, u32, u32, pred", choose<true, true, reduce<R::popc>>, c, 20, 20, false, "barrier"},
    {"bar{.cta}.red.and.pred", "=pred, u32, pred", choose<true, false, reduce<R::all>>, c, 20, 20, false, "barrier"},
    {"bar{.cta}.red.and.pred", "=pred, u32, u32, pred", choose<true, true, reduce<R::all>>, c, 20, 20, false, "barrier"},
    {"bar{.cta}.red.or.pred", "=pred, u32, pred", choose<true, false, reduce<R::any>>, c, 20, 20, false, "barrier"},
    {"bar{.cta}.red.or.pred", "=pred, u32, u32, pred", choose<true, true, reduce<R::any>>, c, 20, 20, false, "barrier"},
    {"barrier{.cta}.sync{.aligned}", "u32", choose<false, false, sync>, c, 60, 30, false, "barrier"},
    {"barrier{.cta}.sync{.aligned}", "u32, u32", choose<false, true, sync>, c, 60, 30, false, "barrier"},
    {"barrier{.cta}.arrive{.aligned}", "u32, u32", choose<false, true, arrive_only>, c, 60, 30, false, "barrier"},
    {"barrier{.cta}.red.popc{.aligned}.u32", "=u32, u32, pred", choose<false, false, reduce<R::popc>>, c, 60, 30, false, "barrier"},
    {"barrier{.cta}.red.popc{.aligned}.u32", "=u32, u32, u32, pred", choose<false, true, reduce<R::popc>>, c, 60, 30, false, "barrier"},
    {"barrier{.cta}.red.and{.aligned}.pred", "=pred, u32, pred", choose<false, false, reduce<R::all>>, c, 60, 30, false, "barrier"},
    {"barrier{.cta}.red.and{.aligned}.pred", "=pred, u32, u32, pred", choose<false, true, reduce<R::all>>, c, 60, 30, false, "barrier"},
    {"barrier{.cta}.red.or{.aligned}.pred", "=pred, u32, pred", choose<false, false, reduce<R::any>>, c, 60, 30, false, "barrier"},
    {"barrier{.cta}.red.or{.aligned}.pred", "=pred, u32, u32, pred", choose<false, true, reduce<R::any>>, c, 60, 30, false, "barrier"},
    {"bar.warp.sync", "u32", [](Choice&) { return Run(warp_sync); }, c, 60, 30, false, "barrier"},
};

}  // namespace

std::span<const Form> barrier_forms() { return table; }

}  // namespace triptych::emulator

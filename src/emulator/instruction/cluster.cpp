#include "emulator/instruction/cluster.h"

#include <bit>

#include "emulator/instruction/lanes.h"
#include "emulator/machine/machine.h"
#include "emulator/machine/observer.h"

namespace triptych::emulator {
namespace {

constexpr int cluster_barrier = -1;   // its number for observers
constexpr std::uint32_t aligned = 1, release = 2;

bool together(Warp& w, const Instr& i) { return (i.extra & aligned) == 0 || w.gather(all_lanes); }

/// The generation at a lane's arrival is what its wait looks at: kept for the warp, since all of its
/// threads arrive and wait in the same order.
void arrive(Warp& w, const Instr& i) {
  if (!together(w, i)) return;
  Cluster& cluster = w.cta().cluster();
  if ((w.cluster_arrived() & w.exec()) != 0) {
    throw KernelFault{FaultKind::protocol, "barrier.cluster.arrive twice without a wait between"};
  }
  if (w.observer() != nullptr && (i.extra & release) != 0) w.observer()->barrier_arrives(w, cluster_barrier, w.exec());
  if (w.cluster_arrived() == 0) w.cluster_generation() = cluster.barrier.generation.load();
  w.cluster_arrived() |= w.exec();
  cluster.arrive(static_cast<std::uint32_t>(std::popcount(w.exec())));
  w.note_effect();
}

void wait(Warp& w, const Instr& i) {
  if (!together(w, i)) return;
  if ((w.exec() & ~w.cluster_arrived()) != 0) {
    throw KernelFault{FaultKind::protocol, "barrier.cluster.wait without an arrive before it"};
  }
  const NamedBarrier& b = w.cta().cluster().barrier;
  const std::uint64_t seen = w.cluster_generation();
  if (b.generation.load() == seen) {
    w.suspend({.kind = Wait::Kind::cluster, .word = &b.generation, .seen = seen});
    return;
  }
  w.cluster_arrived() &= ~w.exec();
  if (w.observer() != nullptr) w.observer()->barrier_passes(w, cluster_barrier, w.exec());
  w.note_effect();
}

Run cluster_arrive(Choice& c) {
  c.extra = (c.has("aligned") ? aligned : 0u) | (c["M"] == "relaxed" ? 0u : release);
  c.ticks = 8;
  return arrive;
}

Run cluster_wait(Choice& c) {
  c.extra = c.has("aligned") ? aligned : 0u;
  c.ticks = 8;
  return wait;
}

void launch_dependents(Warp& w, const Instr&) {
  Cta& cta = w.cta();
  if (!cta.signalled_dependents) {
    cta.signalled_dependents = true;
    ++cta.launch().dependents_signals;
  }
  w.note_effect();
}

void wait_prerequisites(Warp& w, const Instr&) {
  const auto& done = w.cta().launch().prerequisites_done;
  if (done.load() == 0) w.suspend({.kind = Wait::Kind::grid, .word = &done, .seen = 0});
}

/// setmaxnreg.dec gives registers to the CTA's pool, .inc waits until they are there. Without a cap at
/// entry ptxas ignores the instruction, and so does this machine.
template <bool more>
void set_registers(Warp& w, const Instr& i) {
  if (!w.gather(all_lanes)) return;
  Cta& cta = w.cta();
  if (cta.launch().register_cap() == 0) return;
  std::uint32_t& own = cta.warp_registers[static_cast<std::size_t>(w.index())];
  const std::uint32_t wanted = i.extra;
  if (more ? wanted < own : wanted > own) {
    throw KernelFault{FaultKind::protocol, std::string("setmaxnreg.") + (more ? "inc" : "dec") + " to " +
                                               std::to_string(wanted) + " of a warp that has " + std::to_string(own)};
  }
  const std::uint64_t difference = std::uint64_t{warp_size} * (more ? wanted - own : own - wanted);
  if constexpr (more) {
    if (cta.register_pool.load() < difference) {
      const std::uint64_t seen = cta.register_pool.load();
      w.suspend({.kind = Wait::Kind::registers, .word = &cta.register_pool, .seen = seen});
      return;
    }
    cta.register_pool -= difference;
  } else {
    cta.register_pool += difference;
  }
  own = wanted;
  w.note_effect();
}

Run set_max(Choice& c) {
  if (!c.imm.empty()) {
    if (c.imm[0] < 24 || c.imm[0] > 256 || c.imm[0] % 8 != 0) return nullptr;
    c.extra = static_cast<std::uint32_t>(c.imm[0]);
  }
  return c.has("inc") ? set_registers<true> : set_registers<false>;
}

constexpr std::uint8_t c = Instr::control;
const Form table[] = {
    {"barrier.cluster.arrive{.<M: release relaxed>}{.aligned}", "", cluster_arrive, c, 78, 90, false, "cluster"},
    {"barrier.cluster.wait{.acquire}{.aligned}", "", cluster_wait, c, 78, 90, false, "cluster"},
    {"griddepcontrol.launch_dependents", "", [](Choice&) { return Run(launch_dependents); }, 0, 78, 90, false, "cluster"},
    {"griddepcontrol.wait", "", [](Choice&) { return Run(wait_prerequisites); }, c, 78, 90, false, "cluster"},
    {"setmaxnreg.<A: inc dec>.sync.aligned.u32", "imm", set_max, c, 80, 90, true, "cluster"},
};

}  // namespace

std::span<const Form> cluster_forms() { return table; }

}  // namespace triptych::emulator

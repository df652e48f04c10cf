/// \file
/// Vector clocks: what a thread knows to have happened before.
///
/// Every warp, and every engine that works for one, is an *agent* with a number and an epoch. The epoch goes
/// up when the agent gives something away that others may wait for; an access bears the epoch it was made in.
/// Who knows an agent's lane up to an epoch comes after all of its accesses up to then.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "emulator/machine/instr.h"

namespace triptych::emulator {

using Agent = std::uint32_t;
using Epoch = std::uint32_t;
using LaneEpochs = std::array<Epoch, warp_size>;

/// Epochs of agents, by agent. An agent that is missing is not known at all.
class VectorClock {
 public:
  /// Whether accesses of this lane in this epoch happened before.
  bool knows(Agent agent, int lane, Epoch epoch) const;
  /// The epoch up to which all lanes of an agent are known; 0: none.
  Epoch of_all_lanes(Agent agent) const;
  void join(const VectorClock& other);
  /// Knows all lanes of an agent up to an epoch.
  void note(Agent agent, Epoch epoch);
  /// Knows each lane up to its own.
  void note(Agent agent, const LaneEpochs& epochs);
  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Agent agent;
    Epoch epoch;                                ///< of all lanes; the smallest if they differ
    std::shared_ptr<const LaneEpochs> lanes;    ///< if they differ
  };
  const Entry* find(Agent agent) const;
  Entry& at(Agent agent);
  static void raise(Entry& entry, const Entry& other);
  std::vector<Entry> entries_;
};

/// What a thread knows: of everything, and of what may be read through the async proxy too. Clocks that are
/// shared do not change; null is empty.
struct Knowledge {
  std::shared_ptr<const VectorClock> all, proxied;

  /// Knows also what `other` does. Keeps sharing where it can.
  void join(const Knowledge& other);
};

/// What several threads give to those who wait for them: at a barrier, an mbarrier, or a flag in memory.
class Gift {
 public:
  void add(const Knowledge& known);
  VectorClock& all() { return *all_; }
  VectorClock& proxied() { return *proxied_; }
  Knowledge known() const { return {all_, proxied_}; }

 private:
  std::shared_ptr<VectorClock> all_ = std::make_shared<VectorClock>(), proxied_ = std::make_shared<VectorClock>();
  std::shared_ptr<const VectorClock> last_all_, last_proxied_;   ///< what was added last: mostly it comes again
};

}  // namespace triptych::emulator

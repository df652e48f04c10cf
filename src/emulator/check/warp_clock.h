/// \file
/// What the lanes of one warp know of the other agents.
#pragma once

#include <array>
#include <vector>

#include "emulator/check/clock.h"
#include "emulator/machine/warp.h"

namespace triptych::emulator {

/// A warp's clock. Lanes that know the same share a group; most of the time there is one.
class WarpClock {
 public:
  /// The agents of a warp: itself, and what works for it. Each warp has so many numbers in a row.
  enum Engine : Agent { self, copies, bulk_reads, bulk_writes, wgmma, engines };

  explicit WarpClock(Agent first, Mask lanes) : first_(first), alive_(lanes), groups_(1) { groups_[0].lanes = lanes; }
  Agent agent(Engine engine = self) const { return first_ + engine; }
  Epoch epoch() const { return epoch_; }
  /// What is done from now on is not part of what was given away.
  void advance() { ++epoch_; }
  void lanes_exit(Mask lanes) { alive_ &= ~lanes; }

  /// Whether a lane comes after another access.
  bool knows(int lane, Agent agent, int other, Epoch epoch) const;
  /// Whether all lanes do, if that was found before: a quick answer, which may be no where it is yes.
  bool all_know(Agent agent, Epoch epoch) const {
    if (agent == first_ && epoch <= synced_) return true;
    const Found& f = found(agent);
    return f.agent == agent && epoch <= f.epoch && f.lanes == all_lanes;
  }
  /// Whether the async proxy, on behalf of this lane, sees what another access wrote.
  bool knows_proxied(int lane, Agent agent, int other, Epoch epoch) const;

  /// What the lanes know and have done is given to whoever takes the gift.
  void give(Mask lanes, Gift& gift) const;
  /// The same as it was at the lanes' last fence; false if one of them has not executed any.
  bool give_fenced(int lane, Gift& gift) const;
  Scope fence_scope(int lane) const { return group(lane).fence_scope; }
  void take(Mask lanes, const Knowledge& known);
  /// The same of a gift that the lanes have given to themselves: it holds all that they know.
  void take_whole(Mask lanes, const Gift& gift);
  /// A relaxed load saw it: it is known after the next fence.
  void take_at_fence(int lane, const Knowledge& known);
  void fence(Mask lanes, Order order, Scope scope);
  void proxy_fence(Mask lanes);
  /// bar.warp.sync and the like.
  void sync(Mask lanes);

  /// cp.async: work gets epochs in order; a lane that waited knows its own up to one.
  Epoch issue_copy() { return ++copies_issued_; }
  Epoch copies_issued() const { return copies_issued_; }
  void copies_waited(int lane, Epoch epoch);
  const Knowledge& known(int lane) const { return group(lane).known; }

 private:
  struct Group {
    Mask lanes = 0;
    Knowledge known;      ///< of other agents, and of lanes of this warp
    Knowledge fenced;     ///< as it was at the last fence
    Knowledge pending;    ///< seen by relaxed loads
    bool has_fence = false;
    Scope fence_scope = Scope::cta;
  };
  const Group& group(int lane) const;
  /// Calls f for the groups of exactly these lanes, split from others where they must be.
  template <class F>
  void each(Mask lanes, F&& f);
  void merge();
  /// What the lanes of `lanes` have done up to now; the others up to the last meeting of all.
  void note_own(Mask lanes, VectorClock& clock) const;

  Agent first_;
  Mask alive_;
  Epoch epoch_ = 1;
  Epoch synced_ = 0;                  ///< all lanes know each other up to here
  Epoch copies_issued_ = 0;
  LaneEpochs waited_{};               ///< of its own copies, a lane
  LaneEpochs fence_epoch_{}, fence_synced_{};
  std::vector<Group> groups_;
  /// What knows() found last: `lanes` know all of an agent up to an epoch. They never forget.
  struct Found {
    Agent agent = 0;
    Epoch epoch = 0;
    Mask lanes = 0;
  };
  Found& found(Agent agent) const { return found_[agent / engines % found_.size()]; }
  mutable std::array<Found, 16> found_{};
};

}  // namespace triptych::emulator

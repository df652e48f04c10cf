/// \file
/// What orders threads: barriers, mbarriers, and flags in memory.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

#include "emulator/check/actor.h"
#include "emulator/check/warp_clock.h"

namespace triptych::emulator {

/// An mbarrier object, known by its host address.
struct BarrierObject {
  Agent agent = 0;                ///< of the copies that complete on it: their epochs count up
  Epoch copies = 0;
  bool phase = false;
  std::shared_ptr<Gift> filling = std::make_shared<Gift>(), full = std::make_shared<Gift>();
  Stamp initialised;
  SiteId site = 0;
};

/// Barriers of CTAs and clusters.
class BarrierClocks {
 public:
  using Pending = std::array<std::shared_ptr<Gift>, 17>;   ///< of a warp, by barrier; the cluster's is the last
  void arrives(Warp& warp, int id, Mask lanes, WarpClock& clock, Pending& pending);
  void passes(int id, Mask lanes, WarpClock& clock, Pending& pending);
  void forget(Cta& cta);
  void clear() { phases_.clear(); }

 private:
  struct Phase {
    std::uint64_t generation = 0;
    std::shared_ptr<Gift> gift;
  };
  std::map<std::pair<const void*, int>, Phase> phases_;   ///< by CTA or cluster
};

/// mbarriers that are initialised.
class MbarrierClocks {
 public:
  BarrierObject* find(const std::uint8_t* host);
  BarrierObject& initialise(const std::uint8_t* host, Agent agent);
  void invalidate(const std::uint8_t* host) { objects_.erase(host); }
  /// The first object that overlaps a range, if any.
  const std::uint8_t* overlapping(const std::uint8_t* host, std::uint64_t bytes) const;
  bool any() const { return !objects_.empty(); }
  /// Objects in a range are gone.
  void forget(const std::uint8_t* begin, std::uint64_t bytes);
  void clear() { objects_.clear(); }

 private:
  std::map<const std::uint8_t*, BarrierObject> objects_;
};

/// Releases through memory: what a location's last write gave to who reads it.
class FlagClocks {
 public:
  /// A strong write. A read-modify-write goes on with what was given before, a store ends it.
  void wrote(const std::uint8_t* host, Access access, const ActorInfo& who, Scope scope, const Knowledge* given);
  /// What a strong read of this scope takes.
  void read(const std::uint8_t* host, const ActorInfo& who, Scope scope, const std::function<void(const Knowledge&)>& take) const;
  void clear() { flags_.clear(); }

 private:
  struct Release {
    ActorInfo who;
    Scope scope;
    Knowledge known;
  };
  std::unordered_map<const std::uint8_t*, std::vector<Release>> flags_;
};

}  // namespace triptych::emulator

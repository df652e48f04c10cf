/// \file
/// Who does things to memory, and where: agents and instructions by number, with what is to be said of them.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "emulator/check/shadow.h"
#include "emulator/check/warp_clock.h"
#include "emulator/machine/machine.h"

namespace triptych::emulator {

/// A launch, as far as order goes: numbers count the beginnings and ends of launches.
struct LaunchSpan {
  std::string kernel;
  std::uint64_t begun = 0, ended = 0;   ///< 0: not yet
  bool programmatic = false;            ///< begins while its predecessor runs, and waits for it inside
};

/// A warp or an mbarrier, whose numbers as an agent are `WarpClock::engines` in a row.
struct ActorInfo {
  std::uint32_t launch = 0;             ///< index among the spans
  std::uint64_t cta = 0, cluster = 0;   ///< unique in the machine
  int device = 0;
  int warp = -1;                        ///< in its CTA; -1: an mbarrier
  Extent3 position{};                   ///< of its CTA in the grid
};

/// The registry of a checker.
class Actors {
 public:
  Actors() { clear(); }
  void launch_begins(const Launch& launch);
  /// True if nothing runs any more: all that was before is before all that comes.
  bool launch_ends(const Launch& launch);
  void clear();

  /// The first agent of a new warp or mbarrier. When their numbers are used up, which takes three million of
  /// them while something runs, it is full(): who is who cannot be told any more.
  Agent add(ActorInfo info);
  bool full() const { return infos_.size() >= most; }
  ActorInfo of(Warp& warp);
  const ActorInfo& info(Agent agent) const { return infos_[agent / WarpClock::engines]; }
  /// Whether everything of `one` ended before `other`'s kernel began.
  bool launched_after(const ActorInfo& one, const ActorInfo& other) const {
    if (one.launch == other.launch) return false;
    const LaunchSpan &a = spans_[one.launch], &b = spans_[other.launch];
    return a.ended != 0 && (a.ended <= b.begun || b.programmatic);
  }
  /// Whether two of them see each other through operations of this scope.
  static bool within(Scope scope, const ActorInfo& one, const ActorInfo& other) {
    switch (scope) {
      case Scope::cta: return one.cta == other.cta;
      case Scope::cluster: return one.cluster == other.cluster;
      case Scope::gpu: return one.device == other.device;
      default: return true;
    }
  }

  /// The number of an instruction of the function that a warp is in.
  SiteId site(Warp& warp, const Instr& instr) { return site(warp, instr, warp.code()); }
  SiteId site(Warp& warp, const Instr& instr, const FunctionCode& code);
  const std::string& place(SiteId site) const { return places_[site]; }
  /// "[kernel k, CTA 0,0,0, warp 1, lanes 0-3]"
  std::string who(const ActorInfo& info, Mask lanes) const;

 private:
  static constexpr std::size_t most = (std::size_t{1} << 24) / WarpClock::engines - 1;   // Stamp has 24 bits
  std::vector<ActorInfo> infos_;
  std::vector<LaunchSpan> spans_;
  std::map<const Launch*, std::uint32_t> running_;
  std::uint64_t events_ = 0;
  std::deque<std::string> places_;
  std::unordered_map<const Instr*, SiteId> sites_;
  std::array<std::pair<const Instr*, SiteId>, 64> recent_{};
};

}  // namespace triptych::emulator

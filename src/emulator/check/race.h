/// \file
/// Races, reads of what was never written, and reads through ld.global.nc of what changes.
///
/// Two accesses to a byte, one of them a write, race unless one happened before the other, or both are strong
/// and each lies within the other's scope. What the generic proxy wrote, the async proxy sees after a proxy
/// fence only. Source: PTX ISA 9.0, "Memory consistency model".
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <span>
#include <string>

#include "emulator/check/actor.h"
#include "emulator/check/check.h"

namespace triptych::emulator {

/// Who makes an access: lanes of a warp, or an engine on their behalf.
struct Accessor {
  const WarpClock* clock = nullptr;   ///< of a warp; null for an engine
  std::span<const Knowledge> known;   ///< an engine's: of each warp that set it to work; all of them have to know
  std::uint64_t work = 0;             ///< which work of an engine
  const ActorInfo* info = nullptr;
  Agent agent = 0;
  Epoch epoch = 0;
  std::uint8_t kind = Stamp::weak;    ///< of Stamp::Kind
  Scope scope = Scope::cta;
  SiteId site = 0;

  Stamp stamp(int lane) const { return Stamp(agent, lane, epoch, kind, scope); }
  bool knows(int lane, Stamp other) const {
    if (clock != nullptr) return clock->knows(lane, other.agent(), other.lane(), other.epoch());
    return std::all_of(known.begin(), known.end(), [&](const Knowledge& k) {
      return k.all != nullptr && k.all->knows(other.agent(), other.lane(), other.epoch());
    });
  }
  bool sees_in_async_proxy(Stamp other) const {
    return std::all_of(known.begin(), known.end(), [&](const Knowledge& k) {
      return k.proxied != nullptr && k.proxied->knows(other.agent(), other.lane(), other.epoch());
    });
  }
};

class RaceCheck {
 public:
  /// `report`: what to do with a finding of a place, and the place of its other side (0: none).
  using Report = std::function<void(Check, SiteId, SiteId, const std::string&)>;
  RaceCheck(Actors& actors, Shadow& shadow, Checks checks, Report report)
      : actors_(actors), shadow_(shadow), checks_(checks), report_(std::move(report)) {}

  /// `lanes` of the accessor touch the same bytes. `offset`: where they lie in their space, for messages.
  void touch(const Accessor& who, Mask lanes, Space space, std::uint64_t host, std::uint64_t offset, std::uint32_t bytes,
             Access access);
  /// All lanes of a warp touch `bytes` each, one after the other.
  void touch_row(const Accessor& who, Space space, std::uint64_t host, std::uint64_t offset, std::uint32_t bytes, Access access);
  /// Nothing that is remembered matters any more.
  void forget() { fine_ = {}; }

 private:
  struct Bytes {
    Space space;
    std::uint64_t offset;
    std::uint32_t count;
    Access access;
  };
  /// Whether `lanes` of a warp come after the access, and nothing else is to be said about it.
  static bool plainly_after(const Accessor& who, Mask lanes, Stamp other) {
    if (who.clock == nullptr || ((who.kind | (other.bits() >> 1)) & Stamp::coherent_not) != 0) return false;
    if (who.clock->all_know(other.agent(), other.epoch())) return true;
    for (Mask left = lanes; left != 0; left &= left - 1) {
      const int l = std::countr_zero(left);
      if (!(other.agent() == who.agent && other.lane() == l) && !who.knows(l, other)) return false;
    }
    return true;
  }
  /// The common case of touch_cell: nothing is to be said, and there is one reader at most. False if it is not.
  bool touch_quickly(const Accessor& who, Stamp mine, Cell& cell, bool writes) const;
  void touch_cell(const Accessor& who, Mask lanes, Cell& cell, const Bytes& bytes);
  void against(const Accessor& who, int lane, Stamp other, Mask other_lanes, SiteId other_site, bool other_wrote, const Bytes& bytes);
  void read_into(const Accessor& who, Mask lanes, Cell& cell, Space space);
  void check_written(const Accessor& who, Mask lanes, std::uint64_t host, const Bytes& bytes);
  std::string describe(const Accessor& who, Mask lanes, const Bytes& bytes) const;

  Actors& actors_;
  Shadow& shadow_;
  Checks checks_;
  Report report_;
  /// A write that an engine's work was found to come after: the next cells have mostly the same.
  struct Fine {
    std::uint64_t work = 0;
    Stamp write;
  };
  Fine fine_;
};

}  // namespace triptych::emulator

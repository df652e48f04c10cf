/// \file
/// Groups of asynchronous work as PTX's threads count them: operations gather in an open group, commit
/// closes it, and a wait looks at all groups but the newest few.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "emulator/machine/instr.h"

namespace triptych::emulator {

/// One group. Lanes that commit together share it.
struct AsyncGroup {
  Mask lanes = 0;
  std::atomic<std::uint64_t> pending{0};   ///< operations that have not completed
  std::atomic<std::uint64_t> reading{0};   ///< operations that still read their source (bulk stores)
};

/// The groups of one kind of a warp: cp.async's or bulk copies'.
class AsyncGroups {
 public:
  /// The group that operations of these lanes gather in.
  const std::shared_ptr<AsyncGroup>& open(Mask lanes) {
    if (open_ == nullptr) open_ = std::make_shared<AsyncGroup>();
    open_->lanes |= lanes;
    return open_;
  }
  /// Closes the group of these lanes; an empty one counts too. Lanes that issued into the same group and
  /// commit later get it again: they wait for a little more than they must.
  void commit(Mask lanes) {
    const bool any = open_ != nullptr && (open_->lanes & lanes) != 0;
    committed_.push_back({any ? open_ : std::make_shared<AsyncGroup>(), lanes});
    if (any && (open_->lanes &= ~lanes) == 0) open_ = nullptr;
    // Waits count from the newest: complete groups at the old end never matter again.
    while (!committed_.empty() && complete(*committed_.front().group)) committed_.pop_front();
  }
  /// A committed group that some of `lanes` have to wait for when `newest` groups may be pending; null if
  /// there is none. `read`: only its reading counts.
  std::shared_ptr<const AsyncGroup> waits_for(Mask lanes, std::uint32_t newest, bool read) const {
    std::uint32_t seen[warp_size] = {};
    for (std::size_t i = committed_.size(); i-- > 0;) {
      const Committed& c = committed_[i];
      bool over = false;
      for (int l = 0; l < warp_size; ++l) {
        if ((c.lanes & lanes) >> l & 1) over = ++seen[l] > newest || over;
      }
      if (over && (read ? c.group->reading : c.group->pending).load() != 0) return c.group;
    }
    return nullptr;
  }
  /// The same for everything that the lanes issued, committed or not.
  std::shared_ptr<const AsyncGroup> waits_for_all(Mask lanes) const {
    if (open_ != nullptr && (open_->lanes & lanes) != 0 && open_->pending.load() != 0) return open_;
    return waits_for(lanes, 0, false);
  }
  /// All groups that hold something of the lanes.
  std::vector<std::shared_ptr<const AsyncGroup>> pending(Mask lanes) const {
    std::vector<std::shared_ptr<const AsyncGroup>> all;
    if (open_ != nullptr && (open_->lanes & lanes) != 0) all.push_back(open_);
    for (const Committed& c : committed_) {
      if ((c.lanes & lanes) != 0) all.push_back(c.group);
    }
    return all;
  }

 private:
  struct Committed {
    std::shared_ptr<AsyncGroup> group;
    Mask lanes;
  };
  static bool complete(const AsyncGroup& g) { return g.pending.load() == 0 && g.reading.load() == 0; }

  std::shared_ptr<AsyncGroup> open_;
  std::deque<Committed> committed_;
};

}  // namespace triptych::emulator

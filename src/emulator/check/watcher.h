/// \file
/// The checker: turns what happens on the machine into questions for the parts that know.
#pragma once

#include <deque>
#include <unordered_map>
#include <vector>

#include "emulator/check/check.h"
#include "emulator/check/race.h"
#include "emulator/check/registers.h"
#include "emulator/check/sync.h"

namespace triptych::emulator {

/// Groups that the lanes of a warp have committed, and what they held.
class Commits {
 public:
  void commit(Mask lanes, Epoch issued) {
    all_.push_back({lanes, issued});
    if (all_.size() > most) all_.pop_front();
  }
  /// What of a lane is complete when all groups but its newest few are.
  Epoch complete_when(int lane, std::uint32_t newest) const;

 private:
  static constexpr std::size_t most = 128;
  struct Commit {
    Mask lanes;
    Epoch issued;
  };
  std::deque<Commit> all_;
};

class Watcher final : public Checker {
 public:
  Watcher(Machine& machine, Checks checks);
  const std::vector<Finding>& findings() const override { return findings_; }
  void allocated(std::uint64_t begin, std::uint64_t bytes) override;
  void released(std::uint64_t begin) override;
  void host_wrote(std::uint64_t begin, std::uint64_t bytes) override { shadow_.set_written(begin, bytes); }

  void launch_begins(const Launch& launch) override;
  void launch_ends(const Launch& launch) override;
  void cta_begins(Cta& cta) override;
  void cta_ends(Cta& cta) override;
  void lanes_exit(Warp& warp, Mask lanes) override;
  bool follows(const FunctionCode& code) override { return rows_.matters(code); }
  void instruction(Warp& warp, const Instr& instr) override;
  void access(const AccessEvent& event) override;
  void fence(Warp& warp, Order order, Scope scope, Proxy proxy) override;
  void barrier_arrives(Warp& warp, int id, Mask lanes) override;
  void barrier_passes(Warp& warp, int id, Mask lanes) override;
  void mbarrier_initialised(Warp& warp, const std::uint8_t* host, std::uint32_t count) override;
  void mbarrier_arrives(Warp& warp, const std::uint8_t* host, Mask lanes, Order order, Scope scope) override;
  void mbarrier_passes(Warp& warp, const std::uint8_t* host, Mask lanes, Order order, Scope scope) override;
  void mbarrier_invalidated(Warp& warp, const std::uint8_t* host) override;
  void async_issued(Warp& warp, const Instr& instr, AsyncKind kind, std::uint64_t token, const std::uint8_t* mbarrier) override;
  void async_touches(std::uint64_t token, const AsyncRange& range) override;
  void async_completed(std::uint64_t token, const std::uint8_t* mbarrier) override;
  void group_waited(Warp& warp, AsyncKind kind, std::uint64_t newest, bool read_only) override;
  void copies_arrive(Warp& warp, const std::uint8_t* mbarrier, Mask lanes) override;
  void undefined(Warp& warp, Mask lanes, const std::string& what) override;
  void warp_synced(Warp& warp, Mask lanes) override;

 private:
  struct WarpState {
    WarpState(Agent agent, Mask lanes, ActorInfo who) : clock(agent, lanes), info(who) {}
    WarpClock clock;
    ActorInfo info;
    BarrierClocks::Pending pending;
    Commits copies, bulk;
    Epoch bulk_issued = 0, bulk_read = 0, products = 0;
    RegisterCheck registers;
  };
  /// Asynchronous work that goes on.
  struct Work {
    AsyncKind kind;
    std::vector<Knowledge> known;             ///< of each warp that issued it
    ActorInfo info;
    Agent reader = 0, writer = 0;
    Epoch epoch = 0;
    SiteId site = 0;
    int lane = 0;
    Access write = Access::write;
    std::uint8_t kind_bits = Stamp::async;
    const Cta* waits_on_mbarrier = nullptr;   ///< the CTA that issued it
  };
  WarpState& state(Warp& warp);
  void find(Check check, SiteId site, SiteId other, const std::string& text);
  /// "place: what [who]"
  void find_at(Check check, Warp& warp, Mask lanes, const std::string& what, SiteId other = 0);
  void order_through_memory(const AccessEvent& event, WarpState& s);
  /// True if the instruction works on mbarriers, and all is said.
  bool on_mbarriers(const AccessEvent& event, WarpState& s);
  RegisterCheck::Report register_report(Warp& warp);
  void leave_wgmma(Warp& warp, WarpState& s, std::uint32_t newest);

  Machine& machine_;
  Checks checks_;
  Actors actors_;
  Shadow shadow_;
  RaceCheck races_;
  BarrierClocks barriers_;
  MbarrierClocks mbarriers_;
  FlagClocks flags_;
  RowUses rows_;
  std::unordered_map<const Warp*, std::unique_ptr<WarpState>> warps_;
  const Warp* last_warp_ = nullptr;
  WarpState* last_state_ = nullptr;
  std::unordered_map<std::uint64_t, Work> works_;
  std::map<std::uint64_t, std::uint64_t> allocations_;
  std::vector<Finding> findings_;
  std::unordered_map<std::string, std::size_t> seen_;   ///< by check and places
};

}  // namespace triptych::emulator

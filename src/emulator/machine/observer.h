/// \file
/// What checkers and instruments see of a running machine. With none, the machine skips every call.
#pragma once

#include <cstdint>
#include <string>

#include "emulator/machine/warp.h"

namespace triptych::emulator {

struct Launch;

/// One memory instruction of one warp. Pointers are the machine's; they are valid during the call.
struct AccessEvent {
  Warp& warp;
  const Instr& instr;
  Space space;                              ///< what the address was, generic ones sorted out
  Access access;
  Semantics semantics;
  Mask lanes;
  const Lanes<std::uint64_t>& addresses;    ///< global: device addresses; others: offsets in their space
  const Lanes<std::uint8_t*>& hosts;
  std::uint32_t bytes;                      ///< at each lane
};

/// Work that goes on without the warp: cp.async, bulk copies, tensor copies, wgmma.
enum class AsyncKind : std::uint8_t { cp_async, bulk, tensor, wgmma, st_async, red_async };

/// A contiguous range that asynchronous work reads or writes.
struct AsyncRange {
  Space space;
  const std::uint8_t* host;
  std::uint64_t bytes;
  bool written;
  int lane = 0;          ///< on whose behalf, where each lane has its own
};

class Observer {
 public:
  virtual ~Observer() = default;
  virtual void launch_begins(const Launch&) {}
  virtual void launch_ends(const Launch&) {}
  virtual void cta_begins(Cta&) {}
  virtual void cta_ends(Cta&) {}
  virtual void lanes_exit(Warp&, Mask) {}
  /// Whether instruction() wants to hear of a function's instructions.
  virtual bool follows(const FunctionCode&) { return true; }
  /// Before an instruction is executed (warp.exec() is set).
  virtual void instruction(Warp&, const Instr&) {}
  /// Lanes of the warp stop. The instruction at split.pc has not happened and is tried again when the wait
  /// is over; a poll (Wait::Kind::poll) goes on there.
  virtual void waits(Warp&, const Split&) {}
  /// A load, store or atomic, before it happens.
  virtual void access(const AccessEvent&) {}
  virtual void fence(Warp&, Order, Scope, Proxy) {}
  /// bar.sync / bar.arrive / bar.red and their clusters' counterpart (id -1).
  virtual void barrier_arrives(Warp&, int /*id*/, Mask) {}
  virtual void barrier_passes(Warp&, int /*id*/, Mask) {}
  /// Operations on an mbarrier at a host address of shared memory; `phase` is the one it belongs to.
  virtual void mbarrier_initialised(Warp&, const std::uint8_t*, std::uint32_t /*count*/) {}
  virtual void mbarrier_arrives(Warp&, const std::uint8_t*, Mask, Order, Scope) {}
  virtual void mbarrier_passes(Warp&, const std::uint8_t*, Mask, Order, Scope) {}
  virtual void mbarrier_invalidated(Warp&, const std::uint8_t*) {}
  /// Asynchronous work: issued by a warp, its memory traffic when it really happens, then its end. The
  /// token ties them together. `mbarrier` is what it will complete on, or null for groups.
  virtual void async_issued(Warp&, const Instr&, AsyncKind, std::uint64_t /*token*/, const std::uint8_t* /*mbarrier*/) {}
  virtual void async_touches(std::uint64_t /*token*/, const AsyncRange&) {}
  virtual void async_completed(std::uint64_t /*token*/, const std::uint8_t* /*mbarrier*/) {}
  /// commit_group / wait_group of a kind: the warp now sees everything up to `token`.
  virtual void group_waited(Warp&, AsyncKind, std::uint64_t /*token*/, bool /*read_only*/) {}
  /// cp.async.mbarrier.arrive: what the lanes have copied so far will arrive there.
  virtual void copies_arrive(Warp&, const std::uint8_t* /*mbarrier*/, Mask) {}
  /// A value that the ISA leaves undefined was made; it matters only if somebody uses it.
  virtual void undefined(Warp&, Mask, const std::string& /*what*/) {}
  /// bar.warp.sync, which orders memory; shuffles, votes and the like do not.
  virtual void warp_synced(Warp&, Mask) {}
};

}  // namespace triptych::emulator

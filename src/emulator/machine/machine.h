/// \file
/// The machine: devices of SMs that hold CTAs of warps, and the launches that are waiting for room.
///
/// Nothing here starts a thread: somebody calls step(). With several host threads each steps SMs of its
/// own (Machine::step_sms), and the caller of step() is the one that hands out CTAs between two rounds.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "emulator/machine/code.h"
#include "emulator/machine/fault.h"
#include "emulator/machine/memory.h"
#include "emulator/machine/warp.h"
#include "emulator/machine/warpgroup.h"

namespace triptych::emulator {

/// Limits of a device; an H200's by default.
struct DeviceLimits {
  std::string name = "Triptych software device";
  int architecture = 90;
  int sms = 132;
  int ctas_per_sm = 32;
  int threads_per_sm = 2048;
  int threads_per_cta = 1024;
  int registers_per_sm = 65536;
  int shared_per_sm = 233472;        ///< bytes
  int shared_per_cta = 232448;       ///< opt-in; 49152 without
  int cluster_size = 16;             ///< 8 without the non-portable attribute
  std::uint64_t memory = std::uint64_t{141} << 30;
};

/// The first bytes of shared memory belong to the system, as on hardware.
inline constexpr std::uint32_t shared_reserved = 1024;

using Extent3 = std::array<std::uint32_t, 3>;

/// One kernel on its way: everything that its CTAs need to know.
struct Launch {
  const ModuleCode* module = nullptr;
  const FunctionCode* function = nullptr;
  Extent3 grid{1, 1, 1}, block{1, 1, 1}, cluster{1, 1, 1};
  std::uint32_t dynamic_shared = 0;
  std::vector<std::uint8_t> parameters;     ///< as the .param space holds them
  bool cooperative = false;
  bool programmatic = false;                ///< may start before its predecessor has ended (griddepcontrol)
  int device = 0;
  std::uint64_t id = 0;                     ///< %gridid
  std::uint64_t stream = 0;                 ///< for messages and traces
  std::vector<int> sms;                     ///< green contexts: the SMs it may use; empty: all
  std::uint64_t workspace = 0;              ///< cooperative: device address for grid.sync; %envreg1, 2
  std::function<void(Launch&)> ended;       ///< called by step() when its last CTA has ended, or it failed

  // While it runs:
  std::uint64_t next_cta = 0;               ///< the first that was not handed out
  std::atomic<std::uint64_t> running{0}, finished{0};
  /// Whether all CTAs have executed griddepcontrol.launch_dependents or have ended.
  bool dependents_may_start() const { return dependents_signals.load() >= ctas(); }
  std::atomic<std::uint64_t> instructions{0};         ///< of its warps, while there is a limit
  std::atomic<std::uint64_t> dependents_signals{0};   ///< CTAs that executed it or have ended
  std::atomic<std::uint64_t> prerequisites_done{1};   ///< 0 while grids before it run (programmatic launch)
  std::atomic<bool> failed{false};
  std::string fault;                        ///< the report, if it failed
  FaultKind fault_kind{};
  /// Notes the first fault.
  void fail(FaultKind kind, std::string report);
  std::uint64_t ctas() const { return std::uint64_t{grid[0]} * grid[1] * grid[2]; }
  std::uint32_t warps() const { return (block[0] * block[1] * block[2] + warp_size - 1) / warp_size; }
  std::uint32_t shared_bytes() const;       ///< of a CTA, the reserved ones included
  std::uint32_t registers() const;          ///< of a CTA
  /// Registers a thread that the directives name (.maxnreg, or .maxntid with .minnctapersm); 0: none.
  std::uint32_t register_cap() const;
  std::uint32_t registers_a_thread() const;
  bool explicit_cluster() const;
  /// Linear index of the CTA with this rank of the cluster with this linear index.
  std::uint64_t cta_of(std::uint64_t cluster_index, std::uint32_t rank) const;
};

/// Barrier resource 0 … 15 of a CTA, or a cluster's. `generation` changes when it completes.
struct NamedBarrier {
  std::atomic<std::uint64_t> generation{1};
  std::uint32_t arrived = 0;       ///< threads
  std::uint32_t expected = 0;      ///< threads; 0: all of the CTA that have not exited
  std::uint32_t votes_and = 1, votes_or = 0, votes_popc = 0;   ///< barrier.red, of the phase at hand
  std::uint32_t result_and = 0, result_or = 0, result_popc = 0;///< of the last complete phase
  std::uint8_t kind = 0;           ///< what it is used for: sync/arrive, or a reduction
};

/// CTAs that share distributed shared memory and a barrier.
struct Cluster {
  std::vector<Cta*> ctas;          ///< by rank; null when it has ended
  std::uint64_t id = 0;
  NamedBarrier barrier;            ///< barrier.cluster: all threads that have not exited
  std::uint32_t alive_threads = 0;
  std::mutex mutex;                ///< its CTAs may run on several host threads

  void arrive(std::uint32_t threads);
  void threads_exited(std::uint32_t threads);

 private:
  void complete();
};

class Cta {
 public:
  Cta(Sm& sm, Launch& launch, std::uint64_t index, std::shared_ptr<Cluster> cluster, std::uint32_t rank);
  Launch& launch() { return launch_; }
  const Launch& launch() const { return launch_; }
  Sm& sm() { return sm_; }
  std::uint64_t index() const { return index_; }          ///< linear, x fastest
  Extent3 position() const;                               ///< %ctaid
  Cluster& cluster() { return *cluster_; }
  std::uint32_t rank() const { return rank_; }            ///< in its cluster
  /// Its shared memory, the reserved bytes included: address a lies at shared()[a].
  std::uint8_t* shared() { return shared_.data(); }
  std::uint32_t shared_bytes() const { return static_cast<std::uint32_t>(shared_.size()); }
  std::uint32_t threads() const { return threads_; }
  std::uint32_t alive_threads = 0;
  std::vector<std::unique_ptr<Warp>>& warps() { return warps_; }
  std::vector<Warpgroup>& warpgroups() { return warpgroups_; }
  std::array<NamedBarrier, 16> barriers;
  /// Registers a thread of each warp holds (setmaxnreg), and what is left in the CTA's pool.
  std::vector<std::uint32_t> warp_registers;
  std::atomic<std::uint64_t> register_pool{0};
  bool signalled_dependents = false;       ///< griddepcontrol.launch_dependents
  std::atomic<int> in_flight{0};           ///< pending asynchronous work that knows this CTA

  /// `threads` of them arrive at a barrier that `expected` wait for; 0: all of the CTA that have not exited.
  /// True if the barrier completed by that.
  bool arrive(NamedBarrier& barrier, std::uint32_t threads, std::uint32_t expected);
  /// Threads have exited: barriers that waited for all of the CTA may complete.
  void threads_exited(std::uint32_t threads);
  bool done() const;

 private:
  Sm& sm_;
  Launch& launch_;
  std::uint64_t index_;
  std::shared_ptr<Cluster> cluster_;
  std::uint32_t rank_, threads_;
  std::vector<std::uint8_t> shared_;
  std::vector<std::unique_ptr<Warp>> warps_;
  std::vector<Warpgroup> warpgroups_;      // whole ones only
};

/// Work that completes later: at a tick, in an order that the seed decides.
struct Pending {
  std::uint64_t due;
  std::uint64_t token;
  Cta* cta;
  std::function<void()> finish;
  bool operator<(const Pending& other) const { return due > other.due; }   // the earliest is a heap's top
};

class Sm {
 public:
  Sm(Machine& machine, int device, int index);
  Machine& machine() { return machine_; }
  int device() const { return device_; }
  int index() const { return index_; }         ///< %smid
  std::uint64_t clock() const { return clock_; }
  void advance(std::uint64_t ticks) { clock_ += ticks; }
  /// Lets `finish` happen after about `ticks`: exactly with seed 0, else anywhere up to twice that. Returns
  /// the token that observers know it by.
  /// `cta` and its cluster stay until then.
  std::uint64_t later(Cta& cta, std::uint64_t ticks, std::function<void()> finish);
  /// Whether a CTA (or a whole cluster, in all SMs it needs) fits now.
  bool fits(const Launch& launch) const;
  void host(std::unique_ptr<Cta> cta);
  std::vector<std::unique_ptr<Cta>>& ctas() { return ctas_; }
  /// Runs every warp that can go on for a while. False if nothing ran and nothing became due.
  bool step();
  /// When nothing can run: the clock jumps to the next thing that is due or to the next deadline. False if
  /// there is none.
  bool skip();
  /// Ends waits that may end without what they wait for (mbarrier.try_wait). False if there is none.
  bool give_up_waits();
  /// Removes CTAs (with their clusters) that have ended, or that belong to a launch that failed.
  void retire();
  /// Thread-instructions of the warps that have ended here.
  std::uint64_t executed() const { return executed_; }

 private:
  bool finish_due();
  void run_warp(Warp& warp, bool& ran);
  Machine& machine_;
  int device_, index_;
  std::uint64_t clock_ = 1, random_ = 0, executed_ = 0;
  std::vector<std::unique_ptr<Cta>> ctas_;
  std::vector<Pending> pending_;                // a heap by due
  std::uint64_t next_token_ = 1;
  std::uint32_t threads_ = 0, registers_ = 0, shared_ = 0;
};

struct MachineOptions {
  std::vector<DeviceLimits> devices = std::vector<DeviceLimits>(1);
  std::uint64_t seed = 0;          ///< of the schedule; 0: no jitter, fixed quanta
  /// Calls body(0) … body(count - 1), perhaps on several host threads; absent: in order, which is
  /// deterministic.
  std::function<void(int count, const std::function<void(int)>& body)> parallel;
  bool exact_tensor = false;       ///< tensor-core numerics as the hardware's, else f32 sums
  std::uint64_t quantum = 256;     ///< instructions of a warp before the next one's turn
  std::uint64_t instruction_limit = 0;   ///< of a launch, in instructions of warps; 0: none
};

/// What step() found.
enum class Progress : std::uint8_t { running, idle, stuck };

class Machine {
 public:
  explicit Machine(MachineOptions options);
  ~Machine();
  const MachineOptions& options() const { return options_; }
  GlobalMemory& memory() { return memory_; }
  const DeviceLimits& limits(int device) const { return options_.devices[static_cast<std::size_t>(device)]; }
  /// Whether one CTA (one cluster) of the launch fits on an empty device; else one line that says why not.
  std::string refuse(const Launch& launch) const;
  /// CTAs of a launch that fit on one empty SM.
  int occupancy(const Launch& launch) const;
  /// Enqueues a launch that refuse() has nothing against; its CTAs are handed out by step().
  void submit(std::shared_ptr<Launch> launch);
  /// One round: hands out CTAs, runs SMs, ends launches. `stuck`: launches are there and nothing can go on.
  Progress step();
  /// Steps until all launches have ended; true if none failed. A deadlock is a failure.
  bool run();
  /// What every warp that is not done waits for, a line each: the report of a deadlock.
  std::string blocked() const;
  /// Ends all launches that run, with a report.
  void abort(FaultKind kind, const std::string& report);
  /// The whole report of a fault: what, file and line, kernel, CTA, warp and lanes.
  std::string report(Warp& warp, const KernelFault& fault) const;
  void observe(Observer* observer) { observer_ = observer; }
  Observer* observer() const { return observer_; }
  std::vector<std::unique_ptr<Sm>>& sms(int device) { return sms_[static_cast<std::size_t>(device)]; }
  std::uint64_t thread_instructions() const;
  /// Virtual nanoseconds: ticks of the fastest SM.
  std::uint64_t now() const;
  std::function<void(std::string_view)> print;      ///< where printf of kernels goes

 private:
  MachineOptions options_;
  GlobalMemory memory_;
  std::vector<std::vector<std::unique_ptr<Sm>>> sms_;
  std::deque<std::shared_ptr<Launch>> launches_;
  Observer* observer_ = nullptr;
  void hand_out(const std::shared_ptr<Launch>& launch);
  bool end_launches();
  std::uint64_t next_launch_ = 1, next_cluster_ = 1, random_ = 1;
  std::size_t next_sm_ = 0;
};

}  // namespace triptych::emulator

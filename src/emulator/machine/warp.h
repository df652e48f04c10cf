/// \file
/// A warp: 32 lanes with their registers, and what the handlers of instructions may do with them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "emulator/machine/async_group.h"
#include "emulator/machine/code.h"
#include "emulator/machine/fault.h"
#include "emulator/machine/instr.h"
#include "emulator/machine/memory.h"

namespace triptych::emulator {

class Cta;
class Machine;
class Observer;
class Sm;

/// One activation of a function. Lanes of a warp that entered it by the same call share it.
struct Frame {
  const FunctionCode* code = nullptr;
  std::unique_ptr<std::uint8_t[]> storage;    ///< holds rows
  std::uint8_t* rows = nullptr;               ///< aligned to 64 bytes
  std::vector<Mask> predicates;
  std::uint32_t local_base = 0;               ///< of this frame in each thread's local memory
  std::shared_ptr<Frame> caller;              ///< null in the entry
  std::uint32_t return_pc = 0;                ///< in the caller
  const Instr* call = nullptr;                ///< the call instruction, for results
  int depth = 0;
  std::vector<std::uint32_t> taken;           ///< each lane's end; empty: nothing was taken yet
  /// Takes rows and predicates for a function.
  void allocate(const FunctionCode& function);
  /// Where a lane's local memory ends in this frame: after the variables, or after what alloca took.
  std::uint32_t end_of(int lane) const {
    return taken.empty() ? local_base + code->local_bytes : taken[static_cast<std::size_t>(lane)];
  }
  void set_end(int lane, std::uint32_t end);
};

/// What a suspended split waits for: that a 64-bit (or narrower) word changes, or that time comes.
struct Wait {
  enum class Kind : std::uint8_t {
    none, barrier, mbarrier, async_group, poll, time, registers, cluster, grid,
    lanes   ///< `seen`: lanes of this warp that have to come, to this place or (id 1) to any place that wants them
  };
  /// Tickets of a wait with a time limit: none, or it is over because nothing else can go on.
  static constexpr std::uint64_t never = ~std::uint64_t{0}, give_up = never - 1;
  Kind kind = Kind::none;
  const std::atomic<std::uint64_t>* word = nullptr;   ///< goes on when *word != seen
  std::uint64_t seen = 0;
  std::uint64_t deadline = 0;                         ///< goes on when the SM's clock gets there; 0: never
  std::uint32_t id = 0;                               ///< barrier number or shared address, for messages
  std::shared_ptr<const void> keep;                   ///< what `word` is part of
};

/// A word that a polling loop read, and what it found.
struct Polled {
  const std::uint8_t* host;
  std::uint32_t bytes;
  std::uint64_t value;
};

/// Lanes of a warp that are at the same place. Most of the time there is one.
struct Split {
  std::shared_ptr<Frame> frame;
  std::uint32_t pc = 0;
  Mask lanes = 0;
  std::uint32_t order = 0;       ///< of its block; a header's loop_end if it came by the loop's back edge
  std::uint32_t spins = 0;       ///< backward branches since others could last go on
  std::uint64_t ticket = 0;      ///< what the instruction at pc keeps between two attempts; 0: first attempt
  Wait wait;
  std::vector<Polled> watched;   ///< Wait::Kind::poll: goes on when one of these differs
};

/// How a memory instruction touches memory.
enum class Access : std::uint8_t { read, write, atomic };

/// The order an instruction gives, its scope and its proxy: for the observer.
enum class Order : std::uint8_t { weak, relaxed, acquire, release, acq_rel, seq_cst, volatile_ };
enum class Scope : std::uint8_t { cta, cluster, gpu, sys };
enum class Proxy : std::uint8_t { generic, async, tensormap, constant };
struct Semantics {
  Order order = Order::weak;
  Scope scope = Scope::cta;
  Proxy proxy = Proxy::generic;
  bool non_coherent = false;    ///< ld.global.nc
};

/// 32 lanes of a value.
template <class T>
struct alignas(64) Lanes {
  T at[warp_size];
  T& operator[](int lane) { return at[lane]; }
  const T& operator[](int lane) const { return at[lane]; }
};

class Warp {
 public:
  Warp(Cta& cta, int index, Mask lanes, const FunctionCode& entry);
  Warp(const Warp&) = delete;
  Warp& operator=(const Warp&) = delete;

  // ---- for handlers: operands -------------------------------------------------------------------

  /// The lanes that execute the instruction at hand. Never empty in a handler.
  Mask exec() const { return exec_; }
  /// The lanes at this place, whatever the guard says of them.
  Mask active() const { return active_; }
  /// Lanes that exist and have not exited.
  Mask alive() const { return alive_; }

  /// A source's 32 lanes. T has 4 bytes for operands of up to 32 bits, else 8 (16 for b128).
  template <class T>
  const T* in(Slot slot) const {
    return reinterpret_cast<const T*>(bank_[slot.bank()] + slot.byte_offset());
  }
  /// A destination's 32 lanes; a handler writes only those of exec().
  template <class T>
  T* out(Slot slot) {
    return reinterpret_cast<T*>(bank_[Slot::frame] + slot.byte_offset());
  }
  /// A source predicate, its negation applied.
  Mask predicate(Slot slot) const {
    const Mask value = predicates_[slot.predicate_index()];
    return slot.negated() ? ~value : value;
  }
  /// Writes a predicate for the lanes of exec().
  void set_predicate(Slot slot, Mask value) {
    Mask& old = predicates_[slot.predicate_index()];
    old = (old & ~exec_) | (value & exec_);
  }
  /// Element i of a vector or fragment operand whose slots are in the list.
  Slot list(const Instr& instr, std::uint32_t i) const { return code_->lists[instr.list + i]; }

  // ---- for handlers: memory ---------------------------------------------------------------------

  /// addresses[l] = base[l] + imm for the lanes of exec(); `wide`: the base is a 64-bit row. An absent
  /// base is zero.
  void addresses(Slot base, bool wide, std::int64_t imm, Lanes<std::uint64_t>& to) const;
  /// Checks bounds, alignment and permission of `bytes` at each lane's address, and gives host pointers.
  /// `space`: what the instruction names; generic addresses are sorted by window. Throws KernelFault.
  void resolve(Space space, const Lanes<std::uint64_t>& addresses, std::uint32_t bytes, Access access,
               const Semantics& semantics, const Instr& instr, Lanes<std::uint8_t*>& to);
  /// The same for some of the lanes of exec(), perhaps none.
  void resolve_lanes(Mask lanes, Space space, const Lanes<std::uint64_t>& addresses, std::uint32_t bytes,
                     Access access, const Semantics& semantics, const Instr& instr, Lanes<std::uint8_t*>& to);
  /// Host pointer of a whole range for one lane: of asynchronous copies. `align`: a power of two. The
  /// observer hears nothing: its traffic happens later.
  std::uint8_t* range(Space space, int lane, std::uint64_t address, std::uint64_t bytes, std::uint32_t align,
                      Access access);
  /// Whether [low, high) lies in an allocation that was accessed before and may be accessed in this way: a quick
  /// answer, which may be no where resolve() would say yes.
  bool found_before(std::uint64_t low, std::uint64_t high, Access access);
  /// The CTA of the cluster that a shared address names.
  Cta& cta_of(std::uint64_t shared_address, int lane);
  /// Remembers what a polling loop reads (volatile, relaxed or acquire loads, failed atomics, clocks).
  void note_poll(const std::uint8_t* host, std::uint32_t bytes, std::uint64_t value);
  void note_clock() { polled_clock_ = true; }
  /// Remembers that this iteration of a loop did something that others may see.
  void note_effect() { effect_ = true; }

  // ---- for handlers: control --------------------------------------------------------------------

  /// The lanes of `taken` (of exec()) go on at instruction `target` of this function, the rest of the
  /// active lanes at the next one.
  void branch(Mask taken, std::uint32_t target);
  /// The lanes of exec() go to `targets`, each its own.
  void branch_each(const Lanes<std::uint32_t>& targets);
  /// `lanes` of exec() enter `callee`. The others go on after the call, or try it again for a callee of
  /// their own. Returns the new frame, for passing arguments.
  Frame& call(const FunctionCode& callee, const Instr& instr, Mask lanes, bool others_again);
  /// The lanes of exec() go back to their caller (frame().caller; results were passed), or end if there is
  /// none.
  void leave();
  /// The lanes of exec() end.
  void exit_lanes(Mask lanes);
  /// The instruction has not happened: it is tried again when the wait is over. ticket() tells the
  /// attempts apart.
  void suspend(const Wait& wait);
  /// The lanes of exec() outside `lanes` execute the instruction at hand later, by themselves. For instructions
  /// that are `control`; before anything has happened.
  void only(Mask lanes);
  /// True when all lanes of `wanted` that have not exited execute this instruction together; else suspends
  /// it until they do. `anywhere`: it is enough that each of them waits in such an instruction.
  /// Call it first in a handler, before anything has happened.
  bool gather(Mask wanted, bool anywhere = false);
  std::uint64_t& ticket() { return splits_[current_].ticket; }

  /// barrier.cluster: lanes that have arrived and not waited yet, and the generation they arrived in.
  Mask& cluster_arrived() { return cluster_arrived_; }
  std::uint64_t& cluster_generation() { return cluster_generation_; }

  AsyncGroups& cp_async_groups() { return cp_async_; }
  AsyncGroups& bulk_groups() { return bulk_; }
  AsyncGroups& wgmma_groups() { return wgmma_; }

  // ---- surroundings -----------------------------------------------------------------------------

  Cta& cta() { return cta_; }
  const Cta& cta() const { return cta_; }
  Sm& sm();
  Machine& machine();
  /// Null unless something is checked or recorded.
  Observer* observer() const { return observer_; }
  int index() const { return index_; }             ///< in its CTA
  const FunctionCode& code() const { return *code_; }
  Frame& frame() { return *splits_[current_].frame; }
  const std::shared_ptr<Frame>& shared_frame() const { return splits_[current_].frame; }   ///< for work that goes on without the warp
  std::uint32_t pc() const { return pc_; }         ///< of the instruction at hand
  /// A special register's value now. `which` is envreg's or pm's number.
  std::uint64_t special(Special special, int which, int lane);
  /// The thread's local memory of `bytes` at an offset, grown on demand. Throws KernelFault.
  std::uint8_t* local(int lane, std::uint64_t offset, std::uint32_t bytes);
  std::uint32_t local_capacity() const { return local_capacity_; }

  // ---- for the scheduler ------------------------------------------------------------------------

  /// Executes up to `budget` instructions; returns how many. Stops early when every split waits, or the
  /// warp has ended. Throws KernelFault with the split at the faulty instruction.
  std::uint32_t run(std::uint32_t budget);
  bool done() const { return alive_ == 0; }
  /// Whether some split can go on now.
  bool ready(std::uint64_t clock);
  const std::vector<Split>& splits() const { return splits_; }
  std::vector<Split>& splits() { return splits_; }
  std::size_t current() const { return current_; }
  std::uint64_t instructions() const { return instructions_; }
  std::uint64_t thread_instructions() const { return thread_instructions_; }

  std::array<std::uint8_t*, Slot::bank_count> bank_{};   // public for in() and out() of free functions

 private:
  void fill_specials();
  void enter(std::size_t split);            ///< makes it the current one
  bool choose();                            ///< picks the split to run, merged; false if all wait
  template <bool alone>
  std::uint32_t run_split(std::uint32_t budget);
  void move(Split& split, std::uint32_t target);   ///< to an instruction of the same function
  void back_edge(Split& split);
  void meet();                              ///< ends the waits of lanes that have all come
  bool overtaken() const;                   ///< another split that can go on comes first
  bool can_go(Split& split, std::uint64_t clock);
  void resolve_global(const Lanes<std::uint64_t>&, std::uint32_t, Access, Lanes<std::uint8_t*>&, Mask);
  void resolve_shared(const Lanes<std::uint64_t>&, std::uint32_t, Lanes<std::uint8_t*>&, Mask);
  void resolve_local(const Lanes<std::uint64_t>&, std::uint32_t, Lanes<std::uint8_t*>&, Mask);
  void resolve_param(const Lanes<std::uint64_t>&, std::uint32_t, Access, Lanes<std::uint8_t*>&, Mask);

  Cta& cta_;
  int index_;
  Observer* observer_ = nullptr;
  Observer* follower_ = nullptr;            ///< the observer, if it follows the function at hand
  Mask alive_, active_ = 0, exec_ = 0;
  const FunctionCode* code_ = nullptr;
  Mask* predicates_ = nullptr;
  std::uint32_t pc_ = 0;
  AsyncGroups cp_async_, bulk_, wgmma_;
  Mask cluster_arrived_ = 0;
  std::uint64_t cluster_generation_ = 0;
  std::size_t current_ = 0;                 ///< the split that runs
  std::vector<Split> splits_;
  bool again_ = false;                      ///< the instruction at hand has to be tried again
  bool parted_ = false;                     ///< some lanes will execute it later
  bool jumped_ = false;                     ///< the splits changed: choose again
  std::unique_ptr<std::uint8_t[]> specials_;
  std::vector<std::uint8_t> local_;         ///< of lane l: bytes [l · capacity, (l + 1) · capacity)
  std::uint32_t local_capacity_ = 0;
  std::array<Allocation, 4> found_{};       ///< allocations that were accessed last
  std::uint64_t found_generation_ = 0;
  std::uint32_t found_next_ = 0;
  // Polling: what this iteration of a loop read, and whether it did anything else.
  std::vector<Polled> polled_;
  bool polled_clock_ = false, effect_ = false;
  std::uint64_t poll_hash_ = 0;
  std::uint64_t instructions_ = 0, thread_instructions_ = 0;
};

}  // namespace triptych::emulator

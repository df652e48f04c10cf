/// \file
/// Counts what a kernel executes, instruction by instruction: lanes, memory traffic, bank
/// conflicts.
///
/// All numbers are counts of what the program does; none is a time. What they mean:
///
///     warps        times that a warp executed the instruction, with one lane or more
///     threads      lanes that did, added up
///     divergent    of a branch: times that some of the lanes took it and others did not
///     requests     accesses to global memory, one a warp and instruction
///     sectors      32-byte pieces of memory that they touched, each once a request
///     ideal        sectors if the bytes of each request lay side by side: ⌈bytes / 32⌉, a byte
///                  that several lanes touch counted once
///     wavefronts   turns that shared memory needs: in a turn each of the 32 banks gives one 4-byte
///                  word, to as many lanes as want it. Lanes with 8 bytes take turns by halves of a
///                  warp, with 16 bytes by quarters
///     ideal        turns without conflicts: one a warp, half or quarter in which a lane takes part
///     async        bytes that copies moved later and operands that wgmma read, where they were
///     issued
///
/// REQUIRES: the module outlives the profile.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "emulator/machine/machine.h"
#include "emulator/machine/observer.h"

namespace triptych::emulator {

struct Tally {
  std::uint64_t warps = 0, threads = 0, divergent = 0;
  std::uint64_t requests = 0, sectors = 0, ideal_sectors = 0, global_bytes = 0;
  std::uint64_t shared_requests = 0, wavefronts = 0, ideal_wavefronts = 0, shared_bytes = 0;
  std::uint64_t local_requests = 0, async_read = 0, async_written = 0;
  Tally& operator+=(const Tally& other);
};

/// 32-byte sectors that a request touches, and how many its bytes would fill side by side.
std::pair<std::uint64_t, std::uint64_t> sectors_of(const Lanes<std::uint64_t>& addresses,
                                                   Mask lanes, std::uint32_t bytes);
/// Turns that a request to shared memory needs, and how many without conflicts.
std::pair<std::uint64_t, std::uint64_t> wavefronts_of(const Lanes<std::uint64_t>& addresses,
                                                      Mask lanes, std::uint32_t bytes);

/// The families of instructions, as their files are named.
std::string_view family_of(const Instr& instr);

class Profile : public Observer {
 public:
  /// A place of the source: index in Module::files, and the line.
  using Line = std::pair<std::uint32_t, std::uint32_t>;

  void cta_begins(Cta& cta) override { ctas_ += 1, warps_ += cta.warps().size(); }
  void launch_ends(const Launch&) override { settle(); }
  void instruction(Warp& warp, const Instr& instr) override;
  void waits(Warp& warp, const Split& split) override;
  void access(const AccessEvent& event) override;
  void async_issued(Warp& warp, const Instr& instr, AsyncKind kind, std::uint64_t token,
                    const std::uint8_t* mbarrier) override;
  void async_touches(std::uint64_t token, const AsyncRange& range) override;
  void async_completed(std::uint64_t token, const std::uint8_t*) override { issued_.erase(token); }

  std::uint64_t ctas() const { return ctas_; }
  std::uint64_t warps() const { return warps_; }
  Tally total() const;
  std::map<Line, Tally> by_line() const;
  /// Families with what they executed; moves that the decoder put between instructions are one of
  /// them.
  std::map<std::string_view, Tally> by_family() const;

 private:
  Tally& at(const FunctionCode& code, std::uint32_t pc);
  void settle();

  std::unordered_map<const FunctionCode*, std::vector<Tally>> tallies_;
  const FunctionCode* last_code_ =
      nullptr;  // the function of the last instruction, and its tallies
  std::vector<Tally>* last_ = nullptr;
  Tally pending_;  // of the instruction at hand: not counted if it has to wait
  Tally* pending_at_ = nullptr;
  std::unordered_map<std::uint64_t, std::pair<const FunctionCode*, std::uint32_t>>
      issued_;  // by token
  std::uint64_t ctas_ = 0, warps_ = 0;
};

}  // namespace triptych::emulator

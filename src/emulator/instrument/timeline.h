/// \file
/// When what ran where: CTAs, warps with their waits, and asynchronous work, in ticks of each SM's
/// clock.
///
/// A tick is what Instr::ticks says: an instruction of a warp takes one, a matrix product more, and
/// the completion of asynchronous work is put off by so many. An SM runs one warp at a time. So
/// ticks order what happens and show what waits for what; they are never time on hardware.
///
/// REQUIRES: the module outlives the timeline.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "emulator/machine/machine.h"
#include "emulator/machine/observer.h"

namespace triptych::emulator {

std::string_view name_of(AsyncKind kind);

class Timeline : public Observer {
 public:
  struct CtaSlice {
    int device, sm, slot;      ///< slot: CTAs that are on an SM together have different ones
    std::uint64_t begin, end;  ///< until its last lane has exited and its work has completed
    std::string position;      ///< "1,0,0"
    std::string kernel;
    std::size_t warps;
  };
  /// A warp runs, or lanes of it wait.
  struct WarpSlice {
    std::size_t cta;  ///< index in ctas()
    int warp;
    std::uint64_t begin, end;
    Wait::Kind kind;  ///< none: it runs
    Mask lanes;
    bool whole;             ///< these are all lanes that the warp has
    std::string what;       ///< "barrier 0"; empty where it runs
    const Instruction* at;  ///< the first that it executed, or the one that waits
  };
  struct AsyncSlice {
    std::size_t cta;
    int warp;
    std::uint64_t begin, end, token, bytes;
    AsyncKind kind;
    const Instruction* at;
  };

  /// Beyond so many slices of a kind nothing is noted.
  explicit Timeline(std::size_t most = 1'000'000) : most_(most) {}

  void cta_begins(Cta& cta) override;
  void cta_ends(Cta& cta) override;
  void lanes_exit(Warp& warp, Mask lanes) override;
  void instruction(Warp& warp, const Instr& instr) override;
  void waits(Warp& warp, const Split& split) override;
  void async_issued(Warp& warp, const Instr& instr, AsyncKind kind, std::uint64_t token,
                    const std::uint8_t* mbarrier) override;
  void async_touches(std::uint64_t token, const AsyncRange& range) override;
  void async_completed(std::uint64_t token, const std::uint8_t* mbarrier) override;

  const std::vector<CtaSlice>& ctas() const { return ctas_; }
  const std::vector<WarpSlice>& warps() const { return slices_; }
  const std::vector<AsyncSlice>& work() const { return work_; }
  /// Slices that there was no room for.
  std::uint64_t dropped() const { return dropped_; }
  /// The last tick of all.
  std::uint64_t end() const;

 private:
  struct Waiting {
    const FunctionCode* code;
    std::uint32_t pc;
    Mask lanes;
    std::size_t slice;
  };
  struct Track {                 // of a warp
    std::size_t running = none;  // its slice
    std::vector<Waiting> waiting;
  };
  struct Clock {  // of an SM: its own stands still while a warp has its turn
    const Warp* warp = nullptr;
    std::uint64_t base = 0, extra = 0;
  };
  static constexpr std::size_t none = ~std::size_t{0};
  std::uint64_t now(Warp& warp);
  std::size_t add(WarpSlice slice);

  std::size_t most_;
  std::vector<CtaSlice> ctas_;
  std::vector<WarpSlice> slices_;
  std::vector<AsyncSlice> work_;
  std::unordered_map<const Cta*, std::size_t> cta_;  // alive
  std::unordered_map<const Warp*, Track> tracks_;
  std::unordered_map<const Sm*, Clock> clocks_;
  std::unordered_map<const Sm*, std::vector<bool>> slots_;  // which are taken
  struct Flying {
    std::size_t slice;
    const Sm* sm;
  };
  std::unordered_map<std::uint64_t, Flying> flying_;  // by token
  std::uint64_t dropped_ = 0;
};

}  // namespace triptych::emulator

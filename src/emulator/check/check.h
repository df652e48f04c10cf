/// \file
/// What a checker watches for while kernels run, and what it finds.
///
/// Bounds, alignment, permissions, deadlocks and undefined uses of barriers are always checked: they end the
/// kernel (machine/fault.h). What is here is about kernels that run to their end, perhaps with the right
/// result, and are wrong all the same.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/machine/observer.h"

namespace triptych::emulator {

enum class Check : std::uint8_t {
  init,      ///< reads of shared or global memory that nobody has written
  race,      ///< two accesses to the same bytes, one of them a write, that nothing orders; scopes and proxies count
  nc,        ///< reads through ld.global.nc of what is written while the kernel runs
  barrier,   ///< barriers left half full, mbarriers overwritten
  async,     ///< wgmma, cp.async and bulk copies: registers and memory touched before the work has ended
  aligned,   ///< `.aligned` and `.sync` instructions that lanes never come to which they wait for
  undefined, ///< values that the ISA leaves undefined
  count
};

/// A set of checks: a bit for each.
using Checks = std::uint32_t;
constexpr Checks bit(Check check) { return 1u << static_cast<unsigned>(check); }
inline constexpr Checks all_checks = (1u << static_cast<unsigned>(Check::count)) - 1;

std::string_view name_of(Check check);
/// "init, race": the names of a set.
std::string names_of(Checks checks);
/// "all", "none", or names with commas: "race,init". Nothing if a name is none of them.
std::optional<Checks> checks_of(std::string_view text);

/// One thing that is wrong at one place of a kernel.
struct Finding {
  Check check;
  /// The whole report: what, file, line and instruction, kernel, CTA, warp and lane; of a race both sides.
  std::string text;
  std::uint64_t count = 1;   ///< how often it was seen; only the first is described
};

/// Watches a machine that is stepped by one host thread (MachineOptions::parallel is not set).
class Checker : public Observer {
 public:
  /// What was found, a place once, in the order of first sight.
  virtual const std::vector<Finding>& findings() const = 0;
  /// Called for each new finding.
  std::function<void(const Finding&)> found;

  // What the host does to memory. Of an allocation that was not announced all bytes count as written.
  virtual void allocated(std::uint64_t begin, std::uint64_t bytes) = 0;
  virtual void released(std::uint64_t begin) = 0;
  virtual void host_wrote(std::uint64_t begin, std::uint64_t bytes) = 0;
};

std::unique_ptr<Checker> make_checker(Machine& machine, Checks checks);

}  // namespace triptych::emulator

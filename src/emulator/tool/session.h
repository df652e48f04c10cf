/// \file
/// One kernel on one machine: the module loaded, the buffers in place, ready to be launched once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "emulator/check/check.h"
#include "emulator/machine/machine.h"
#include "emulator/tool/argument.h"
#include "emulator/tool/source.h"

namespace triptych::emulator {

/// What the command line asks for.
struct RunRequest {
  SourceRequest source;
  std::string kernel;                  ///< empty: the only one
  std::vector<std::string> arguments;  ///< see argument.h
  Extent3 grid{1, 1, 1}, block{0, 0, 0},
      cluster{0, 0, 0};         ///< 0: as the kernel says; else 32 threads, 1 CTA
  std::uint32_t shared = 0;     ///< bytes of dynamic shared memory
  std::uint64_t seed = 0;       ///< of the schedule
  std::uint64_t data_seed = 1;  ///< of random fills
  int sms = 132, devices = 1;
  std::uint64_t limit = 0;               ///< instructions of warps after which it is given up; 0: never
  bool exact = false;  ///< tensor cores add as Hopper's are modelled to
  Checks checks = all_checks;
  bool keep_registers = false;  ///< each register has a row of its own: for the debugger
  std::function<void(std::string_view)> print;  ///< where the kernel's printf goes
};

/// "4", "4,2" or "4,2,1"; what is missing is 1. Throws ToolError.
Extent3 parse_extent(std::string_view text, std::string_view where);

/// Takes the kernel's name from the front of `arguments`, if one stands there.
const Function& find_kernel(const Module& module, RunRequest& request);

class Session {
 public:
  /// Throws ToolError, or ModuleError. `request.kernel` is filled in.
  Session(const Source& source, RunRequest& request);

  Machine& machine() { return machine_; }
  ModuleCode& code() { return *code_; }
  const FunctionCode& kernel() const { return *kernel_; }
  Arguments& arguments() { return arguments_; }
  Launch& launch() { return *launch_; }
  /// What the checkers found; null if nothing is checked.
  const Checker* checker() const { return checker_.get(); }
  /// Runs it to its end, watched by the checkers and by `observer`. Returns the report of its
  /// fault; empty if there is none.
  std::string run(Observer* observer = nullptr);

 private:
  Machine machine_;
  std::unique_ptr<ModuleCode> code_;
  const FunctionCode* kernel_ = nullptr;
  Arguments arguments_;
  std::shared_ptr<Launch> launch_;
  std::unique_ptr<Checker> checker_;
};

}  // namespace triptych::emulator

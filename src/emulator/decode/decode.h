/// \file
/// From a parsed module to what the machine executes: forms are found, operands bound to slots.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "emulator/machine/code.h"
#include "emulator/machine/machine.h"

namespace triptych::emulator {

/// What keeps a module from being decoded: one line with file, line, column and the instruction.
struct DecodeError {
  std::string message;
};

struct DecodeOptions {
  /// Registers that never live together share rows; false for the debugger.
  bool share_slots = true;
};

/// Decodes all functions. `place` gives the device address of a module-scope variable (global,
/// constant); it is asked before anything is decoded, for instructions hold addresses. Throws
/// DecodeError at the first instruction that this device does not execute.
std::unique_ptr<ModuleCode> decode(std::unique_ptr<Module> module, const DecodeOptions& options,
                                   const std::function<std::uint64_t(const Variable&)>& place);

/// Decodes a module, allocates its variables on a device and initialises them. Throws DecodeError.
std::unique_ptr<ModuleCode> load_module(Machine& machine, std::unique_ptr<Module> source,
                                        int device, const DecodeOptions& options = {});
/// Gives back the memory of a module's variables.
void unload_module(Machine& machine, ModuleCode& module);

}  // namespace triptych::emulator

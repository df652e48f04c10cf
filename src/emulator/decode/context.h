/// \file
/// What the functions of a module share while it is decoded.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>

#include "emulator/decode/layout.h"
#include "emulator/instruction/match.h"
#include "emulator/machine/code.h"

namespace triptych::emulator {

/// The opcodes of a module, each looked up once.
class Opcodes {
 public:
  /// `function_parameter`: its .param is not an entry's, so it is matched as .param::func.
  const Candidates& find(const Instruction& instruction, bool function_parameter);

 private:
  // By the address of the opcode's text, which the parser keeps once.
  std::unordered_map<const char*, Candidates> plain_, of_functions_;
};

struct Context {
  const Module& module;
  ModuleCode& code;
  FunctionPlaces places;
  SharedLayout shared;
  Opcodes opcodes;
  std::map<std::pair<Special, int>, std::uint32_t> specials;  ///< index in ModuleCode::specials
};

}  // namespace triptych::emulator

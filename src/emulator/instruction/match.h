/// \file
/// From an opcode to the forms that fit it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/instruction/form.h"
#include "emulator/instruction/signature.h"

namespace triptych::emulator {

/// A form that fits an opcode.
struct Candidate {
  Choice choice;
  Run run = nullptr;
  std::vector<Expected> operands;
  std::uint16_t form = 0;  ///< index in all_forms()
  bool each = false;       ///< select() wants to see each instruction: it has imm or %T operands
};

struct Candidates {
  std::vector<Candidate> all;  ///< in the order of the table
  std::string error;           ///< if there is none: what is wrong with the opcode, in one line
};

/// All forms that fit an opcode such as "add.rn.f32".
Candidates find_forms(std::string_view root, std::span<const std::string_view> modifiers);

}  // namespace triptych::emulator

/// \file
/// A function between its syntax and its final code: instructions whose registers have numbers but
/// no place yet.
#pragma once

#include <cstdint>
#include <vector>

#include "emulator/machine/code.h"

namespace triptych::emulator {

/// What a virtual register's lanes are: bits of masks, or 4, 8 or 16 bytes.
enum class RegisterClass : std::uint8_t { predicate, word, wide, quad };

constexpr std::uint32_t row_bytes(RegisterClass c) {
  return c == RegisterClass::predicate ? 0 : 64u << static_cast<int>(c);
}

constexpr std::uint32_t no_register = 0xFFFFFFFF;

/// A virtual register in an instruction, and the slot that shall hold its place.
struct Ref {
  enum class Place : std::uint8_t { none, guard, op, list, argument, result, parameter, returned };
  std::uint32_t reg = 0;
  std::uint32_t index =
      0;  ///< in op, in FunctionCode::lists, in the call's or the function's values
  std::uint32_t call = 0;  ///< of arguments and results: index in FunctionCode::calls
  Place place = Place::none;
  bool read = false, write = false;
  bool whole = false;    ///< the write needs no earlier value, even under a guard
  bool negated = false;  ///< a predicate
};

/// How control goes on after an instruction.
enum class Flow : std::uint8_t { next, branch, table, end };

struct Lowered {
  FunctionCode& code;
  std::vector<RegisterClass> classes;  ///< of virtual registers
  std::vector<bool> own_row;           ///< shares its row with nobody
  std::vector<std::uint32_t>
      register_of;  ///< Function::registers to virtual ones, the first of a vector
  std::vector<Ref> refs;
  std::vector<std::uint32_t> first_ref;                ///< of each instruction, and one more
  std::vector<Flow> flow;                              ///< of each instruction
  std::vector<std::vector<std::uint32_t>> successors;  ///< of each block
};

/// Makes FunctionCode::blocks, block_of and their orders, and the successors.
void find_blocks(Lowered& function);

/// Gives every virtual register a row or a predicate and writes the slots. REQUIRES: find_blocks().
void place_registers(Lowered& function, bool share);

}  // namespace triptych::emulator

/// \file
/// A form's list of operands, read once; and what it says of one opcode.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "emulator/instruction/form.h"
#include "emulator/ptx/type.h"

namespace triptych::emulator {

/// One operand as form.h writes it, with the names still in it.
struct Element {
  enum class Kind : std::uint8_t {
    value,
    vector,
    pair,
    address,
    tensor,
    immediate,
    sink,
    label,
    function,
    list,
    carry
  };
  Kind kind = Kind::value;
  bool read = false, write = false;
  bool wider = false;       ///< ~
  bool anything = false;    ///< &
  bool selector = false;    ///< %
  bool only_register = false;   ///< !
  bool optional = false;    ///< x?
  std::string_view when;    ///< of x?.m: m
  std::string_view type;    ///< a type's name or a part's; empty: # (any type)
  std::string_view second;  ///< of a pair
  std::string_view count;   ///< of a vector: number, part or "?"; of a tensor: dimensions
  std::string_view space;   ///< of an address: a space's name or a part's
  std::int8_t op = -1;      ///< the first slot of Instr::op that it has; -1: none
  std::int8_t ops = 0;      ///< how many
};

inline constexpr std::size_t most_operands = 16;

/// Reads an operand list. Throws std::logic_error if the table is wrong.
std::vector<Element> parse_signature(std::string_view operands);

/// An operand of one opcode: its names are gone.
struct Expected {
  Element::Kind kind = Element::Kind::value;
  bool read = false, write = false, wider = false, anything = false, selector = false;
  bool only_register = false;
  bool optional = false;   ///< may be left out
  bool missing = false;    ///< must be left out: the opcode lacks the modifier
  Type type = Type::none;  ///< none: any
  Type second = Type::none;
  Space space = Space::generic;
  int count = 1;        ///< elements of a vector, coordinates
  bool braces = false;  ///< a vector that is one even with a single element
  std::int8_t op = -1, ops = 0;
};

/// What the form's operands are for this choice. `vector_length` of the choice is used up in order.
/// Throws std::logic_error if the table is wrong.
std::vector<Expected> resolve_signature(const std::vector<Element>& elements, const Choice& choice);

}  // namespace triptych::emulator

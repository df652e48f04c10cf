/// \file
/// Names and what they stand for, block by block.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "emulator/ptx/syntax.h"

namespace triptych::emulator {

/// What a name stands for: one of these, or nothing.
struct Symbol {
  const Register* reg = nullptr;
  Variable* variable = nullptr;
  Function* function = nullptr;
  const Label* label = nullptr;
  explicit operator bool() const {
    return reg != nullptr || variable != nullptr || function != nullptr || label != nullptr;
  }
};

/// What a declaration says of all its names.
struct Head {
  Space space = Space::global;
  Type type = Type::none;
  std::uint8_t width = 1;
  std::uint32_t align = 0;  ///< 0: not given
  bool managed = false;
  Linkage linkage = Linkage::internal;
};

/// `%r<100>`: %r0 … %r99, each of which comes into being when it is first named.
struct Family {
  Head head;
  std::uint32_t count = 0;
};

/// A name that ends with digits: %r01 is %r and 1.
struct Numbered {
  std::string_view prefix;
  std::uint64_t number = 0;
  bool leading_zeros = false;
};
std::optional<Numbered> numbered(std::string_view name);

/// A place that names a label and waits for its block to end.
struct LabelUse {
  std::string_view name;
  Position at;
  const Label** place;
};

/// A block { }, a function's parameters and body, or the module.
struct Scope {
  std::unordered_map<std::string_view, Symbol> names;
  std::unordered_map<std::string_view, Family> families;  ///< by prefix
  std::unordered_map<std::string_view, std::uint64_t>
      lowest_number;           ///< of single names, by prefix
  std::vector<LabelUse> uses;  ///< of labels
};

/// A register that the machine provides.
struct SpecialRegister {
  Type type = Type::none;
  bool vector = false;  ///< has components .x … .w
  int version = 10;     ///< lowest PTX version × 10
  int target = 10;      ///< lowest sm_XX
};
/// Looks up "%tid"; nullopt if there is none of that name.
std::optional<SpecialRegister> special_register(std::string_view name);

}  // namespace triptych::emulator

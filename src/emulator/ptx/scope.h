/// \file
/// Names and what they stand for, block by block.
#pragma once

#include <cstdint>
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
  Label* label = nullptr;
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

/// A place that names a label and waits for its block to end.
struct LabelUse {
  std::string_view name;
  Position at;
  const Label** place;
};

/// A block { }, a function's body, its parameters, or the module.
struct Scope {
  std::unordered_map<std::string_view, Symbol> names;
  std::unordered_map<std::string_view, Family> families;
  std::vector<LabelUse> uses;      ///< of labels that are not known yet
  /// The family that has a member of this name, and nullptr if none has.
  const Family* family_of(std::string_view name) const;
};

/// Whether it is a special register ("%tid"); `components`: it has .x … .w.
bool is_special_register(std::string_view name, bool& components);

}  // namespace triptych::emulator

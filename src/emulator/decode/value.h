/// \file
/// Types of operands, constants and special registers.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "emulator/decode/lowered.h"
#include "emulator/ptx/syntax.h"
#include "emulator/ptx/type.h"

namespace triptych::emulator {

/// The class of a register or a value of a type.
RegisterClass class_of(Type type);

/// Whether a register of type `reg` may stand where an instruction wants `wanted`; `wider`: it may
/// have more bits. PTX's rules: untyped registers fit any type of their size, signed and unsigned
/// ones each other, floating-point ones only themselves and untyped instructions.
bool register_fits(Type reg, Type wanted, bool wider);

/// The bits of a constant as an instruction of type `wanted` sees it; none: it may not stand there.
/// An integer is cut to the type; a real is rounded to it.
std::optional<std::uint64_t> constant_bits(const Operand& constant, Type wanted);

/// Which special register a name such as "tid.x" or "envreg3" is, and its number; none: not
/// executed here.
std::optional<std::pair<Special, int>> parse_special(std::string_view name);

/// The bank `constants` of a function while it grows: each value has one row.
class Constants {
 public:
  explicit Constants(std::vector<std::uint8_t>& bytes) : bytes_(bytes) {}
  Slot row(std::uint64_t bits, RegisterClass c);

 private:
  std::vector<std::uint8_t>& bytes_;
  std::unordered_map<std::uint64_t, Slot> words_, wides_;
};

}  // namespace triptych::emulator

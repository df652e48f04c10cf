/// \file
/// A decoded instruction: a function that executes it for a warp, and where its operands lie.
#pragma once

#include <array>
#include <cstdint>

namespace triptych::emulator {

class Warp;
struct Instr;

constexpr int warp_size = 32;
using Mask = std::uint32_t;  ///< a bit for each lane of a warp
constexpr Mask all_lanes = 0xFFFFFFFF;

/// Executes one instruction for the lanes in warp.exec(). Throws KernelFault.
using Run = void (*)(Warp& warp, const Instr& instr);

/// Where an operand lies. A register, constant or special register of up to 32 bits is a *row* of 32
/// lanes of 4 bytes; a 64-bit one is 32 lanes of 8 bytes, a 128-bit one of 16. Types narrower than 32 bits
/// use the lower bits of their lane; what the upper bits hold is nobody's business. A predicate is a mask.
class Slot {
 public:
  enum Bank : std::uint32_t { frame, constants, specials, bank_count };

  constexpr Slot() = default;
  static constexpr Slot row(Bank bank, std::uint32_t byte_offset) {
    return Slot(static_cast<std::uint32_t>(bank) << 30 | byte_offset / 4);
  }
  static constexpr Slot predicate(std::uint32_t index, bool negated = false) {
    return Slot(index << 1 | (negated ? 1 : 0));
  }
  constexpr bool absent() const { return bits_ == none; }
  constexpr Bank bank() const { return static_cast<Bank>(bits_ >> 30); }
  constexpr std::uint32_t byte_offset() const { return (bits_ & 0x3FFFFFFF) * 4; }
  constexpr std::uint32_t predicate_index() const { return bits_ >> 1; }
  constexpr bool negated() const { return bits_ & 1; }

 private:
  static constexpr std::uint32_t none = 0xFFFFFFFF;
  explicit constexpr Slot(std::uint32_t bits) : bits_(bits) {}
  std::uint32_t bits_ = none;
};

struct Instr {
  enum Flag : std::uint8_t {
    control = 1,   ///< may change the program counter, the active lanes, or whether the warp can go on
    memory = 2,    ///< reads or writes memory
    aligned = 4,   ///< every lane of the warp that has not exited must execute it together
    tensor = 8,    ///< counted as a tensor-core instruction
    added = 16,    ///< put by the decoder before or after the instruction of the same Site: not counted
  };

  static constexpr std::uint16_t no_form = 0xFFFF;   ///< of moves that the decoder added

  Run run = nullptr;
  Slot guard;                        ///< a predicate; absent: always
  std::uint8_t flags = 0;
  std::uint8_t ticks = 1;            ///< what it costs to issue
  std::uint16_t form = no_form;      ///< index in all_forms()
  std::array<Slot, 6> op{};          ///< operands in the order of the syntax: see instruction/form.h
  std::uint32_t extra = 0;           ///< choices among modifiers, as the instruction's family encodes them
  std::uint32_t list = 0;            ///< first of its further slots in Code::lists (vectors, fragments)
  std::uint16_t list_count = 0;
  std::uint16_t at_list = 0;         ///< list elements of the first operand that has any
  std::int64_t imm = 0;              ///< an address's displacement, a branch's target, an immediate
};

}  // namespace triptych::emulator

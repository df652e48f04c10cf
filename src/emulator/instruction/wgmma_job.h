/// \file
/// The arithmetic of wgmma: a product of 64 rows whose operands are found.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "emulator/instruction/sparse.h"
#include "emulator/machine/warpgroup.h"
#include "emulator/ptx/type.h"

namespace triptych::emulator {

/// What Instr::extra says of wgmma.mma_async.
struct WgmmaProduct {
  Type a = Type::none, b = Type::none;
  bool registers = false;    ///< A comes from the list, after D
  bool half = false;         ///< D is f16, two in a register
  bool saturate = false;
  bool negative = false;     ///< exactly one of imm-scale-a and imm-scale-b is -1
  bool a_turned = false, b_turned = false;   ///< MN-major
  bool sparse = false;       ///< of A half is stored; the metadata is the list's last element
  int selector = 0;          ///< of its metadata

  WgmmaProduct() = default;
  explicit WgmmaProduct(std::uint32_t e)
      : a(static_cast<Type>(e & 0xFF)), b(static_cast<Type>(e >> 8 & 0xFF)), registers((e >> 16 & 1) != 0),
        half((e >> 17 & 1) != 0), saturate((e >> 18 & 1) != 0), negative((e >> 19 & 1) != 0),
        a_turned((e >> 20 & 1) != 0), b_turned((e >> 21 & 1) != 0),
        sparse((e >> 22 & 1) != 0), selector(static_cast<int>(e >> 23 & 3)) {}
  std::uint32_t pack() const {
    const auto bit = [](bool on, int at) { return on ? 1u << at : 0u; };
    return static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b) << 8 | bit(registers, 16) | bit(half, 17) |
           bit(saturate, 18) | bit(negative, 19) | bit(a_turned, 20) | bit(b_turned, 21) |
           bit(sparse, 22) | static_cast<std::uint32_t>(selector) << 23;
  }
  /// Pieces of 16 bytes along K: of A as it is stored, and of B.
  static constexpr std::uint32_t a_pieces = 2;
  std::uint32_t b_pieces() const { return sparse ? 4 : 2; }
};

/// An operation that all warps have issued.
struct WgmmaJob {
  WgmmaProduct product;
  int columns = 0;
  bool adds = true;                            ///< scale-d
  bool exact = false;
  const std::uint8_t* shared = nullptr;
  std::vector<std::uint32_t> a, b;             ///< pieces in shared memory; A's are empty if it is in registers
  std::array<std::vector<std::uint8_t*>, warpgroup_warps> rows;   ///< each warp's registers: D, then A
  std::array<SparsePlaces, 8> places;          ///< of a sparse A, by strips of eight rows

  /// D's registers a thread.
  std::uint32_t results() const { return static_cast<std::uint32_t>(columns) / (product.half ? 4 : 2); }
};

/// D = A · B, or D + A · B, in the warps' registers.
void execute(const WgmmaJob& job);

}  // namespace triptych::emulator

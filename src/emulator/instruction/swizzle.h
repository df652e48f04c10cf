/// \file
/// The swizzle of shared memory that tensor copies and wgmma have in common: address bits 4 … 6 are
/// exchanged with bits 7 … 9, as many as the pattern's width has. Patterns repeat every 8 rows.
#pragma once

#include <cstdint>

namespace triptych::emulator {

/// The place of address `a` in the pattern of this width: 32, 64 or 128 bytes; 0 or 16: none.
constexpr std::uint32_t swizzled(std::uint32_t a, std::uint32_t width) {
  const std::uint32_t chosen = width <= 16 ? 0 : width - 16;   // 0x10, 0x30, 0x70
  return a ^ (a >> 3 & chosen);
}

}  // namespace triptych::emulator

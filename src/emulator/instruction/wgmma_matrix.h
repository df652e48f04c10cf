/// \file
/// The matrix descriptor of wgmma: where an operand's 16-byte pieces lie in shared memory.
#pragma once

#include <cstdint>
#include <vector>

#include "emulator/instruction/swizzle.h"

namespace triptych::emulator {

/// Bits: start 0 … 13, leading offset 16 … 29, stride offset 32 … 45, all in 16 bytes; base offset 49 … 51;
/// swizzle 62 … 63. Which offset does what depends on the layout.
struct MatrixDescriptor {
  std::uint32_t start, leading, stride;   ///< bytes
  std::uint32_t base_offset;
  std::uint32_t width;                    ///< bytes of the swizzle's rows; 16: none

  explicit MatrixDescriptor(std::uint64_t bits)
      : start(offset(bits)), leading(offset(bits >> 16)), stride(offset(bits >> 32)),
        base_offset(static_cast<std::uint32_t>(bits >> 49 & 7)) {
    constexpr std::uint32_t widths[] = {16, 128, 64, 32};
    width = widths[bits >> 62];
  }

  /// Addresses of the pieces of an operand with `extent` rows (A) or columns (B) of n · 16 bytes along K.
  ///   K-major:  piece n·mn + c has the c-th 16 bytes of row mn.
  ///   MN-major: piece 8n·(mn / 8) + k has eight 16-bit elements along MN at k.
  std::vector<std::uint32_t> pieces(int extent, std::uint32_t n, bool mn_major) const {
    std::vector<std::uint32_t> all;
    all.reserve(static_cast<std::size_t>(extent) * n);
    const bool plain = width == 16;
    if (!mn_major) {
      for (std::uint32_t mn = 0; mn < static_cast<std::uint32_t>(extent); ++mn) {
        for (std::uint32_t c = 0; c < n; ++c) add(mn % 8 * width + mn / 8 * stride + c * (plain ? leading : 16), all);
      }
      return all;
    }
    for (std::uint32_t mn = 0; mn < static_cast<std::uint32_t>(extent); mn += 8) {
      for (std::uint32_t k = 0; k < 8 * n; ++k) {
        const std::uint32_t atom = width / 2;   // elements along MN
        add(plain ? mn / 8 * stride + k % 8 * 16 + k / 8 * leading
                  : mn % atom * 2 + mn / atom * leading + k % 8 * width + k / 8 * stride, all);
      }
    }
    return all;
  }

 private:
  static std::uint32_t offset(std::uint64_t field) { return static_cast<std::uint32_t>(field & 0x3FFF) << 4; }
  void add(std::uint32_t from_start, std::vector<std::uint32_t>& to) const {
    to.push_back(swizzled(start + from_start, width));
  }
};

}  // namespace triptych::emulator

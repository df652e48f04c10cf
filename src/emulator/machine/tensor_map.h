/// \file
/// A tensor map: how a tensor lies in global memory, and which box of it a copy moves. The hardware's 128
/// bytes are not documented; these are this machine's own, told by their tag.
#pragma once

#include <array>
#include <cstdint>

namespace triptych::emulator {

/// The numbers of CUtensorMapDataType.
enum class TensorType : std::uint8_t {
  u8, u16, u32, s32, u64, s64, f16, f32, f64, bf16, f32_ftz, tf32, tf32_ftz
};

/// What a copy writes out of bounds instead of zero, in every two bytes; fma.oob knows it.
inline constexpr std::uint16_t out_of_bounds_nan = 0x7FF7;

/// As cuTensorMapEncodeTiled and …Im2col take it. Of an interleaved tensor the innermost dimension counts slices of
/// 16 or 32 bytes that follow each other, W; channels are a dimension of their own, in slices, before the last.
struct TensorMap {
  TensorType type = TensorType::u8;
  std::uint8_t rank = 1;
  std::uint64_t address = 0;                       ///< device address, a multiple of 16
  std::array<std::uint64_t, 5> extent{1, 1, 1, 1, 1};   ///< innermost first
  std::array<std::uint64_t, 5> stride{};           ///< bytes; [0] is the element's size, interleaved or not
  std::array<std::uint32_t, 5> box{1, 1, 1, 1, 1};
  std::array<std::uint32_t, 5> step{1, 1, 1, 1, 1};     ///< elementStrides
  std::uint8_t interleave = 0;                     ///< 0 none, 1 16 bytes, 2 32 bytes
  std::uint8_t swizzle = 0;                        ///< 0 none, 1 32, 2 64, 3 128 bytes
  bool nan_fill = false;                           ///< out of bounds: NaN instead of zero
  bool im2col = false;
  std::array<std::int16_t, 3> lower{}, upper{};    ///< im2col: corners of the box of pixels
  std::uint16_t channels = 0, pixels = 0;          ///< im2col: of one column

  std::uint32_t element_bytes() const;
  /// Bytes of one step along the innermost dimension: an element or a slice.
  std::uint32_t unit_bytes() const { return interleave == 0 ? element_bytes() : 16u * interleave; }
  /// Bytes of the swizzle's pattern row: 32, 64, 128; 0 for none.
  std::uint32_t swizzle_bytes() const { return swizzle == 0 ? 0 : 16u << swizzle; }

  /// Whether the device can copy such boxes or columns of pixels: the requirements that cuda.h lists.
  bool valid() const;

  /// The 128 bytes that programs pass around.
  std::array<std::uint8_t, 128> encode() const;
  /// False if the bytes are no tensor map of this machine.
  static bool decode(const std::uint8_t* bytes, TensorMap& map);
};

}  // namespace triptych::emulator

#include "emulator/machine/tensor_map.h"

#include <cstring>

namespace triptych::emulator {
namespace {

/// The first bytes of every map of this machine.
constexpr char tag[4] = {'T', 'r', 'T', 'M'};

/// Visits the fields one after the other, each with the bytes that it takes. An extent of 2^32 has no room
/// in 32 bits, so that one less is kept.
template <class Map, class Field>
void each_field(Map& m, Field&& field) {
  field(m.type, 1);
  field(m.rank, 1);
  field(m.interleave, 1);
  field(m.swizzle, 1);
  field(m.nan_fill, 1);
  field(m.im2col, 1);
  field(m.channels, 2);
  field(m.pixels, 2);
  field(m.address, 8);
  for (auto& extent : m.extent) field(extent, -4);
  for (auto& stride : m.stride) field(stride, 5);
  for (auto& box : m.box) field(box, 2);
  for (auto& step : m.step) field(step, 1);
  for (auto& corner : m.lower) field(corner, 2);
  for (auto& corner : m.upper) field(corner, 2);
}

}  // namespace

std::uint32_t TensorMap::element_bytes() const {
  switch (type) {
    case TensorType::u8: return 1;
    case TensorType::u16:
    case TensorType::f16:
    case TensorType::bf16: return 2;
    case TensorType::u64:
    case TensorType::s64:
    case TensorType::f64: return 8;
    default: return 4;
  }
}

bool TensorMap::valid() const {
  const bool flat = interleave == 0;
  const std::uint64_t unit = interleave == 2 ? 32 : 16;
  const std::uint64_t bytes = (im2col ? channels : box[0]) * std::uint64_t{element_bytes()};   // of a row
  if (address % unit != 0 || (!flat && rank < 3)) return false;
  if (interleave == 2 && swizzle != 1) return false;
  if (flat && (bytes % 16 != 0 || (swizzle != 0 && bytes > swizzle_bytes()))) return false;
  if (nan_fill && type < TensorType::f16) return false;
  for (std::size_t d = 0; d < rank; ++d) {
    if (extent[d] == 0 || extent[d] > std::uint64_t{1} << 32) return false;
    if (box[d] == 0 || box[d] > 256 || step[d] == 0 || step[d] > 8) return false;
    if (d > 0 && (stride[d] % unit != 0 || stride[d] >> 40 != 0)) return false;
  }
  if (!im2col) return true;
  // Pixels, and a bounding box whose corners have as many bits as the rank leaves them.
  if (rank < 3 || channels == 0 || channels > 256 || pixels == 0 || pixels > 1024) return false;
  const int spatial = rank - 2, limit = 1 << (16 / spatial - 1);
  for (std::size_t d = 0; d < static_cast<std::size_t>(spatial); ++d) {
    if (lower[d] < -limit || lower[d] >= limit || upper[d] < -limit || upper[d] >= limit) return false;
    if (static_cast<std::int64_t>(extent[d + 1]) + upper[d] <= lower[d]) return false;
  }
  return true;
}

std::array<std::uint8_t, 128> TensorMap::encode() const {
  std::array<std::uint8_t, 128> bytes{};
  std::memcpy(bytes.data(), tag, sizeof tag);
  std::size_t at = sizeof tag;
  each_field(*this, [&](const auto& value, int count) {
    const auto whole = static_cast<std::uint64_t>(value) - (count < 0 ? 1 : 0);
    const auto size = static_cast<std::size_t>(count < 0 ? -count : count);
    std::memcpy(bytes.data() + at, &whole, size);
    at += size;
  });
  return bytes;
}

bool TensorMap::decode(const std::uint8_t* bytes, TensorMap& map) {
  if (std::memcmp(bytes, tag, sizeof tag) != 0) return false;
  std::size_t at = sizeof tag;
  each_field(map, [&](auto& value, int count) {
    std::uint64_t whole = 0;
    const auto size = static_cast<std::size_t>(count < 0 ? -count : count);
    std::memcpy(&whole, bytes + at, size);
    value = static_cast<std::remove_reference_t<decltype(value)>>(whole + (count < 0 ? 1 : 0));
    at += size;
  });
  return map.rank >= 1 && map.rank <= 5 && map.type <= TensorType::tf32_ftz;
}

}  // namespace triptych::emulator

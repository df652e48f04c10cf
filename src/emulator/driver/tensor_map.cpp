// Tensor maps, made on the host.
#include "emulator/machine/tensor_map.h"

#include <algorithm>
#include <cstring>

#include "emulator/driver/api.h"

namespace triptych::emulator::driver {
namespace {

/// What both modes have in common. False for what has no meaning.
bool begin_map(TensorMap& m, int type, std::uint32_t rank, void* address, const std::uint64_t* extents, const std::uint64_t* strides,
               const std::uint32_t* steps, int interleave, int swizzle, int l2_promotion, int fill) {
  const auto within = [](int value, int last) { return value >= 0 && value <= last; };
  if (extents == nullptr || steps == nullptr || rank < 1 || rank > 5 || (rank > 1 && strides == nullptr)) return false;
  if (!within(type, static_cast<int>(TensorType::tf32_ftz)) || !within(interleave, 2) || !within(swizzle, 3) ||
      !within(l2_promotion, 3) || !within(fill, 1)) {
    return false;
  }
  m.type = static_cast<TensorType>(type);
  m.rank = static_cast<std::uint8_t>(rank);
  m.address = reinterpret_cast<std::uintptr_t>(address);
  m.interleave = static_cast<std::uint8_t>(interleave);
  m.swizzle = static_cast<std::uint8_t>(swizzle);
  m.nan_fill = fill == 1;
  m.stride[0] = m.element_bytes();
  for (std::size_t d = 0; d < rank; ++d) {
    m.extent[d] = extents[d];
    // Of the innermost dimension nothing can be left out.
    m.step[d] = d == 0 && interleave == 0 ? 1 : steps[d];
    if (d > 0) m.stride[d] = strides[d - 1];
  }
  return true;
}

bool is_place(const void* map) { return map != nullptr && reinterpret_cast<std::uintptr_t>(map) % 64 == 0; }

Result write_map(const TensorMap& m, void* map) {
  if (!m.valid()) return Result::invalid_value;
  const auto bytes = m.encode();
  std::memcpy(map, bytes.data(), bytes.size());
  return Result::success;
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator;
using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuTensorMapEncodeTiled(void* map, int type, std::uint32_t rank, void* address,
                                          const std::uint64_t* extents, const std::uint64_t* strides,
                                          const std::uint32_t* box, const std::uint32_t* steps, int interleave,
                                          int swizzle, int l2_promotion, int fill) {
  Call call;
  if (call.refused()) return call.result;
  TensorMap m;
  if (!is_place(map) || box == nullptr ||
      !begin_map(m, type, rank, address, extents, strides, steps, interleave, swizzle, l2_promotion, fill)) {
    return Result::invalid_value;
  }
  std::copy_n(box, rank, m.box.begin());
  return write_map(m, map);
}

/// The corners' order is W, H, D, as far as the rank has them.
TRIPTYCH_CU Result cuTensorMapEncodeIm2col(void* map, int type, std::uint32_t rank, void* address,
                                           const std::uint64_t* extents, const std::uint64_t* strides, const int* lower,
                                           const int* upper, std::uint32_t channels, std::uint32_t pixels,
                                           const std::uint32_t* steps, int interleave, int swizzle, int l2_promotion,
                                           int fill) {
  Call call;
  if (call.refused()) return call.result;
  TensorMap m;
  if (!is_place(map) || lower == nullptr || upper == nullptr || rank < 3 || channels > 256 || pixels > 1024 ||
      !begin_map(m, type, rank, address, extents, strides, steps, interleave, swizzle, l2_promotion, fill)) {
    return Result::invalid_value;
  }
  m.im2col = true;
  m.channels = static_cast<std::uint16_t>(channels);
  m.pixels = static_cast<std::uint16_t>(pixels);
  const auto fits = [](int corner) { return corner >= INT16_MIN && corner <= INT16_MAX; };
  for (std::size_t d = 0; d < rank - 2; ++d) {
    if (!fits(lower[d]) || !fits(upper[d])) return Result::invalid_value;
    m.lower[d] = static_cast<std::int16_t>(lower[d]);
    m.upper[d] = static_cast<std::int16_t>(upper[d]);
  }
  return write_map(m, map);
}

TRIPTYCH_CU Result cuTensorMapReplaceAddress(void* map, void* address) {
  Call call;
  if (call.refused()) return call.result;
  TensorMap m;
  if (!is_place(map) || !TensorMap::decode(static_cast<const std::uint8_t*>(map), m)) return Result::invalid_value;
  m.address = reinterpret_cast<std::uintptr_t>(address);
  return write_map(m, map);
}

// Tensor maps, made on the host.
#include "emulator/machine/tensor_map.h"

#include <cstring>

#include "emulator/driver/api.h"

namespace triptych::emulator::driver {
namespace {

bool is_floating(TensorType type) { return type >= TensorType::f16; }

/// Whether the device can copy such boxes: the requirements that cuda.h lists.
bool is_valid(const TensorMap& m) {
  const bool flat = m.interleave == 0;
  const std::uint64_t unit = m.interleave == 2 ? 32 : 16;
  const std::uint64_t inner = std::uint64_t{m.box[0]} * m.element_bytes();
  if (m.address % unit != 0 || (!flat && m.rank < 3)) return false;
  if (m.interleave == 2 && m.swizzle != 1) return false;
  if (flat && (inner % 16 != 0 || (m.swizzle != 0 && inner > m.swizzle_bytes()))) return false;
  if (m.nan_fill && !is_floating(m.type)) return false;
  for (std::size_t d = 0; d < m.rank; ++d) {
    if (m.extent[d] == 0 || m.extent[d] > std::uint64_t{1} << 32) return false;
    if (m.box[d] == 0 || m.box[d] > 256 || m.step[d] == 0 || m.step[d] > 8) return false;
    if (d > 0 && (m.stride[d] % unit != 0 || m.stride[d] >> 40 != 0)) return false;
  }
  return true;
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
  const auto within = [](int value, int last) { return value >= 0 && value <= last; };
  if (map == nullptr || reinterpret_cast<std::uintptr_t>(map) % 64 != 0 || extents == nullptr || box == nullptr ||
      steps == nullptr || rank < 1 || rank > 5 || (rank > 1 && strides == nullptr)) {
    return Result::invalid_value;
  }
  if (!within(type, static_cast<int>(TensorType::tf32_ftz)) || !within(interleave, 2) || !within(swizzle, 3) ||
      !within(l2_promotion, 3) || !within(fill, 1)) {
    return Result::invalid_value;
  }
  TensorMap m;
  m.type = static_cast<TensorType>(type);
  m.rank = static_cast<std::uint8_t>(rank);
  m.address = reinterpret_cast<std::uintptr_t>(address);
  m.interleave = static_cast<std::uint8_t>(interleave);
  m.swizzle = static_cast<std::uint8_t>(swizzle);
  m.nan_fill = fill == 1;
  m.stride[0] = m.element_bytes();
  for (std::size_t d = 0; d < rank; ++d) {
    m.extent[d] = extents[d];
    m.box[d] = box[d];
    // Of the innermost dimension nothing can be left out.
    m.step[d] = d == 0 && interleave == 0 ? 1 : steps[d];
    if (d > 0) m.stride[d] = strides[d - 1];
  }
  if (!is_valid(m)) return Result::invalid_value;
  const auto bytes = m.encode();
  std::memcpy(map, bytes.data(), bytes.size());
  return Result::success;
}

TRIPTYCH_CU Result cuTensorMapReplaceAddress(void* map, void* address) {
  Call call;
  if (call.refused()) return call.result;
  TensorMap m;
  if (map == nullptr || reinterpret_cast<std::uintptr_t>(map) % 64 != 0 ||
      !TensorMap::decode(static_cast<const std::uint8_t*>(map), m)) {
    return Result::invalid_value;
  }
  m.address = reinterpret_cast<std::uintptr_t>(address);
  if (!is_valid(m)) return Result::invalid_value;
  const auto bytes = m.encode();
  std::memcpy(map, bytes.data(), bytes.size());
  return Result::success;
}

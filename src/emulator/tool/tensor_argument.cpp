#include "emulator/tool/tensor_argument.h"

#include <fmt/format.h>

#include "emulator/tool/error.h"
#include "emulator/tool/fill.h"
#include "emulator/tool/value.h"

namespace triptych::emulator {
namespace {

/// Tensor maps know no FP8: its bytes are moved as they are.
TensorType tensor_type(Type type) {
  switch (type) {
    case Type::u16:
    case Type::s16:
    case Type::b16:
      return TensorType::u16;
    case Type::u32:
    case Type::b32:
      return TensorType::u32;
    case Type::s32:
      return TensorType::s32;
    case Type::u64:
    case Type::b64:
      return TensorType::u64;
    case Type::s64:
      return TensorType::s64;
    case Type::f16:
      return TensorType::f16;
    case Type::bf16:
      return TensorType::bf16;
    case Type::f32:
      return TensorType::f32;
    case Type::f64:
      return TensorType::f64;
    default:
      return TensorType::u8;
  }
}

}  // namespace

TensorMap parse_tensor_map(std::string_view text, std::string_view where) {
  const auto parts = split_text(text, ':');
  const auto shapes = split_text(parts[0], '/');
  const auto extents = split_text(shapes[0], 'x'), boxes = split_text(shapes.back(), 'x');
  if (shapes.size() != 2 || extents.size() != boxes.size() || extents.size() > 5) {
    throw usage(fmt::format(
        "{}: '{}' is no tensor; wanted EXTENTS/BOX with as many numbers, such as 64x32/64x8", where,
        parts[0]));
  }
  TensorMap map;
  map.rank = static_cast<std::uint8_t>(extents.size());
  for (std::size_t d = 0; d < extents.size(); ++d) {
    map.extent[d] =
        parse_count(extents[d], fmt::format("{}: the extent", where), std::uint64_t{1} << 32);
    map.box[d] =
        static_cast<std::uint32_t>(parse_count(boxes[d], fmt::format("{}: the box", where), 256));
  }
  for (std::size_t p = 1; p < parts.size(); ++p) {
    if (parts[p] == "nan") {
      map.nan_fill = true;
    } else if (parts[p] == "swizzle=32" || parts[p] == "swizzle=64" || parts[p] == "swizzle=128") {
      map.swizzle = parts[p].ends_with("32") ? 1 : parts[p].ends_with("64") ? 2 : 3;
    } else {
      throw usage(
          fmt::format("{}: '{}' is no option of a tensor map; take swizzle=32, 64 or 128, or nan",
                      where, parts[p]));
    }
  }
  return map;
}

void lay_over(TensorMap& map, const Buffer& buffer, std::string_view where) {
  map.type = tensor_type(buffer.type);
  std::uint64_t elements = 1;
  for (std::size_t d = 0; d < map.rank; ++d) {
    map.stride[d] = elements * map.element_bytes();
    if (map.extent[d] != 0 && elements > buffer.count / map.extent[d]) {
      throw usage(
          fmt::format("{}: the tensor has more elements than {} has, {}; give a larger buffer",
                      where, buffer.name, buffer.count));
    }
    elements *= map.extent[d];
  }
  if (!map.valid()) {
    throw usage(fmt::format(
        "{}: the device copies no such boxes; extents are 1 or more, a box 1 to 256 a dimension, "
        "its rows a multiple of 16 bytes "
        "and at most the swizzle, and rows of the tensor begin at multiples of 16 bytes",
        where));
  }
}

}  // namespace triptych::emulator

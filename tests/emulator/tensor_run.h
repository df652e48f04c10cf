/// \file
/// Tensor maps, boxes of theirs element by element, and the beginnings of kernels that copy them.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "emulator/machine/tensor_map.h"
#include "tests/emulator/ptx_run.h"

namespace triptych::emulator::test {

using Bytes = std::vector<std::uint8_t>;
using Coordinates = std::array<int, 5>;
using Offsets = std::array<int, 3>;   // of im2col, along W, H and D
inline constexpr std::uint32_t box_at = 2048;   // of shared memory; an mbarrier lies at 1024

inline std::uint32_t swizzle(std::uint32_t a, std::uint32_t mode) {
  constexpr std::uint32_t bits[] = {0, 0x10, 0x30, 0x70};
  return a ^ ((a >> 3) & bits[mode]);
}

/// A dense tensor's map; rows have some bytes of padding.
inline TensorMap dense(TensorType type, const std::vector<std::uint64_t>& extent, const std::vector<std::uint32_t>& box) {
  TensorMap map;
  map.type = type;
  map.rank = static_cast<std::uint8_t>(extent.size());
  std::uint64_t stride = map.element_bytes();
  for (std::size_t d = 0; d < extent.size(); ++d) {
    map.extent[d] = extent[d];
    map.box[d] = box[d];
    map.stride[d] = stride;
    stride = d == 0 ? (extent[0] * stride + 31) / 16 * 16 : stride * extent[d];
  }
  return map;
}
/// An interleaved one: dimension 0 counts slices of 16 or 32 bytes.
inline TensorMap sliced(TensorType type, int interleave, const std::vector<std::uint64_t>& extent, const std::vector<std::uint32_t>& box) {
  TensorMap map = dense(type, extent, box);
  map.interleave = static_cast<std::uint8_t>(interleave);
  map.swizzle = interleave == 2 ? 1 : 0;
  std::uint64_t stride = (extent[0] + 1) * 16 * static_cast<std::uint64_t>(interleave);
  for (std::size_t d = 1; d < extent.size(); ++d, stride *= extent[d - 1]) map.stride[d] = stride;
  return map;
}
inline std::uint64_t tensor_bytes(const TensorMap& map) {
  const std::size_t last = map.rank - 1u;
  return map.rank == 1 ? map.extent[0] * map.element_bytes() + 16 : map.stride[last] * map.extent[last];
}

/// The place in the tensor of an element with these coordinates; -1 outside.
inline std::int64_t place_of(const TensorMap& map, const std::array<std::int64_t, 5>& x) {
  std::int64_t place = 0;
  for (std::size_t d = 0; d < map.rank; ++d) {
    if (x[d] < 0 || x[d] >= static_cast<std::int64_t>(map.extent[d])) return -1;
    place += x[d] * static_cast<std::int64_t>(d == 0 && map.interleave != 0 ? 16u * map.interleave : map.stride[d]);
  }
  return place;
}

/// Calls f(offset in the dense box, offset in the tensor or -1) for each element of the box.
template <class F>
void each_of_tile(const TensorMap& map, const Coordinates& start, F&& f) {
  const bool sliced = map.interleave != 0;   // and then an element of dimension 0 is some of the tensor's
  const std::uint32_t elements = sliced ? 16u * map.interleave / map.element_bytes() : 1;
  std::array<std::uint32_t, 5> count{1, 1, 1, 1, 1}, at{};
  for (std::size_t d = 0; d < map.rank; ++d) count[d] = d == 0 && !sliced ? map.box[0] : (map.box[d] + map.step[d] - 1) / map.step[d];
  std::uint32_t offset = 0;
  for (at[4] = 0; at[4] < count[4]; ++at[4]) {
    for (at[3] = 0; at[3] < count[3]; ++at[3]) {
      for (at[2] = 0; at[2] < count[2]; ++at[2]) {
        for (at[1] = 0; at[1] < count[1]; ++at[1]) {
          for (at[0] = 0; at[0] < count[0]; ++at[0]) {
            std::array<std::int64_t, 5> x{};
            for (std::size_t d = 0; d < map.rank; ++d) x[d] = start[d] + std::int64_t{at[d]} * (d == 0 && !sliced ? 1 : map.step[d]);
            const std::int64_t place = place_of(map, x);
            for (std::uint32_t i = 0; i < elements; ++i, offset += map.element_bytes()) {
              f(offset, place < 0 ? -1 : place + i * map.element_bytes());
            }
          }
        }
      }
    }
  }
}

/// The same in im2col mode. The pixels of the bounding boxes of all images are numbered, W fastest.
template <class F>
void each_of_pixels(const TensorMap& map, const Coordinates& start, const Offsets& offsets, F&& f) {
  const std::size_t image = map.rank - 1u;
  std::array<std::int64_t, 5> count{};
  std::int64_t number = 0;
  for (std::size_t d = image; d > 0; --d) {
    const std::int64_t low = d == image ? 0 : map.lower[d - 1];
    const std::int64_t high = d == image ? 0 : static_cast<std::int64_t>(map.extent[d]) - 1 + map.upper[d - 1];
    count[d] = (high - low) / map.step[d] + 1;
    number = d == image ? start[d] : number * count[d] + (start[d] - low) / map.step[d];
  }
  std::uint32_t offset = 0;
  for (std::int64_t pixel = number; pixel < number + map.pixels; ++pixel) {
    std::array<std::int64_t, 5> x{};
    std::int64_t rest = pixel;
    for (std::size_t d = 1; d < image; ++d) {
      x[d] = map.lower[d - 1] + rest % count[d] * map.step[d] + offsets[d - 1];
      rest /= count[d];
    }
    x[image] = rest;
    for (int channel = 0; channel < map.channels; ++channel, offset += map.element_bytes()) {
      x[0] = start[0] + channel;
      f(offset, place_of(map, x));
    }
  }
}

template <class F>
void each(const TensorMap& map, const Coordinates& start, const Offsets& offsets, F&& f) {
  if (map.im2col) {
    each_of_pixels(map, start, offsets, f);
  } else {
    each_of_tile(map, start, f);
  }
}
inline std::uint32_t box_bytes(const TensorMap& map) {
  std::uint32_t bytes = 0;
  each(map, {}, {}, [&](std::uint32_t, std::int64_t) { bytes += map.element_bytes(); });
  return bytes;
}

inline std::string coordinates(const TensorMap& map, const Coordinates& c) {
  std::string text;
  for (std::size_t d = 0; d < map.rank; ++d) text += fmt::format("{}{}", d == 0 ? "{" : ", ", c[d]);
  return text + "}";
}

/// The operand of im2col's offsets, with the comma before it.
inline std::string offsets_of(const TensorMap& map, const Offsets& offsets) {
  std::string text;
  for (std::size_t d = 0; map.im2col && d < map.rank - 2u; ++d) text += fmt::format("{}{}", d == 0 ? ", {" : ", ", offsets[d]);
  return text.empty() ? text : text + "}";
}

inline constexpr std::string_view begin = R"(
.extern .shared .align 1024 .b8 room[];
.visible .entry k(.param .u64 map, .param .u64 data)
{{
.reg .b32 t, s, v, n, a, b; .reg .b64 m, g; .reg .pred first, more; .reg .b16 mask;
mov.u32 t, %tid.x;
ld.param.u64 m, [map];
ld.param.u64 g, [data];
mad.wide.u32 g, t, 4, g;
mad.lo.u32 s, t, 4, 2048;
mov.u32 n, 0;
setp.eq.u32 first, t, 0;
)";
/// 128 bytes by 32 lanes each turn: {0} is "ld.global… st.shared" or the reverse.
inline std::string copy_all(bool in, std::uint32_t bytes) {
  return fmt::format("L{0}:\n{1}add.u64 g, g, 128;\nadd.u32 s, s, 128;\nadd.u32 n, n, 128;\nsetp.lt.u32 more, n, {2};\n@more bra L{0};\n",
                     in ? "in" : "out", in ? "ld.global.u32 v, [g];\nst.shared.u32 [s], v;\n" : "ld.shared.u32 v, [s];\nst.global.u32 [g], v;\n", bytes);
}

/// Room for a box, so that the copies of 128 bytes stay inside.
inline std::uint32_t room(const TensorMap& map) { return (box_bytes(map) + 127) / 128 * 128; }

inline Bytes some_bytes(std::uint64_t count, unsigned seed) {
  Bytes bytes(count);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>((i * 167 + i / 251 * 13 + seed) ^ i >> 8);
  return bytes;
}
inline std::uint64_t put_map(Program& program, const TensorMap& map) {
  const auto bytes = map.encode();
  return program.buffer(Bytes(bytes.begin(), bytes.end()));
}
inline Shape shape_of(const TensorMap& map) { return {.dynamic_shared = 1024 + room(map) + 1024}; }

}  // namespace triptych::emulator::test

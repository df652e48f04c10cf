/// \file
/// Copies of boxes, as the Runtime API describes them.
#pragma once

#include "emulator/runtime/runtime.h"

namespace triptych::emulator::runtime {

/// cudaPitchedPtr, cudaPos, cudaExtent, cudaMemcpy3DParms.
struct Pitched {
  void* at;
  std::size_t pitch, width, height;
};
struct Position {
  std::size_t x, y, z;
};
struct Extent {
  std::size_t width, height, depth;
};
struct Copy3DParameters {
  void* from_array;
  Position from_at;
  Pitched from;
  void* to_array;
  Position to_at;
  Pitched to;
  Extent extent;
  int kind;
};

/// cudaMemcpyKind: host to host, host to device, device to host, device to device, whichever the addresses say.
inline bool is_kind(int kind) { return kind >= 0 && kind <= 4; }

inline Side3D side_of(const void* at, std::size_t pitch, std::size_t height = 0) {
  return {.type = 4, .device = number(at), .pitch = pitch, .height = height};
}

/// The driver's description of the same box.
inline Result describe(const Copy3DParameters* p, Copy3D& copy) {
  if (p == nullptr) return Result::invalid_value;
  if (!is_kind(p->kind)) return of(Error::invalid_copy_direction);
  if (p->from_array != nullptr || p->to_array != nullptr) return Result::not_supported;
  const auto placed = [](const Pitched& at, const Position& where) {
    Side3D s = side_of(at.at, at.pitch, at.height);
    s.x = where.x, s.y = where.y, s.z = where.z;
    return s;
  };
  copy = {placed(p->from, p->from_at), placed(p->to, p->to_at), p->extent.width, p->extent.height, p->extent.depth};
  return Result::success;
}

template <class Body>
Result with_copy(const Copy3DParameters* p, Body&& body) {
  return on_device([&] {
    Copy3D copy;
    const Result r = describe(p, copy);
    return r == Result::success ? body(&copy) : r;
  });
}

/// The same for bytes in a row.
template <class Body>
Result with_row(void* to, const void* from, std::size_t bytes, int kind, Body&& body) {
  return on_device([&] {
    const Copy3D copy{side_of(from, bytes), side_of(to, bytes), bytes, 1, 1};
    return is_kind(kind) ? body(&copy) : of(Error::invalid_copy_direction);
  });
}

}  // namespace triptych::emulator::runtime

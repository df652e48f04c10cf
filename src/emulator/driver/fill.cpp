// Fills.
#include "emulator/driver/memory.h"

namespace triptych::emulator::driver {

Result check(Engine& engine, const FillOperation& f) {
  if (f.element != 1 && f.element != 2 && f.element != 4) return Result::invalid_value;
  if (f.width == 0 || f.height == 0) return Result::success;
  const std::size_t row = f.width * f.element;
  if (row / f.element != f.width) return Result::invalid_value;
  if (f.to % f.element != 0 || f.pitch % f.element != 0 || (f.height > 1 && f.pitch < row)) return Result::invalid_value;
  return holds(engine, f.to, span(row, f.height, 1, f.pitch, 0)) ? Result::success : Result::invalid_value;
}

namespace {

Result fill(const FillOperation& f, Stream* stream) {
  return in_context([&](Call& call) {
    const Result r = check(call.engine, f);
    return r == Result::success ? call.enqueue(stream, f) : r;
  });
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

/// The fills of one element's size: rows and not, on a stream and on the default one.
#define TRIPTYCH_FILLS(bits, Type)                                                                                     \
  TRIPTYCH_CU Result cuMemsetD##bits##Async(DevicePointer to, Type value, std::size_t count, Stream* stream) {         \
    return fill({.to = to, .width = count, .value = value, .element = sizeof(Type)}, stream);                          \
  }                                                                                                                    \
  TRIPTYCH_CU Result cuMemsetD##bits##_v2(DevicePointer to, Type value, std::size_t count) {                           \
    return cuMemsetD##bits##Async(to, value, count, nullptr);                                                          \
  }                                                                                                                    \
  TRIPTYCH_CU Result cuMemsetD2D##bits##Async(DevicePointer to, std::size_t pitch, Type value, std::size_t width,      \
                                              std::size_t height, Stream* stream) {                                    \
    return fill({.to = to, .pitch = pitch, .width = width, .height = height, .value = value, .element = sizeof(Type)}, \
                stream);                                                                                               \
  }                                                                                                                    \
  TRIPTYCH_CU Result cuMemsetD2D##bits##_v2(DevicePointer to, std::size_t pitch, Type value, std::size_t width,        \
                                            std::size_t height) {                                                      \
    return cuMemsetD2D##bits##Async(to, pitch, value, width, height, nullptr);                                         \
  }                                                                                                                    \
  TRIPTYCH_CU_ALIAS(cuMemsetD##bits##Async_ptsz, cuMemsetD##bits##Async)                                               \
  TRIPTYCH_CU_ALIAS(cuMemsetD##bits##_v2_ptds, cuMemsetD##bits##_v2)                                                   \
  TRIPTYCH_CU_ALIAS(cuMemsetD2D##bits##Async_ptsz, cuMemsetD2D##bits##Async)                                           \
  TRIPTYCH_CU_ALIAS(cuMemsetD2D##bits##_v2_ptds, cuMemsetD2D##bits##_v2)

TRIPTYCH_FILLS(8, unsigned char)
TRIPTYCH_FILLS(16, unsigned short)
TRIPTYCH_FILLS(32, unsigned)

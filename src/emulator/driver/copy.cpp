// Copies. All of them are boxes of bytes; addresses say by themselves whose memory it is.
#include <algorithm>

#include "emulator/driver/memory.h"

namespace triptych::emulator::driver {
namespace {

enum class Side : std::uint8_t { host = 1, device = 2, array = 3, unified = 4 };

/// Host memory that the driver knows nothing of.
bool is_pageable(Engine& engine, std::uint64_t address) { return engine.machine().memory().find(address, 1).end == 0; }

/// Whether a side's bytes are there: of a host's only what is not null can be known.
bool reaches(Engine& engine, Side side, std::uint64_t address, std::size_t bytes) {
  if (address == 0 || bytes == ~std::size_t{0}) return false;
  if (side == Side::device || (side == Side::unified && !is_pageable(engine, address))) return holds(engine, address, bytes);
  return true;
}

/// Checks and enqueues a copy; returns once the host's memory may be used again, or when all is done.
Result enqueue(Call& call, CopyOperation c, Side from, Side to, Stream* handle, bool synchronous) {
  if (from == Side::array || to == Side::array) return Result::not_supported;
  Stream* stream = call.stream(handle);
  if (stream == nullptr) return Result::invalid_handle;
  if (c.width == 0 || c.height == 0 || c.depth == 0) return Result::success;
  const std::size_t from_bytes = span(c.width, c.height, c.depth, c.from_pitch, c.from_slice);
  const std::size_t to_bytes = span(c.width, c.height, c.depth, c.to_pitch, c.to_slice);
  if (!reaches(call.engine, from, c.from, from_bytes) || !reaches(call.engine, to, c.to, to_bytes)) return Result::invalid_value;
  const bool pageable_from = is_pageable(call.engine, c.from), pageable_to = is_pageable(call.engine, c.to);
  if (stream->capture == nullptr && pageable_from && !synchronous) {
    // Pageable memory may be reused on return: it is read now.
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(c.from);
    c.staged = std::make_shared<std::vector<std::uint8_t>>(bytes, bytes + from_bytes);
  }
  const bool device_only = from == Side::device && to == Side::device;
  const bool wait = stream->capture == nullptr && (pageable_to || (synchronous && !device_only));
  const Result r = call.enqueue(handle, std::move(c));
  return r == Result::success && wait ? call.finish(handle) : r;
}

Result copy(std::uint64_t to, Side to_side, std::uint64_t from, Side from_side, std::size_t bytes, Stream* stream, bool synchronous) {
  return in_context([&](Call& call) {
    return enqueue(call, {.to = to, .from = from, .width = bytes}, from_side, to_side, stream, synchronous);
  });
}

std::uint64_t number(const void* address) { return reinterpret_cast<std::uintptr_t>(address); }

template <class S>
std::uint64_t base(const S& side) { return side.type == 1 ? number(side.host) : side.device; }

bool is_side(int type) { return type >= 1 && type <= 4; }

Result copy_2d(const Copy2D* c, Stream* stream, bool synchronous) {
  if (c == nullptr || !is_side(c->from.type) || !is_side(c->to.type)) return Result::invalid_value;
  const auto pitch = [&](const Side2D& s) { return s.pitch != 0 ? s.pitch : s.x + c->width; };
  if (pitch(c->from) < c->from.x + c->width || pitch(c->to) < c->to.x + c->width) return Result::invalid_value;
  const auto at = [&](const Side2D& s) { return base(s) == 0 ? 0 : base(s) + s.y * pitch(s) + s.x; };
  return in_context([&](Call& call) {
    return enqueue(call, {.to = at(c->to), .from = at(c->from), .width = c->width, .height = c->height,
                          .to_pitch = pitch(c->to), .from_pitch = pitch(c->from)},
                   static_cast<Side>(c->from.type), static_cast<Side>(c->to.type), stream, synchronous);
  });
}

Result copy_3d(const Copy3D* c, Stream* stream, bool synchronous) {
  CopyOperation operation;
  if (const Result r = operation_of(c, operation); r != Result::success) return r;
  return in_context([&](Call& call) {
    return enqueue(call, operation, static_cast<Side>(c->from.type), static_cast<Side>(c->to.type), stream, synchronous);
  });
}

bool is_context(Context* context) {
  const std::lock_guard lock(Engine::get().mutex());
  return Engine::get().contexts.holds(context);
}

}  // namespace

Result operation_of(const Copy3D* c, CopyOperation& operation) {
  if (c == nullptr || !is_side(c->from.type) || !is_side(c->to.type)) return Result::invalid_value;
  if (c->from.type == 3 || c->to.type == 3) return Result::not_supported;
  const auto pitch = [&](const Side3D& s) { return s.pitch != 0 ? s.pitch : s.x + c->width; };
  const auto slice = [&](const Side3D& s) { return pitch(s) * (s.height != 0 ? s.height : s.y + c->height); };
  const auto at = [&](const Side3D& s) { return base(s) == 0 ? 0 : base(s) + s.z * slice(s) + s.y * pitch(s) + s.x; };
  if (pitch(c->from) < c->from.x + c->width || pitch(c->to) < c->to.x + c->width) return Result::invalid_value;
  operation = {.to = at(c->to), .from = at(c->from), .width = c->width, .height = c->height, .depth = c->depth,
               .to_pitch = pitch(c->to), .from_pitch = pitch(c->from), .to_slice = slice(c->to), .from_slice = slice(c->from)};
  return Result::success;
}

}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuMemcpy(DevicePointer to, DevicePointer from, std::size_t bytes) {
  return copy(to, Side::unified, from, Side::unified, bytes, nullptr, true);
}
TRIPTYCH_CU Result cuMemcpyAsync(DevicePointer to, DevicePointer from, std::size_t bytes, Stream* stream) {
  return copy(to, Side::unified, from, Side::unified, bytes, stream, false);
}
TRIPTYCH_CU Result cuMemcpyHtoD_v2(DevicePointer to, const void* from, std::size_t bytes) {
  return copy(to, Side::device, number(from), Side::host, bytes, nullptr, true);
}
TRIPTYCH_CU Result cuMemcpyHtoDAsync_v2(DevicePointer to, const void* from, std::size_t bytes, Stream* stream) {
  return copy(to, Side::device, number(from), Side::host, bytes, stream, false);
}
TRIPTYCH_CU Result cuMemcpyDtoH_v2(void* to, DevicePointer from, std::size_t bytes) {
  return copy(number(to), Side::host, from, Side::device, bytes, nullptr, true);
}
TRIPTYCH_CU Result cuMemcpyDtoHAsync_v2(void* to, DevicePointer from, std::size_t bytes, Stream* stream) {
  return copy(number(to), Side::host, from, Side::device, bytes, stream, false);
}
TRIPTYCH_CU Result cuMemcpyDtoD_v2(DevicePointer to, DevicePointer from, std::size_t bytes) {
  return copy(to, Side::device, from, Side::device, bytes, nullptr, true);
}
TRIPTYCH_CU Result cuMemcpyDtoDAsync_v2(DevicePointer to, DevicePointer from, std::size_t bytes, Stream* stream) {
  return copy(to, Side::device, from, Side::device, bytes, stream, false);
}
TRIPTYCH_CU Result cuMemcpyPeer(DevicePointer to, Context* to_context, DevicePointer from, Context* from_context, std::size_t bytes) {
  if (!is_context(to_context) || !is_context(from_context)) return Result::invalid_context;
  return copy(to, Side::device, from, Side::device, bytes, nullptr, true);
}
TRIPTYCH_CU Result cuMemcpyPeerAsync(DevicePointer to, Context* to_context, DevicePointer from, Context* from_context,
                                     std::size_t bytes, Stream* stream) {
  if (!is_context(to_context) || !is_context(from_context)) return Result::invalid_context;
  return copy(to, Side::device, from, Side::device, bytes, stream, false);
}
TRIPTYCH_CU Result cuMemcpy2D_v2(const Copy2D* c) { return copy_2d(c, nullptr, true); }
TRIPTYCH_CU Result cuMemcpy2DAsync_v2(const Copy2D* c, Stream* stream) { return copy_2d(c, stream, false); }
TRIPTYCH_CU Result cuMemcpy3D_v2(const Copy3D* c) { return copy_3d(c, nullptr, true); }
TRIPTYCH_CU Result cuMemcpy3DAsync_v2(const Copy3D* c, Stream* stream) { return copy_3d(c, stream, false); }

/// The attributes are hints.
TRIPTYCH_CU Result cuMemcpyBatchAsync_v2(DevicePointer* to, DevicePointer* from, std::size_t* bytes, std::size_t count, void*,
                                         std::size_t*, std::size_t, Stream* stream) {
  if (to == nullptr || from == nullptr || bytes == nullptr || count == 0 || stream == nullptr) return Result::invalid_value;
  for (std::size_t i = 0; i < count; ++i) {
    if (const Result r = cuMemcpyAsync(to[i], from[i], bytes[i], stream); r != Result::success) return r;
  }
  return Result::success;
}

TRIPTYCH_CU_ALIAS(cuMemcpy2DUnaligned_v2, cuMemcpy2D_v2)
TRIPTYCH_CU_ALIAS(cuMemcpy3DPeer, cuMemcpy3D_v2)
TRIPTYCH_CU_ALIAS(cuMemcpy3DPeerAsync, cuMemcpy3DAsync_v2)
TRIPTYCH_CU_ALIAS(cuMemcpy_ptds, cuMemcpy)
TRIPTYCH_CU_ALIAS(cuMemcpyAsync_ptsz, cuMemcpyAsync)
TRIPTYCH_CU_ALIAS(cuMemcpyHtoD_v2_ptds, cuMemcpyHtoD_v2)
TRIPTYCH_CU_ALIAS(cuMemcpyHtoDAsync_v2_ptsz, cuMemcpyHtoDAsync_v2)
TRIPTYCH_CU_ALIAS(cuMemcpyDtoH_v2_ptds, cuMemcpyDtoH_v2)
TRIPTYCH_CU_ALIAS(cuMemcpyDtoHAsync_v2_ptsz, cuMemcpyDtoHAsync_v2)
TRIPTYCH_CU_ALIAS(cuMemcpyDtoD_v2_ptds, cuMemcpyDtoD_v2)
TRIPTYCH_CU_ALIAS(cuMemcpyDtoDAsync_v2_ptsz, cuMemcpyDtoDAsync_v2)
TRIPTYCH_CU_ALIAS(cuMemcpyPeer_ptds, cuMemcpyPeer)
TRIPTYCH_CU_ALIAS(cuMemcpyPeerAsync_ptsz, cuMemcpyPeerAsync)
TRIPTYCH_CU_ALIAS(cuMemcpy2D_v2_ptds, cuMemcpy2D_v2)
TRIPTYCH_CU_ALIAS(cuMemcpy2DUnaligned_v2_ptds, cuMemcpy2D_v2)
TRIPTYCH_CU_ALIAS(cuMemcpy2DAsync_v2_ptsz, cuMemcpy2DAsync_v2)
TRIPTYCH_CU_ALIAS(cuMemcpy3D_v2_ptds, cuMemcpy3D_v2)
TRIPTYCH_CU_ALIAS(cuMemcpy3DAsync_v2_ptsz, cuMemcpy3DAsync_v2)
TRIPTYCH_CU_ALIAS(cuMemcpy3DPeer_ptds, cuMemcpy3D_v2)
TRIPTYCH_CU_ALIAS(cuMemcpy3DPeerAsync_ptsz, cuMemcpy3DAsync_v2)
TRIPTYCH_CU_ALIAS(cuMemcpyBatchAsync_v2_ptsz, cuMemcpyBatchAsync_v2)

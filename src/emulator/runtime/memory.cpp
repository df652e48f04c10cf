// Memory, copies and fills.
#include "emulator/runtime/copy_description.h"

namespace triptych::emulator::runtime {
namespace {

Result copy_2d(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t width, std::size_t height,
               int kind, Stream* stream, bool synchronous) {
  return on_device([&] {
    if (!is_kind(kind)) return of(Error::invalid_copy_direction);
    if (width > to_pitch || width > from_pitch) return of(Error::invalid_pitch);
    if (width == 0 || height == 0) return Result::success;
    const Copy3D c{side_of(from, from_pitch), side_of(to, to_pitch), width, height, 1};
    return synchronous ? cuMemcpy3D_v2(&c) : cuMemcpy3DAsync_v2(&c, stream);
  });
}

Result fill_3d(const Pitched& to, int value, const Extent& e, Stream* stream) {
  return on_device([&] {
    for (std::size_t z = 0; z < e.depth; ++z) {
      const DevicePointer slice = number(to.at) + z * to.pitch * to.height;
      const Result r = cuMemsetD2D8Async(slice, to.pitch, static_cast<unsigned char>(value), e.width, e.height, stream);
      if (r != Result::success) return r;
    }
    return Result::success;
  });
}

/// Copies between a variable and memory.
Result symbol_copy(const void* symbol, const void* other, std::size_t bytes, std::size_t offset, bool to_symbol, Stream* stream,
                   bool synchronous) {
  return on_device([&] {
    DevicePointer at = 0;
    std::size_t size = 0;
    if (const Result r = symbol_of(symbol, at, size); r != Result::success) return r;
    if (offset > size || bytes > size - offset) return Result::invalid_value;
    const DevicePointer to = to_symbol ? at + offset : number(other), from = to_symbol ? number(other) : at + offset;
    return synchronous ? cuMemcpy(to, from, bytes) : cuMemcpyAsync(to, from, bytes, stream);
  });
}

template <class Allocate>
Result give_pointer(void** memory, std::size_t bytes, Allocate&& allocate) {
  return on_device([&] {
    if (memory == nullptr) return Result::invalid_value;
    *memory = nullptr;
    if (bytes == 0) return Result::success;
    DevicePointer at = 0;
    const Result r = allocate(&at);
    if (r == Result::success) *memory = reinterpret_cast<void*>(at);
    return r;
  });
}

/// cudaPointerAttributes; `type`: 0 unregistered, 1 host, 2 device, 3 managed.
struct PointerAttributes {
  int type, device;
  void *device_pointer, *host_pointer;
  long reserved[8];
};

}  // namespace
}  // namespace triptych::emulator::runtime

using namespace triptych::emulator::runtime;

TRIPTYCH_CUDA Result cudaMalloc(void** memory, std::size_t bytes) {
  return give_pointer(memory, bytes, [&](DevicePointer* at) { return cuMemAlloc_v2(at, bytes); });
}
TRIPTYCH_CUDA Result cudaMallocManaged(void** memory, std::size_t bytes, unsigned flags) {
  return give_pointer(memory, bytes, [&](DevicePointer* at) { return cuMemAllocManaged(at, bytes, flags); });
}
TRIPTYCH_CUDA Result cudaMallocAsync(void** memory, std::size_t bytes, Stream* stream) {
  return give_pointer(memory, bytes, [&](DevicePointer* at) { return cuMemAllocAsync(at, bytes, stream); });
}
TRIPTYCH_CUDA Result cudaMallocFromPoolAsync(void** memory, std::size_t bytes, Pool* pool, Stream* stream) {
  return give_pointer(memory, bytes, [&](DevicePointer* at) { return cuMemAllocFromPoolAsync(at, bytes, pool, stream); });
}
TRIPTYCH_CUDA Result cudaMallocPitch(void** memory, std::size_t* pitch, std::size_t width, std::size_t height) {
  if (pitch == nullptr) return note(Result::invalid_value);
  return give_pointer(memory, width * height, [&](DevicePointer* at) { return cuMemAllocPitch_v2(at, pitch, width, height, 16); });
}
TRIPTYCH_CUDA Result cudaMalloc3D(Pitched* memory, Extent e) {
  if (memory == nullptr) return note(Result::invalid_value);
  *memory = {nullptr, 0, e.width, e.height};
  return cudaMallocPitch(&memory->at, &memory->pitch, e.width, e.height * e.depth);
}
TRIPTYCH_CUDA Result cudaHostAlloc(void** memory, std::size_t bytes, unsigned flags) {
  return on_device([&] {
    if (memory != nullptr && bytes == 0) {
      *memory = nullptr;
      return Result::success;
    }
    return cuMemHostAlloc(memory, bytes, flags);
  });
}
TRIPTYCH_CUDA Result cudaMallocHost(void** memory, std::size_t bytes) { return cudaHostAlloc(memory, bytes, 0); }

TRIPTYCH_FORWARD(cudaFree, cuMemFree_v2, (void* memory), (number(memory)))
TRIPTYCH_FORWARD(cudaFreeHost, cuMemFreeHost, (void* memory), (memory))
TRIPTYCH_FORWARD(cudaFreeAsync, cuMemFreeAsync, (void* memory, Stream* stream), (number(memory), stream))
TRIPTYCH_FORWARD(cudaHostRegister, cuMemHostRegister_v2, (void* memory, std::size_t bytes, unsigned flags), (memory, bytes, flags))
TRIPTYCH_FORWARD(cudaHostUnregister, cuMemHostUnregister, (void* memory), (memory))
TRIPTYCH_FORWARD(cudaHostGetFlags, cuMemHostGetFlags, (unsigned* flags, void* memory), (flags, memory))
TRIPTYCH_FORWARD(cudaMemGetInfo, cuMemGetInfo_v2, (std::size_t * available, std::size_t* total), (available, total))
TRIPTYCH_FORWARD(cudaMemAdvise, cuMemAdvise_v2, (const void* memory, std::size_t bytes, int advice, Location location),
                 (number(memory), bytes, advice, location))
TRIPTYCH_FORWARD(cudaMemPrefetchAsync, cuMemPrefetchAsync_v2,
                 (const void* memory, std::size_t bytes, Location location, unsigned flags, Stream* stream),
                 (number(memory), bytes, location, flags, stream))
TRIPTYCH_FORWARD(cudaStreamAttachMemAsync, cuStreamAttachMemAsync, (Stream * stream, void* memory, std::size_t bytes, unsigned flags),
                 (stream, number(memory), bytes, flags))
TRIPTYCH_FORWARD(cudaMemPoolCreate, cuMemPoolCreate, (Pool * *pool, const PoolProperties* properties), (pool, properties))
TRIPTYCH_FORWARD(cudaMemPoolDestroy, cuMemPoolDestroy, (Pool * pool), (pool))
TRIPTYCH_FORWARD(cudaMemPoolTrimTo, cuMemPoolTrimTo, (Pool * pool, std::size_t bytes), (pool, bytes))
TRIPTYCH_FORWARD(cudaMemPoolGetAttribute, cuMemPoolGetAttribute, (Pool * pool, int which, void* value), (pool, which, value))
TRIPTYCH_FORWARD(cudaMemPoolSetAttribute, cuMemPoolSetAttribute, (Pool * pool, int which, void* value), (pool, which, value))
TRIPTYCH_FORWARD(cudaMemPoolSetAccess, cuMemPoolSetAccess, (Pool * pool, const AccessDescription* map, std::size_t count), (pool, map, count))
TRIPTYCH_FORWARD(cudaMemPoolGetAccess, cuMemPoolGetAccess, (int* flags, Pool* pool, Location* location), (flags, pool, location))

TRIPTYCH_FORWARD(cudaMemGetDefaultMemPool, cuMemGetDefaultMemPool, (Pool * *pool, Location* location, int type), (pool, location, type))
TRIPTYCH_FORWARD(cudaMemGetMemPool, cuMemGetMemPool, (Pool * *pool, Location* location, int type), (pool, location, type))
TRIPTYCH_FORWARD(cudaMemSetMemPool, cuMemSetMemPool, (Location * location, int type, Pool* pool), (location, type, pool))
TRIPTYCH_FORWARD(cudaCtxResetPersistingL2Cache, cuCtxResetPersistingL2Cache, (), ())

TRIPTYCH_CUDA Result cudaHostGetDevicePointer(void** address, void* memory, unsigned flags) {
  return on_device([&] {
    DevicePointer at = 0;
    const Result r = address != nullptr ? cuMemHostGetDevicePointer_v2(&at, memory, flags) : Result::invalid_value;
    if (r == Result::success) *address = reinterpret_cast<void*>(at);
    return r;
  });
}

TRIPTYCH_CUDA Result cudaPointerGetAttributes(PointerAttributes* to, const void* memory) {
  return on_device([&] {
    if (to == nullptr) return Result::invalid_value;
    unsigned type = 0, managed = 0;
    int device = 0, which[] = {2, 8, 9, 3, 4};
    DevicePointer at = 0, host = 0;
    void* places[] = {&type, &managed, &device, &at, &host};
    const Result r = cuPointerGetAttributes(5, which, places, number(memory));
    // What is not registered is the host's, and the same for both.
    *to = {type == 0 ? 0 : managed != 0 ? 3 : static_cast<int>(type), device, reinterpret_cast<void*>(at),
           type == 0 ? const_cast<void*>(memory) : reinterpret_cast<void*>(host), {}};
    return r;
  });
}

TRIPTYCH_CUDA Result cudaMemcpy(void* to, const void* from, std::size_t bytes, int kind) {
  return on_device([&] { return is_kind(kind) ? cuMemcpy(number(to), number(from), bytes) : of(Error::invalid_copy_direction); });
}
TRIPTYCH_CUDA Result cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, int kind, Stream* stream) {
  return on_device([&] {
    return is_kind(kind) ? cuMemcpyAsync(number(to), number(from), bytes, stream) : of(Error::invalid_copy_direction);
  });
}
TRIPTYCH_FORWARD(cudaMemcpyPeer, cuMemcpy, (void* to, int, const void* from, int, std::size_t bytes), (number(to), number(from), bytes))
TRIPTYCH_FORWARD(cudaMemcpyPeerAsync, cuMemcpyAsync, (void* to, int, const void* from, int, std::size_t bytes, Stream* stream),
                 (number(to), number(from), bytes, stream))
TRIPTYCH_CUDA Result cudaMemcpy2D(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t width,
                                  std::size_t height, int kind) {
  return copy_2d(to, to_pitch, from, from_pitch, width, height, kind, nullptr, true);
}
TRIPTYCH_CUDA Result cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t width,
                                       std::size_t height, int kind, Stream* stream) {
  return copy_2d(to, to_pitch, from, from_pitch, width, height, kind, stream, false);
}
TRIPTYCH_CUDA Result cudaMemcpy3D(const Copy3DParameters* p) { return with_copy(p, cuMemcpy3D_v2); }
TRIPTYCH_CUDA Result cudaMemcpy3DAsync(const Copy3DParameters* p, Stream* stream) {
  return with_copy(p, [&](const Copy3D* copy) { return cuMemcpy3DAsync_v2(copy, stream); });
}

TRIPTYCH_CUDA Result cudaMemcpyToSymbol(const void* symbol, const void* from, std::size_t bytes, std::size_t offset, int) {
  return symbol_copy(symbol, from, bytes, offset, true, nullptr, true);
}
TRIPTYCH_CUDA Result cudaMemcpyFromSymbol(void* to, const void* symbol, std::size_t bytes, std::size_t offset, int) {
  return symbol_copy(symbol, to, bytes, offset, false, nullptr, true);
}
TRIPTYCH_CUDA Result cudaMemcpyToSymbolAsync(const void* symbol, const void* from, std::size_t bytes, std::size_t offset, int, Stream* stream) {
  return symbol_copy(symbol, from, bytes, offset, true, stream, false);
}
TRIPTYCH_CUDA Result cudaMemcpyFromSymbolAsync(void* to, const void* symbol, std::size_t bytes, std::size_t offset, int, Stream* stream) {
  return symbol_copy(symbol, to, bytes, offset, false, stream, false);
}

TRIPTYCH_FORWARD(cudaMemset, cuMemsetD8_v2, (void* to, int value, std::size_t bytes), (number(to), static_cast<unsigned char>(value), bytes))
TRIPTYCH_FORWARD(cudaMemsetAsync, cuMemsetD8Async, (void* to, int value, std::size_t bytes, Stream* stream),
                 (number(to), static_cast<unsigned char>(value), bytes, stream))
TRIPTYCH_FORWARD(cudaMemset2D, cuMemsetD2D8_v2, (void* to, std::size_t pitch, int value, std::size_t width, std::size_t height),
                 (number(to), pitch, static_cast<unsigned char>(value), width, height))
TRIPTYCH_FORWARD(cudaMemset2DAsync, cuMemsetD2D8Async,
                 (void* to, std::size_t pitch, int value, std::size_t width, std::size_t height, Stream* stream),
                 (number(to), pitch, static_cast<unsigned char>(value), width, height, stream))
TRIPTYCH_CUDA Result cudaMemset3D(Pitched to, int value, Extent extent) { return fill_3d(to, value, extent, nullptr); }
TRIPTYCH_CUDA Result cudaMemset3DAsync(Pitched to, int value, Extent extent, Stream* stream) { return fill_3d(to, value, extent, stream); }

TRIPTYCH_CUDA_ALIAS(cudaMallocAsync_ptsz, cudaMallocAsync)
TRIPTYCH_CUDA_ALIAS(cudaMallocFromPoolAsync_ptsz, cudaMallocFromPoolAsync)
TRIPTYCH_CUDA_ALIAS(cudaFreeAsync_ptsz, cudaFreeAsync)
TRIPTYCH_CUDA_ALIAS(cudaMemPrefetchAsync_ptsz, cudaMemPrefetchAsync)
TRIPTYCH_CUDA_ALIAS(cudaStreamAttachMemAsync_ptsz, cudaStreamAttachMemAsync)
TRIPTYCH_CUDA_ALIAS(cudaMemcpy_ptds, cudaMemcpy)
TRIPTYCH_CUDA_ALIAS(cudaMemcpyAsync_ptsz, cudaMemcpyAsync)
TRIPTYCH_CUDA_ALIAS(cudaMemcpy2D_ptds, cudaMemcpy2D)
TRIPTYCH_CUDA_ALIAS(cudaMemcpy2DAsync_ptsz, cudaMemcpy2DAsync)
TRIPTYCH_CUDA_ALIAS(cudaMemcpy3D_ptds, cudaMemcpy3D)
TRIPTYCH_CUDA_ALIAS(cudaMemcpy3DAsync_ptsz, cudaMemcpy3DAsync)
TRIPTYCH_CUDA_ALIAS(cudaMemcpyToSymbol_ptds, cudaMemcpyToSymbol)
TRIPTYCH_CUDA_ALIAS(cudaMemcpyFromSymbol_ptds, cudaMemcpyFromSymbol)
TRIPTYCH_CUDA_ALIAS(cudaMemcpyToSymbolAsync_ptsz, cudaMemcpyToSymbolAsync)
TRIPTYCH_CUDA_ALIAS(cudaMemcpyFromSymbolAsync_ptsz, cudaMemcpyFromSymbolAsync)
TRIPTYCH_CUDA_ALIAS(cudaMemset_ptds, cudaMemset)
TRIPTYCH_CUDA_ALIAS(cudaMemsetAsync_ptsz, cudaMemsetAsync)
TRIPTYCH_CUDA_ALIAS(cudaMemset2D_ptds, cudaMemset2D)
TRIPTYCH_CUDA_ALIAS(cudaMemset2DAsync_ptsz, cudaMemset2DAsync)
TRIPTYCH_CUDA_ALIAS(cudaMemset3D_ptds, cudaMemset3D)
TRIPTYCH_CUDA_ALIAS(cudaMemset3DAsync_ptsz, cudaMemset3DAsync)

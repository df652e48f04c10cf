/// \file
/// The CUDA Driver API as the GPU tiers see it: a table of the entry points in use.
///
/// The few types are declared here, binary compatible with the toolkit's cuda.h, so that building
/// needs no toolkit. The table is filled at run time, from the driver's library or by whoever else
/// implements the same functions (a test does); nothing in the tiers calls the driver but through it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace triptych::gpu {

using Status = int;                   ///< CUresult: 0 is success
using DeviceHandle = int;             ///< CUdevice
using DevicePointer = std::uint64_t;  ///< CUdeviceptr
using ContextHandle = struct ContextState*;    ///< CUcontext
using ModuleHandle = struct ModuleState*;      ///< CUmodule
using FunctionHandle = struct FunctionState*;  ///< CUfunction
using StreamHandle = struct StreamState*;      ///< CUstream

/// CUdevice_attribute: the ones that are asked for.
enum class DeviceAttribute : int {
  multiprocessor_count = 16,
  capability_major = 75,
  capability_minor = 76,
};

/// CUfunction_attribute: the ones that are set.
enum class FunctionAttribute : int { max_dynamic_shared_bytes = 8 };

/// CUjit_option: the ones that are given.
enum class JitOption : int { error_log_buffer = 5, error_log_buffer_bytes = 6 };

// Every entry point in use: X(member, exported symbol, parameters). All return a Status.
#define TRIPTYCH_DRIVER_ENTRY_POINTS(X)                                                            \
  X(init, "cuInit", (unsigned flags))                                                              \
  X(error_name, "cuGetErrorName", (Status status, const char** name))                              \
  X(error_string, "cuGetErrorString", (Status status, const char** text))                          \
  X(device_count, "cuDeviceGetCount", (int* count))                                                \
  X(device_get, "cuDeviceGet", (DeviceHandle * device, int ordinal))                               \
  X(device_name, "cuDeviceGetName", (char* name, int bytes, DeviceHandle device))                  \
  X(device_attribute, "cuDeviceGetAttribute",                                                      \
    (int* value, DeviceAttribute attribute, DeviceHandle device))                                  \
  X(context_retain, "cuDevicePrimaryCtxRetain", (ContextHandle * context, DeviceHandle device))    \
  X(context_release, "cuDevicePrimaryCtxRelease_v2", (DeviceHandle device))                        \
  X(context_set_current, "cuCtxSetCurrent", (ContextHandle context))                               \
  X(module_load, "cuModuleLoadDataEx",                                                             \
    (ModuleHandle * module, const void* image, unsigned count, JitOption* options, void** values)) \
  X(module_unload, "cuModuleUnload", (ModuleHandle module))                                        \
  X(module_function, "cuModuleGetFunction",                                                        \
    (FunctionHandle * function, ModuleHandle module, const char* name))                            \
  X(function_set, "cuFuncSetAttribute",                                                            \
    (FunctionHandle function, FunctionAttribute attribute, int value))                             \
  X(launch, "cuLaunchKernel",                                                                      \
    (FunctionHandle function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, \
     unsigned block_y, unsigned block_z, unsigned shared_bytes, StreamHandle stream,               \
     void** parameters, void** extra))                                                             \
  X(stream_create, "cuStreamCreate", (StreamHandle * stream, unsigned flags))                      \
  X(stream_destroy, "cuStreamDestroy_v2", (StreamHandle stream))                                   \
  X(stream_synchronize, "cuStreamSynchronize", (StreamHandle stream))                              \
  X(memory_allocate, "cuMemAlloc_v2", (DevicePointer * memory, std::size_t bytes))                 \
  X(memory_free, "cuMemFree_v2", (DevicePointer memory))                                           \
  X(memory_info, "cuMemGetInfo_v2", (std::size_t* available, std::size_t* total))                  \
  X(copy_to_device, "cuMemcpyHtoDAsync_v2",                                                        \
    (DevicePointer to, const void* from, std::size_t bytes, StreamHandle stream))                  \
  X(copy_to_host, "cuMemcpyDtoHAsync_v2",                                                          \
    (void* to, DevicePointer from, std::size_t bytes, StreamHandle stream))                        \
  X(copy_on_device, "cuMemcpyDtoDAsync_v2",                                                        \
    (DevicePointer to, DevicePointer from, std::size_t bytes, StreamHandle stream))                \
  X(fill_bytes, "cuMemsetD8Async",                                                                 \
    (DevicePointer to, unsigned char value, std::size_t bytes, StreamHandle stream))

/// The table. A member is named for what it does; its symbol stands in the list above.
struct Driver {
#define TRIPTYCH_MEMBER(member, symbol, parameters) Status(*member) parameters = nullptr;
  TRIPTYCH_DRIVER_ENTRY_POINTS(TRIPTYCH_MEMBER)
#undef TRIPTYCH_MEMBER
  /// cuFuncGetParamInfo, which drivers older than CUDA 12.4 lack; null there.
  Status (*parameter_info)(FunctionHandle function, std::size_t index, std::size_t* offset,
                           std::size_t* bytes) = nullptr;

  /// Throws Error (environment) unless `status` is success: "gpu: <doing>: <name> (<text>)".
  void check(Status status, const std::string& doing) const;
};

/// Fills a table from a shared library and initialises it.
/// Throws Error (environment), one line with the remedy, if the library or an entry point is missing
/// or the driver finds no device.
Driver load_driver(const char* library = "libcuda.so.1");

}  // namespace triptych::gpu

/// \file
/// The Driver API's scalar types: binary compatible with the toolkit's cuda.h, which is not needed to build.
/// Enumerations other than CUresult are ints whose numbers stand beside their use.
#pragma once

#include <cstddef>
#include <cstdint>

namespace triptych::emulator::driver {

/// CUresult.
enum class Result : int {
#define X(enumerator, code, name, text) enumerator = code,
#include "emulator/driver/result.inc"
#undef X
};

inline constexpr int driver_version = 13000;   ///< 13.0, as CUDA writes it

using DeviceHandle = int;              ///< CUdevice
using DevicePointer = std::uint64_t;   ///< CUdeviceptr
using Attribute = int;                 ///< CUdevice_attribute, CUfunction_attribute, …
using HostFunction = void (*)(void*);  ///< CUhostFn

}  // namespace triptych::emulator::driver

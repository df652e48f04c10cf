/// \file
/// The Runtime API over the Driver API's entry points: what its functions share.
///
/// cudaError_t has the numbers of CUresult, and a few of its own. Handles of streams, events, graphs, kernels and
/// pools are the driver's.
#pragma once

#include <cstdint>

#include "emulator/driver/entry_points.h"
#include "emulator/driver/export.h"
#include "emulator/driver/structs.h"

namespace triptych::emulator::runtime {

using namespace driver;

/// cudaError_t: its own numbers.
enum class Error : int {
  invalid_configuration = 9,
  invalid_pitch = 12,
  invalid_symbol = 13,
  invalid_copy_direction = 21,
  invalid_device_function = 98,
};
constexpr Result of(Error error) { return static_cast<Result>(static_cast<int>(error)); }

/// dim3.
struct Dim3 {
  std::uint32_t x, y, z;
};

/// Initialises the driver and makes the thread's device current, if no context is.
Result enter();
/// Remembers an error for cudaGetLastError; gives it back.
Result note(Result result);

/// The body of an entry point that works on a device.
template <class Body>
Result on_device(Body&& body) {
  const Result r = enter();
  return note(r == Result::success ? body() : r);
}

inline DevicePointer number(const void* address) { return reinterpret_cast<std::uintptr_t>(address); }

/// The driver's kernel of what a program launches: the address of its stub, or a kernel's handle itself; null if
/// it is neither. Loads its module.
Result kernel_of(const void* function, const void*& kernel);
/// Address and size of a variable by the address of its shadow on the host.
Result symbol_of(const void* symbol, DevicePointer& address, std::size_t& bytes);

}  // namespace triptych::emulator::runtime

/// An entry point of the Runtime API.
#define TRIPTYCH_CUDA extern "C" __attribute__((visibility("default")))

/// One that is another of the driver: name, the driver's, parameters, arguments.
#define TRIPTYCH_FORWARD(name, target, parameters, arguments)              \
  TRIPTYCH_CUDA triptych::emulator::driver::Result name parameters {       \
    return triptych::emulator::runtime::on_device([&] { return target arguments; }); \
  }

/// Another name of an entry point of the same file (see export.h).
#define TRIPTYCH_CUDA_ALIAS(name, target) TRIPTYCH_CU_ALIAS(name, target)

/// \file
/// From what a program asks for to an operation that launches a kernel.
#pragma once

#include "emulator/driver/api.h"
#include "emulator/driver/structs.h"

namespace triptych::emulator::driver {

/// What a launch is asked to be, but for the kernel's parameters.
struct LaunchShape {
  Extent3 grid{1, 1, 1}, block{1, 1, 1}, cluster{0, 0, 0};   ///< cluster: 0 is not given
  std::uint32_t shared = 0;
  bool cooperative = false, programmatic = false;
  /// To be recorded when its CTAs have begun or let dependents begin; here when it has ended, late and never early.
  Event* completion = nullptr;
};

/// Shape from a configuration; an attribute that no launch has is an error.
Result shape_of(const LaunchConfig& config, LaunchShape& shape);
/// The operation, checked: what a real driver refuses is refused, with its code. The values of the parameters
/// are copied; `handle` is a CUfunction or CUkernel.
Result prepare(Context& context, const void* handle, const LaunchShape& shape, void** parameters, void** extra,
               KernelOperation& operation);
/// The machine's launch of an operation.
std::shared_ptr<Launch> launch_of(const Context& context, const KernelOperation& operation);

}  // namespace triptych::emulator::driver

/// \file
/// What the entry points of graphs share.
#pragma once

#include "emulator/driver/launch.h"
#include "emulator/driver/memory.h"

namespace triptych::emulator::driver {

/// The operation of a node of this type (CUgraphNodeType), checked. `parameters` is what the type has: a
/// KernelNodeParameters, Copy3D, MemsetNodeParameters, HostNodeParameters, or a handle's address. An operation
/// that is there already is changed, and stays as it is on an error.
Result make_operation(Call& call, int type, const void* parameters, Operation& operation);

}  // namespace triptych::emulator::driver

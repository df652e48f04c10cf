/// \file
/// CUdevice_attribute by number.
#pragma once

#include "emulator/driver/types.h"
#include "emulator/machine/machine.h"

namespace triptych::emulator::driver {

/// The attributes run from 1 to this one, CU_DEVICE_ATTRIBUTE_ONLY_PARTIAL_HOST_NATIVE_ATOMIC_SUPPORTED.
inline constexpr Attribute last_device_attribute = 147;

/// The value of an attribute, of a device with these limits that is one of `devices`.
int attribute_of(const DeviceLimits& limits, DeviceHandle device, int devices, Attribute which);

}  // namespace triptych::emulator::driver

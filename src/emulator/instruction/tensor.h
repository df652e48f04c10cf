/// \file
/// What the files of tensor copies share. Part of the family `async`.
#pragma once

#include <span>

#include "emulator/instruction/form.h"
#include "emulator/machine/tensor_map.h"
#include "emulator/machine/warp.h"

namespace triptych::emulator {

/// The map at a lane's address, and where it lies. Throws KernelFault if it is none.
TensorMap read_tensor_map(Warp& warp, const Instr& instr, Space space, const Lanes<std::uint64_t>& addresses, int lane, Proxy proxy,
                          std::uint8_t** host = nullptr);

std::span<const Form> tensor_replace_forms();   ///< tensormap.replace, tensormap.cp_fenceproxy

}  // namespace triptych::emulator

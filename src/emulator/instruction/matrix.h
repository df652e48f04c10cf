/// \file
/// What the files of the family `matrix` share with each other and with wgmma.
#pragma once

#include <span>

#include "emulator/instruction/form.h"
#include "emulator/machine/warp.h"

namespace triptych::emulator {

std::span<const Form> matrix_move_forms();   ///< ldmatrix, stmatrix, movmatrix
std::span<const Form> mma_forms();           ///< mma.sync and mma.sp
std::span<const Form> mma_quad_forms();      ///< mma.sync.m8n8k4 of f16
std::span<const Form> wmma_forms();

/// True when all 32 lanes execute the instruction together; else suspends it until they do. Throws
/// KernelFault if some do not exist any more.
bool whole_warp(Warp& warp);

}  // namespace triptych::emulator

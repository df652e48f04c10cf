/// \file
/// What ends a kernel: thrown by handlers, caught by the machine, reported with the place.
#pragma once

#include <cstdint>
#include <string>

#include "emulator/machine/instr.h"

namespace triptych::emulator {

/// Kinds of errors, as a real driver's codes tell them apart.
enum class FaultKind : std::uint8_t {
  illegal_address,      ///< CUDA_ERROR_ILLEGAL_ADDRESS
  misaligned_address,   ///< CUDA_ERROR_MISALIGNED_ADDRESS
  illegal_instruction,  ///< CUDA_ERROR_ILLEGAL_INSTRUCTION
  invalid_pc,           ///< CUDA_ERROR_INVALID_PC
  invalid_address_space,///< CUDA_ERROR_INVALID_ADDRESS_SPACE
  hardware_stack,       ///< CUDA_ERROR_HARDWARE_STACK_ERROR
  assertion,            ///< CUDA_ERROR_ASSERT
  trap,                 ///< CUDA_ERROR_ILLEGAL_INSTRUCTION (trap)
  deadlock,             ///< CUDA_ERROR_LAUNCH_TIMEOUT: nothing can run any more
  protocol,             ///< CUDA_ERROR_LAUNCH_FAILED: undefined use of a barrier, wgmma, TMA, …
  out_of_memory,        ///< CUDA_ERROR_OUT_OF_MEMORY
};

/// One line without the place: "global load of 4 bytes at 0x7f…10: 16 bytes past the allocation …". The
/// machine adds file, line, kernel, CTA, warp and the lanes.
struct KernelFault {
  FaultKind kind;
  std::string message;
  Mask lanes = 0;   ///< whom it concerns; 0: all that executed
};

}  // namespace triptych::emulator

/// \file
/// Handlers of the instructions that the decoder adds.
#pragma once

#include "emulator/machine/instr.h"

namespace triptych::emulator::moves {

// op[0] and op[1] are rows of the widths that the names tell.
void cut_64_to_32(Warp& warp, const Instr& instr);
void cut_128_to_64(Warp& warp, const Instr& instr);
void zero_extend_16_to_32(Warp& warp, const Instr& instr);
void zero_extend_32_to_64(Warp& warp, const Instr& instr);
void sign_extend_32_to_64(Warp& warp, const Instr& instr);
void zero_extend_64_to_128(Warp& warp, const Instr& instr);
/// op[0] = op[1] + imm
void add_32(Warp& warp, const Instr& instr);
void add_64(Warp& warp, const Instr& instr);
/// op[0] (64 bits) = the frame's place in the thread's local memory
void frame_base(Warp& warp, const Instr& instr);
/// op[0] = special register `extra`, number imm, as it is now
void read_special_32(Warp& warp, const Instr& instr);
void read_special_64(Warp& warp, const Instr& instr);

}  // namespace triptych::emulator::moves

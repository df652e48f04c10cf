/// \file
/// Parts of the family of integer instructions.
#pragma once

#include <span>

#include "emulator/instruction/form.h"

namespace triptych::emulator {

std::span<const Form> carry_forms();   // add.cc, addc, sub.cc, subc, mad.cc, madc
std::span<const Form> bit_forms();     // popc, clz, bfind, fns, brev, bfe, bfi, bmsk, szext
std::span<const Form> video_forms();   // vadd … vset, vmad, vadd2 … vset4

}  // namespace triptych::emulator

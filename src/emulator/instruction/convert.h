/// \file
/// Parts of the family of conversions.
#pragma once

#include <span>

#include "emulator/instruction/form.h"

namespace triptych::emulator {

std::span<const Form> mov_forms();             // mov, with packing and unpacking
std::span<const Form> address_forms();         // cvta, isspacep, mapa, getctarank
std::span<const Form> convert_integer_forms(); // cvt between integers, cvt.pack
std::span<const Form> convert_to_integer_forms();   // cvt from floats to integers
std::span<const Form> convert_float_forms();   // cvt to floats
std::span<const Form> convert_packed_forms();  // cvt from and to f16x2, bf16x2, e4m3x2, e5m2x2, tf32

}  // namespace triptych::emulator

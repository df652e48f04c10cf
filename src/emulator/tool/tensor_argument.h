/// \file
/// Tensor maps on the command line: `64x32/64x8:swizzle=128`.
#pragma once

#include <string_view>

#include "emulator/machine/tensor_map.h"
#include "emulator/tool/argument.h"

namespace triptych::emulator {

/// Extents and box, innermost first, and options. Throws ToolError.
TensorMap parse_tensor_map(std::string_view text, std::string_view where);
/// Gives it the type and the strides of a dense tensor in the buffer. Throws ToolError if the
/// buffer is too small, or the device copies no such boxes.
void lay_over(TensorMap& map, const Buffer& buffer, std::string_view where);

}  // namespace triptych::emulator

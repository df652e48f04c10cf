/// \file
/// Reductions of memory that asynchronous copies share with atom and red.
#pragma once

#include <cstdint>
#include <string_view>

#include "emulator/ptx/type.h"

namespace triptych::emulator {

/// *host = op(*host, *value), atomically.
using Reduction = void (*)(std::uint8_t* host, const std::uint8_t* value);

/// "add", "min", "max", "inc", "dec", "and", "or", "xor" of elements of a type; nullptr if there is none.
Reduction reduction_of(std::string_view op, Type type);

}  // namespace triptych::emulator

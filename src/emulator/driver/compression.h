/// \file
/// What nvcc compresses PTX with, as far as this build has it (docs/emulator.md).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace triptych::emulator::driver {

extern const bool have_zstd, have_lz4;

/// Exactly `bytes` bytes; empty if there are more or fewer, or if the packed ones are damaged.
std::string unpack_zstd(std::string_view packed, std::size_t bytes);
std::string unpack_lz4(std::string_view packed, std::size_t bytes);

}  // namespace triptych::emulator::driver

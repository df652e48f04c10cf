/// \file
/// The tier's kernels, embedded in the library when it was built.
#pragma once

#include <span>

#include "gpu/module.h"

namespace triptych::ptx {

/// One image a .ptx file. Generated: see cmake/kernels.cmake.
std::span<const gpu::Image> images();

}  // namespace triptych::ptx

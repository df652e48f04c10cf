/// \file
/// The tier's kernels, embedded in the library when it was built.
#pragma once

#include <span>

#include "gpu/module.h"

namespace triptych::cuda {

/// One image a .cu file; none in a build without nvcc. Generated: see cmake/kernels.cmake.
std::span<const gpu::Image> images();

}  // namespace triptych::cuda

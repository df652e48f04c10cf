/// \file
/// What the operating system knows of this process.
#pragma once

#include <cstddef>

namespace triptych {

/// The most memory that the process has held so far, in bytes (VmHWM of /proc/self/status: pages that
/// were touched, libraries included). 0 where the system does not tell.
std::size_t peak_memory();

}  // namespace triptych

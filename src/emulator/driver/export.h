/// \file
/// What an exported function begins with, and its other names.
#pragma once

#include "emulator/driver/entry_points.h"

/// An entry point of the Driver API under its real name.
#define TRIPTYCH_CU extern "C" __attribute__((visibility("default")))

/// Another name of an entry point that is defined in the same file. Forms whose default stream is the calling
/// thread's (_ptsz, _ptds) are the same function: here that stream is the context's, which orders more.
#define TRIPTYCH_CU_ALIAS(name, target) \
  extern "C" __attribute__((visibility("default"), alias(#target))) decltype(::target) name;

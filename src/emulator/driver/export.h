/// \file
/// What an exported function begins with.
#pragma once

#include "emulator/driver/types.h"

/// An entry point of the Driver API under its real name.
#define TRIPTYCH_CU extern "C" __attribute__((visibility("default")))

// Entry points of what this device does not have: they say so, whatever they are given.
#include "emulator/driver/export.h"

using triptych::emulator::driver::Result;

#define X(symbol) TRIPTYCH_CU Result symbol() { return Result::not_supported; }
#include "emulator/driver/unsupported.inc"
#undef X

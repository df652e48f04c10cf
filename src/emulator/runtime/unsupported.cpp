// Entry points of what this device does not have: they say so, whatever they are given.
#include "emulator/runtime/runtime.h"

using triptych::emulator::driver::Result;

#define X(symbol) \
  TRIPTYCH_CUDA Result symbol() { return triptych::emulator::runtime::note(Result::not_supported); }
#include "emulator/runtime/unsupported.inc"
#undef X

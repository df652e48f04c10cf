/// \file
/// Errors of decoding, with their place.
#pragma once

#include <string>

#include "emulator/decode/decode.h"
#include "emulator/ptx/syntax.h"

namespace triptych::emulator {

[[noreturn]] inline void fail(const Module& module, Position at, std::string message) {
  const SyntaxError error{module.files[at.file], at, std::move(message)};
  throw DecodeError{error.str()};
}

}  // namespace triptych::emulator

/// \file
/// What keeps the tool from doing what it was asked: one line that names the value and the remedy.
#pragma once

#include <string>

namespace triptych::emulator {

struct ToolError {
  enum class Kind { usage, environment };
  Kind kind;
  std::string message;
};

inline ToolError usage(std::string message) { return {ToolError::Kind::usage, std::move(message)}; }
inline ToolError environment(std::string message) {
  return {ToolError::Kind::environment, std::move(message)};
}

}  // namespace triptych::emulator

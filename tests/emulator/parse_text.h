/// \file
/// PTX of a few lines, parsed.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "emulator/ptx/syntax.h"

namespace triptych::testing {

/// The module of the text behind the three directives that every text begins with. Throws if it is
/// refused.
inline std::unique_ptr<emulator::Module> parse_module(const std::string& text) {
  emulator::Parsed parsed =
      emulator::parse(".version 9.0\n.target sm_90a\n.address_size 64\n" + text, "a.ptx");
  if (parsed.error) throw std::runtime_error(parsed.error->str() + " in " + text);
  return std::move(parsed.module);
}

/// A module whose only function is an entry with these statements.
inline std::unique_ptr<emulator::Module> parse_body(const std::string& statements) {
  return parse_module(
      ".entry k(.param .u64 pa) { .reg .pred p, q; .reg .b32 r<9>; .reg .b64 rd<9>; .reg .f32 "
      "f<9>;\n" +
      statements + "\n}");
}

/// The first line of a refusal, "" if the text is accepted.
inline std::string refusal(const std::string& text) {
  const emulator::Parsed parsed = emulator::parse(text, "a.ptx");
  return parsed.error ? parsed.error->str() : "";
}

/// A variable by its name; the first one if several blocks have one.
inline const emulator::Variable& variable(const emulator::Module& module, std::string_view name) {
  for (const auto& v : module.variables) {
    if (v.name == name) return v;
  }
  for (const auto& f : module.functions) {
    for (const auto& v : f.variables) {
      if (v.name == name) return v;
    }
  }
  throw std::runtime_error("no variable " + std::string(name));
}

inline const emulator::Function& function(const emulator::Module& module, std::string_view name) {
  for (const auto& f : module.functions) {
    if (f.name == name) return f;
  }
  throw std::runtime_error("no function " + std::string(name));
}

}  // namespace triptych::testing

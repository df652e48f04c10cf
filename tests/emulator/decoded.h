/// \file
/// For tests of the decoder: modules from a few lines of PTX, without a machine.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "emulator/decode/decode.h"
#include "emulator/instruction/form.h"

namespace triptych::emulator {

/// Device addresses that decode_text() gives to module-scope variables, in order, each a multiple
/// of this.
inline constexpr std::uint64_t fake_address = 0x7000'0000'0000;

inline std::string with_header(const std::string& body) {
  return ".version 9.0\n.target sm_90a\n.address_size 64\n" + body;
}

/// Decodes a module; throws DecodeError.
inline std::unique_ptr<ModuleCode> decode_text(const std::string& body,
                                               const DecodeOptions& options = {}) {
  Parsed parsed = parse(with_header(body), "t.ptx");
  if (parsed.error) throw DecodeError{parsed.error->str()};
  std::uint64_t next = 0;
  return decode(std::move(parsed.module), options,
                [&](const Variable&) { return ++next * fake_address; });
}

/// The error that decoding gives; empty if there is none.
inline std::string decode_error(const std::string& body) {
  try {
    decode_text(body);
  } catch (const DecodeError& error) {
    return error.message;
  }
  return {};
}

/// The source of a label: where `name:` stands in a function.
inline std::uint32_t block_at(const FunctionCode& code, std::string_view label) {
  for (const Label& l : code.source->labels) {
    if (l.name != label) continue;
    for (std::uint32_t i = 0; i < code.sites.size(); ++i) {
      if (code.sites[i].source == &code.source->body[l.target]) return code.block_of[i];
    }
  }
  ADD_FAILURE() << "no label " << label;
  return 0;
}

}  // namespace triptych::emulator

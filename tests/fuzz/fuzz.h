/// \file
/// What every fuzz target checks: a reader takes its input, or refuses it in one clean line, and in
/// either case with memory in proportion to it.
///
/// tests/fuzz/<reader>_fuzz.cpp defines LLVMFuzzerTestOneInput. With clang's libFuzzer it becomes a
/// fuzzer (tools/fuzz); with any compiler it is linked with replay.cpp to the ctest fuzz.<reader>.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "triptych/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace triptych::fuzz {

/// Says what is wrong and aborts: so a fuzzer learns of a finding.
[[noreturn]] void fail(std::string_view what);

inline void expect(bool holds, std::string_view what) {
  if (!holds) fail(what);
}

/// An error's line: not empty, at most 1000 bytes, no control characters, and it names `file`.
void check_line(std::string_view line, std::string_view file);

/// Bytes from operator new that live now, and the most there were since reset_peak().
std::size_t live_bytes();
std::size_t peak_bytes();
void reset_peak();

/// A parsed value takes some 30 times its text ("{}," is a map's node); this much is allowed for an
/// input of `size` bytes.
constexpr std::size_t allowed_bytes(std::size_t size) { return (std::size_t{2} << 20) + 64 * size; }

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// What `reader` returns for an input of `size` bytes; nothing if it refuses the input with an
/// Error that names `file`. Anything else that it throws ends the program.
template <class Reader>
auto read(std::string_view file, std::size_t size, Reader&& reader)
    -> std::optional<decltype(reader())> {
  const std::size_t before = live_bytes();
  reset_peak();
  std::optional<decltype(reader())> result;
  try {
    result.emplace(reader());
  } catch (const Error& error) {
    check_line(error.what(), file);
  }
  expect(peak_bytes() - before <= allowed_bytes(size), "memory out of proportion to the input");
  return result;
}

}  // namespace triptych::fuzz

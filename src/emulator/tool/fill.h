/// \file
/// What buffers hold: the text after `f32[1024]=`.
///
///     0               one value: in every element
///     1,2,3           as many values as elements
///     iota            0, 1, 2, …; iota:START and iota:START:STEP too
///     random          of floats uniform from -1 to 1, of integers all values; random:LOW:HIGH
///     within bounds file:PATH       the bytes of a file, little-endian
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "emulator/ptx/type.h"

namespace triptych::emulator {

/// The bytes of `count` elements; without a count as many as the list or the file gives. The same
/// seed gives the same random values. `where` begins the messages of what it throws: ToolError.
std::vector<std::uint8_t> fill(Type type, std::optional<std::uint64_t> count, std::string_view text,
                               std::uint64_t seed, std::string_view where);

/// The parts between separators: "a,b" gives two, "" one empty one.
std::vector<std::string_view> split_text(std::string_view text, char separator);

}  // namespace triptych::emulator

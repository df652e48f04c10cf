/// \file
/// Values of PTX's types as text: how the tool reads and shows scalars and elements of buffers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "emulator/ptx/type.h"

namespace triptych::emulator {

/// The type of a scalar or an element that a name stands for: b8 … b64, u8 … u64, s8 … s64, f16,
/// bf16, f32, f64, e4m3, e5m2. Throws ToolError for others; `where` begins the message.
Type value_type(std::string_view name, std::string_view where);

/// Writes the value that the text stands for to bytes_of(type) bytes: decimal, hexadecimal (0x…),
/// and of floats also nan and inf. Throws ToolError if it is none, or out of range.
void parse_value(Type type, std::string_view text, std::string_view where, std::uint8_t* to);
/// The nearest value of the type.
void write_number(Type type, double value, std::uint8_t* to);
/// Of an integer: of 64 bits rounded.
double read_number(Type type, const std::uint8_t* from);
/// "5", "-1.5", "0x0000ffff" of untyped bits.
std::string show_value(Type type, const std::uint8_t* from);
/// A whole number from 0 to `most`. Throws ToolError.
std::uint64_t parse_count(std::string_view text, std::string_view where,
                          std::uint64_t most = ~std::uint64_t{0});

}  // namespace triptych::emulator

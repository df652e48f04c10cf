/// \file
/// JSON read strictly: what a file says twice, or too deep, is an error and not a guess.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "triptych/error.h"

namespace triptych {

/// Objects and arrays within each other, at most.
inline constexpr int strict_json_depth = 16;

/// Parses one JSON text. Throws Error of `kind`, one line that begins with `where` and ends with
/// `remedy`, if the text is not JSON (with the byte), not UTF-8, followed by more text, deeper than
/// strict_json_depth, has a number that no double holds, or names a field twice in one object
/// (which parsers otherwise settle silently, each in its own way).
nlohmann::json parse_strict_json(std::string_view text, const std::string& where, ErrorKind kind,
                                 const std::string& remedy);

/// The value as an error message shows it: on one line, cut after some 80 bytes.
std::string shown(const nlohmann::json& value);

}  // namespace triptych

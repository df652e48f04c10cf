/// \file
/// Regions of source files: what stands between the lines `// [name]` and `// [/name]`.
#pragma once

#include <filesystem>
#include <string>

#include "readme.h"

namespace triptych::weave {

/// A region's lines without any markers, moved left as far as they go together, without blank lines
/// at its ends. Regions may nest and overlap. Throws Error (finding) if the file has no such
/// region, opens it twice or does not close it.
Lines region_of(const std::filesystem::path& file, const std::string& name);

/// The language of a file as a fence names it.
std::string language_of(const std::filesystem::path& file);

}  // namespace triptych::weave

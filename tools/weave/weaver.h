/// \file
/// Brings a chapter's blocks up to date, or says which are not.
#pragma once

#include <filesystem>
#include <vector>

#include "readme.h"

namespace triptych::weave {

/// What to weave, from the repository's root as the working directory.
struct Chapter {
  std::filesystem::path folder;                 ///< tutorials/NN_name, with a README.md
  std::vector<std::filesystem::path> programs;  ///< where programs are looked for, in this order
};

/// What --check and --write ask for.
enum class Mode { check, write };

/// Weaves the chapter: every block's finding, in the order of the file. When writing, a block that
/// is only out of date is no finding; pictures and the README are written if anything in them
/// changed.
std::vector<Finding> weave(const Chapter& chapter, Mode mode);

}  // namespace triptych::weave

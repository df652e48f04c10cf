/// \file
/// Where two texts differ: byte by byte, or with every number compared as a number.
#pragma once

#include <optional>

#include "readme.h"

namespace triptych::weave {

/// The first difference, at a line of `have` counted from 0: a line that says what, and lines of a
/// diff. `source` is what printed `want`.
std::optional<Finding> differs(const Lines& have, const Lines& want, const std::string& source);

/// The same for outputs that depend on the machine: the lines' numbers agree where
/// |want - have| ≤ relative · |have|, and runs of spaces agree whatever their length. A number is
/// not part of a word: f64 and e4m3 are text.
std::optional<Finding> differs_beyond(double relative, const Lines& have, const Lines& want,
                                      const std::string& source);

}  // namespace triptych::weave

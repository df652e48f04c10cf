/// \file
/// The library's version.
#pragma once

namespace triptych {

/// "major.minor.patch"
inline constexpr const char* version = "0.1.0";

}  // namespace triptych

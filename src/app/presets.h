/// \file
/// The presets' training defaults, beside their models (preset_config).
#pragma once

#include <string>

#include "train/options.h"

namespace triptych::app {

/// Not resolved. Raises a usage_error for a name that preset_config does not know.
TrainOptions preset_options(const std::string& name);

}  // namespace triptych::app

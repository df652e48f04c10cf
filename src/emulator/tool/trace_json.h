/// \file
/// A timeline in the Chrome trace format, for Perfetto (ui.perfetto.dev) or chrome://tracing.
#pragma once

#include <string>

#include "emulator/instrument/timeline.h"

namespace triptych::emulator {

/// An SM is a process; a CTA, each of its warps and each kind of asynchronous work have tracks. One
/// tick is written as one microsecond, the format's unit.
std::string trace_json(const Timeline& timeline, const std::string& kernel);

}  // namespace triptych::emulator

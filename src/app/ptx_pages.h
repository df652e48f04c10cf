/// \file
/// What `triptych ptx` draws: a profile as a page, a timeline as a picture.
#pragma once

#include <string>

#include "emulator/instrument/timeline.h"
#include "emulator/tool/profile_report.h"

namespace triptych::app {

/// The source with its counts beside it: one HTML file without a script, in the style of the run's
/// report.
std::string profile_page(const emulator::ProfileReport& report, int sms);

/// SMs by ticks: CTAs, in them each warp's running and waiting, and asynchronous work under them.
/// An SVG file.
std::string timeline_picture(const emulator::Timeline& timeline, const std::string& kernel);

}  // namespace triptych::app

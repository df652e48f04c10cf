/// \file
/// Pieces of the pages that runs and comparisons end with.
#pragma once

#include <string>
#include <string_view>

#include "train/report.h"
#include "train/svg.h"

namespace triptych::report_parts {

/// Everything up to and including the page's head line; opens <main>. `style` is added to the page's.
std::string head(const RunReport& report, std::string_view style = {});

/// A section with a heading, a sentence under it (none when empty), and content that is HTML
/// already.
std::string section(std::string_view heading, std::string_view note, const std::string& content);

/// A picture over the page's whole width, which scrolls sideways where the page is narrow.
std::string wide(const Svg& picture);

/// A number that deserves to be large. All three are text.
std::string tile(std::string_view name, std::string_view value, std::string_view remark);

/// Names and values in columns.
std::string facts_table(const Facts& facts);

/// The tile with the largest and smallest share of any expert, in the mean over the last tenth of
/// the run; empty without loads.
std::string load_tile(const RunReport& report);

/// A heat map a layer, and the largest and smallest share over steps; empty without loads.
std::string load_section(const RunReport& report);

}  // namespace triptych::report_parts

/// \file
/// A profile as a table and as JSON. The page of it is the program's, see src/app.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "emulator/instrument/profile.h"
#include "emulator/tool/source.h"
#include "emulator/tool/verdict.h"

namespace triptych::emulator {

/// A profile with the text of its lines.
struct ProfileReport {
  struct Row {
    std::string file;
    std::uint32_t line = 0;
    std::string text;
    Tally tally;
  };
  std::string kernel;
  Extent3 grid, block;
  std::uint64_t ctas = 0, warps = 0;
  Tally total;
  std::vector<std::pair<std::string, Tally>>
      families;  ///< the one with most thread-instructions first
  /// Lines of each file that is in the profile, from its first executed line to the last, gaps
  /// included.
  std::vector<Row> rows;
};

ProfileReport make_report(const Profile& profile, const Session& session, const Launch& launch);

/// Executed lanes as a share of all lanes of the warps that executed: 0 … 1.
double lane_share(const Tally& tally);
/// The table; lines that were not executed are left out.
std::string text_of(const ProfileReport& report);
nlohmann::ordered_json json_of(const ProfileReport& report);

}  // namespace triptych::emulator

/// \file
/// A run's metrics as the page that shows them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "train/training_run.h"

namespace triptych {

/// What the page says besides the numbers.
struct RunReportContext {
  std::string name;
  const ModelConfig& config;
  const TrainOptions& options;
  std::string device;
  std::vector<std::string> moe_names;
  std::string prompt, sample;  ///< bytes of any kind
};

/// Checks that each line has the "loads" that the page and the shares are made of: for each of `layers` MoE
/// layers a list of `experts` whole numbers of at most `tokens`. Raises an environment_error that names
/// the file and the line.
void check_loads(const std::vector<nlohmann::ordered_json>& metrics, const std::filesystem::path& file,
                 std::size_t layers, std::int64_t experts, std::int64_t tokens);

/// The experts' shares over the last tenth of the steps (at least one step), all layers.
/// REQUIRES: lines that check_loads() passes, here and below.
LoadShares late_load_shares(const std::vector<nlohmann::ordered_json>& metrics, std::int64_t steps);

/// Writes the page to summary.report.
void write_run_report(const RunSummary& summary, const std::vector<nlohmann::ordered_json>& metrics,
                      const RunReportContext& context);

}  // namespace triptych

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

/// The experts' shares over the last tenth of the steps (at least one step), all layers.
LoadShares late_load_shares(const std::vector<nlohmann::ordered_json>& metrics, std::int64_t steps);

/// Writes the page to summary.report.
void write_run_report(const RunSummary& summary, const std::vector<nlohmann::ordered_json>& metrics,
                      const RunReportContext& context);

}  // namespace triptych

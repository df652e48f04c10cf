#include "train/run_report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numbers>
#include <numeric>

#include "model/file_io.h"
#include "train/report.h"
#include "triptych/error.h"
#include "triptych/version.h"

namespace triptych {
namespace {

using Json = nlohmann::ordered_json;

Curve curve_of(const std::vector<Json>& metrics, const char* key, double factor = 1) {
  Curve curve;
  for (const Json& line : metrics) {
    if (!line.contains(key) || !line[key].is_number()) continue;
    curve.step.push_back(line["step"].get<double>());
    curve.value.push_back(line[key].get<double>() * factor);
  }
  return curve;
}

using Loads = std::vector<std::vector<std::int64_t>>;

/// The loads of each step: rows of one length, each of lists of one length, or an environment_error.
std::vector<Loads> loads_of(const std::vector<Json>& metrics) {
  std::vector<Loads> all;
  for (const Json& line : metrics) {
    bool good = line.contains("loads");
    try {
      if (good) all.push_back(line["loads"].get<Loads>());
    } catch (const Json::exception&) {
      good = false;
    }
    good = good && all.back().size() == all.front().size();
    for (std::size_t l = 0; good && l < all.back().size(); ++l) {
      good = all.back()[l].size() == all.front()[l].size();
    }
    if (!good) {
      throw environment_error(fmt::format("metrics: the loads of step {} are not lists of one integer an "
                                          "expert; mend that line, or move the file away",
                                          line["step"].get<std::int64_t>()));
    }
  }
  return all;
}

std::vector<LayerLoad> layer_loads(const std::vector<Json>& metrics,
                                   const std::vector<std::string>& names) {
  std::vector<LayerLoad> layers;
  for (const std::string& name : names) layers.push_back({name, 0, {}});
  for (const Loads& step : loads_of(metrics)) {
    for (std::size_t l = 0; l < std::min(layers.size(), step.size()); ++l) {
      const auto total = static_cast<double>(std::accumulate(step[l].begin(), step[l].end(), std::int64_t{0}));
      layers[l].experts = static_cast<std::int64_t>(step[l].size());
      for (const std::int64_t load : step[l]) {
        layers[l].share.push_back(total > 0 ? static_cast<double>(load) / total : 0);
      }
    }
  }
  return layers;
}

Facts config_facts(const RunReportContext& c) {
  Facts facts;
  const Json config = Json::parse(config_json(c.config));
  for (const auto& [key, value] : config.items()) {
    if (!value.is_null()) facts.emplace_back(key, value.is_string() ? value.get<std::string>() : value.dump());
  }
  return facts;
}

Facts setup_facts(const RunSummary& s, const RunReportContext& c) {
  Facts facts = {{"version", version},
                 {"parameters", fmt::format("{} ({} active a token)", s.parameters.total,
                                            s.parameters.active)}};
  const Json options = to_json(c.options);
  for (const auto& [key, value] : options.items()) {
    facts.emplace_back(key, value.is_string() ? value.get<std::string>() : value.dump());
  }
  return facts;
}

Facts result_facts(const RunSummary& s, const RunReportContext& c) {
  Facts facts = {{"held out", fmt::format("{:.4f} bits a byte", s.held_out_bits)},
                 {"bigram model, held out", fmt::format("{:.4f} bits a byte", s.bigram_bits)}};
  if (s.entropy_rate >= 0) facts.emplace_back("true entropy", fmt::format("{:.4f} bits a byte", s.entropy_rate));
  facts.emplace_back("largest share of load", fmt::format("{:.2f} %", 100 * s.shares.largest));
  facts.emplace_back("smallest share of load", fmt::format("{:.2f} %", 100 * s.shares.smallest));
  facts.emplace_back("even share", fmt::format("{:.2f} %", 100.0 / static_cast<double>(c.config.n_routed_experts)));
  facts.emplace_back("peak memory", fmt::format("{:.1f} MB, predicted {:.1f} MB",
                                                static_cast<double>(s.peak_bytes) / 1e6,
                                                static_cast<double>(s.predicted_bytes) / 1e6));
  facts.emplace_back("checkpoint", s.checkpoint.string());
  return facts;
}

/// Tokens a second of each step.
Curve speed_curve(const std::vector<Json>& metrics, const TrainOptions& o) {
  Curve curve = curve_of(metrics, "seconds");
  const double tokens = static_cast<double>(o.batch * o.accumulation * o.sequence);
  for (double& value : curve.value) value = value > 0 ? tokens / value : 0;
  return curve;
}

}  // namespace

void check_loads(const std::vector<Json>& metrics, const std::filesystem::path& file, std::size_t layers,
                 std::int64_t experts, std::int64_t tokens) {
  const auto is_count = [&](const Json& load) { return load.is_number_unsigned() && load <= tokens; };
  const auto is_layer = [&](const Json& loads) {
    return loads.is_array() && loads.size() == static_cast<std::size_t>(experts) &&
           std::ranges::all_of(loads, is_count);
  };
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    const auto loads = metrics[i].find("loads");
    if (loads != metrics[i].end() && loads->is_array() && loads->size() == layers &&
        std::ranges::all_of(*loads, is_layer)) {
      continue;
    }
    throw environment_error(fmt::format("{}, line {}: \"loads\" are not {} lists of {} whole numbers up to "
                                        "{}; mend that line, or move the file away",
                                        quoted_path(file), i + 1, layers, experts, tokens));
  }
}

LoadShares late_load_shares(const std::vector<Json>& metrics, std::int64_t steps) {
  const std::vector<Loads> loads = loads_of(metrics);
  Loads sums;
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    if (metrics[i]["step"].get<std::int64_t>() <= steps - std::max<std::int64_t>(1, steps / 10)) continue;
    if (sums.empty()) {
      sums = loads[i];
      continue;
    }
    for (std::size_t l = 0; l < sums.size(); ++l) {
      for (std::size_t e = 0; e < sums[l].size(); ++e) sums[l][e] += loads[i][l][e];
    }
  }
  return load_shares(sums);
}

void write_run_report(const RunSummary& s, const std::vector<Json>& metrics,
                      const RunReportContext& c) {
  RunReport report;
  report.name = c.name;
  report.tier = c.options.tier;
  report.precision = name_of(c.options.precision);
  report.device = c.device;
  report.date = fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(std::chrono::system_clock::to_time_t(
                                                         std::chrono::system_clock::now())));
  report.setup = setup_facts(s, c);
  report.config = config_facts(c);
  report.results = result_facts(s, c);
  report.commands = {{"write more text", fmt::format("triptych generate --model {} --prompt \"The \"",
                                                     s.checkpoint.string())},
                     {"look at every number", fmt::format("less {}", s.metrics.string())}};
  report.train_loss = curve_of(metrics, "loss");
  report.held_out_loss = curve_of(metrics, "held_out_bits", std::numbers::ln2);
  report.bigram_bits = s.bigram_bits;
  if (s.entropy_rate >= 0) report.entropy_bits = s.entropy_rate;
  report.learning_rate = curve_of(metrics, "learning_rate");
  report.gradient_norm = curve_of(metrics, "gradient_norm");
  report.tokens_per_second = speed_curve(metrics, c.options);
  report.load = layer_loads(metrics, c.moe_names);
  for (const Json& line : metrics) report.load_steps.push_back(line["step"].get<double>());
  report.prompt = c.prompt;
  report.sample = c.sample;
  write_report(s.report, report);
}

}  // namespace triptych

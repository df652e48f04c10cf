/// \file
/// The page that a run ends with: its loss, its experts' load, its speed and a sample of its text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace triptych {

/// A measured quantity over steps. `step` and `value` have one length, `step` is ascending.
struct Curve {
  std::vector<double> step, value;
};

/// The load of one MoE layer's experts.
struct LayerLoad {
  std::string name;          ///< "layer 1"
  std::int64_t experts = 0;  ///< E
  std::vector<double>
      share;  ///< [steps, E] share of the step's T·K routed rows, each row sums to 1
};

/// Names with values, shown as a table in this order.
using Facts = std::vector<std::pair<std::string, std::string>>;

/// All that the page shows; plain values, so that whoever has numbers can have the page. What is
/// empty is left out. Losses are in nats a byte, and shown in bits a byte with nats beside them.
struct RunReport {
  std::string name;             ///< "tiny"
  std::string tier, precision;  ///< "reference", "bf16"
  std::string device, date;     ///< as the head line shows them
  Facts setup;                  ///< data, parameters, seed, version, …
  Facts config;                 ///< the model's and the optimiser's configuration
  Facts results;                ///< the final table
  Facts commands;               ///< what a command does, and the command

  Curve train_loss;                    ///< nats
  Curve held_out_loss;                 ///< nats
  std::optional<double> bigram_bits;   ///< the add-δ bigram's cross-entropy on the held-out part
  std::optional<double> entropy_bits;  ///< the true entropy rate of a synthetic text
  Curve learning_rate;
  Curve gradient_norm;  ///< before clipping
  Curve tokens_per_second;

  std::vector<double> load_steps;  ///< the steps of all layers' shares
  std::vector<LayerLoad> load;

  std::string prompt, sample;  ///< bytes of any kind
};

/// Moving averages: element i is the mean of the finite values[i-r … i+r], with r = span/2 rounded
/// down; NaN where there are none. Near the beginning, which is steep, r shrinks so that the window
/// stays centred; near the end, which is flat, only the part after i shrinks. REQUIRES: span ≥ 1.
std::vector<double> smoothed(const std::vector<double>& values, std::size_t span);

/// The page: one HTML file with inline SVG, no script and nothing from elsewhere, light or dark as
/// the reader's system is. The same report gives the same bytes. The heat maps show means over
/// stretches of steps, so the page's size does not grow with the run's length. REQUIRES: the
/// lengths agree as RunReport says (a usage_error names the one that does not).
std::string report_page(const RunReport& report);

/// Writes report_page to a file, as one step. Errors: write_file.
void write_report(const std::filesystem::path& path, const RunReport& report);

}  // namespace triptych

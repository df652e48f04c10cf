// The same small model trained with and without balance:
//
//   collapse table [SEED]     a line a run; the book shows seed 2
//   collapse picture [SEED]   the loads over time, as an SVG to standard output
//
// In f64, whose roundings are too small to turn a choice within these steps: every processor counts
// the same loads.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <string_view>
#include <vector>

#include "train/chart.h"
#include "train/trainer.h"

namespace triptych::tutorial {
namespace {

constexpr std::int64_t steps = 200, judged = 100;  // the table speaks of the last so many

/// One way of training.
struct Way {
  const char* name;
  double alpha;  // of the balance loss
  double gamma;  // speed of the bias
};
constexpr Way nothing{"no balance", 0, 0};
constexpr Way loss_alone{"the loss alone", 1e-4, 0};
constexpr Way too_slow{"bias, too slow", 1e-4, 1e-5};
constexpr Way right{"bias", 1e-4, 1e-2};
constexpr Way too_fast{"bias, too fast", 1e-4, 0.3};
constexpr Way large_loss{"a large loss", 1, 0};

/// What a run leaves behind.
struct Record {
  std::vector<std::vector<double>> shares;  // [step][expert]: load over an even load
  double bias_range = 0;                    // largest minus smallest bias at the end
  double bits = 0;                          // held out, a byte
};

ModelConfig small_model() {
  ModelConfig c;  // of the preset nano: 8 experts in 4 groups, 2 groups and 2 experts a token
  c.num_hidden_layers = 1;
  c.first_k_dense_replace = 0;  // the one layer has experts
  c.num_nextn_predict_layers = 0;
  c.hidden_size = 64;
  c.moe_intermediate_size = 32;
  c.q_lora_rank = 0;
  c.kv_lora_rank = 16;
  c.qk_rope_head_dim = c.qk_nope_head_dim = c.v_head_dim = 16;
  c.max_position_embeddings = 32;
  return c;
}

double bias_range(const Model& model) {
  const Tensor& bias = model.router_biases()[0];
  std::vector<double> values(static_cast<std::size_t>(bias.count()));
  model.tier().download(values.data(), bias);
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return *most - *least;
}

Record train(const Way& way, const Text& text, std::uint64_t seed) {
  TrainOptions o;
  o.precision = Precision::f64;
  o.batch = 8;
  o.steps = steps;
  o.learning_rate = 4e-3;
  o.balance_alpha = way.alpha;
  o.balance_speed = way.gamma;
  o.seed = seed;
  o.resolve(small_model());
  const auto tier = make_tier({.name = "reference", .threads = 1});
  Trainer trainer(*tier, small_model(), o, split_text(text, o.sequence), 32);
  Record record;
  for (std::int64_t s = 0; s < steps; ++s) {
    const std::vector<std::int32_t>& load = trainer.step().loads[0];
    const double even = std::accumulate(load.begin(), load.end(), 0.0) / std::size(load);
    record.shares.emplace_back();
    for (const std::int32_t tokens : load) record.shares.back().push_back(tokens / even);
  }
  record.bias_range = bias_range(trainer.model());
  record.bits = trainer.evaluate().bits;
  return record;
}

/// Means over the judged steps.
struct Measures {
  double busiest = 0;  // the largest load, over an even one
  double in_use = 0;  // e^entropy of the loads: how many experts, evenly used, would look like this
  double starved = 0;  // part of the steps in which some expert got no token
  double moved = 0;    // part of the load that lies elsewhere than a step before
};
Measures measure(const Record& record) {
  Measures m;
  for (std::size_t s = steps - judged; s < steps; ++s) {
    const std::vector<double>&share = record.shares[s], &before = record.shares[s - 1];
    const double experts = static_cast<double>(share.size());
    double entropy = 0;
    for (std::size_t e = 0; e < share.size(); ++e) {
      const double p = share[e] / experts;
      if (p > 0) entropy -= p * std::log(p);
      m.moved += std::fabs(share[e] - before[e]) / (2 * experts) / judged;
    }
    m.in_use += std::exp(entropy) / judged;
    m.busiest += *std::max_element(share.begin(), share.end()) / judged;
    m.starved += *std::min_element(share.begin(), share.end()) == 0 ? 1.0 / judged : 0;
  }
  return m;
}

void print_table(const Text& text, std::uint64_t seed) {
  fmt::print("{:16}{:>8}{:>8}{:>9}{:>8}{:>9}{:>8}{:>8}{:>8}\n", "", "alpha", "gamma", "busiest",
             "in use", "starved", "moved", "biases", "bits");
  for (const Way& way : {nothing, loss_alone, too_slow, right, too_fast, large_loss}) {
    const Record record = train(way, text, seed);
    const Measures m = measure(record);
    fmt::print("{:16}{:>8}{:>8}{:9.2f}{:8.2f}{:7.0f} %{:6.0f} %{:8.2f}{:8.2f}\n", way.name,
               way.alpha, way.gamma, m.busiest, m.in_use, 100 * m.starved, 100 * m.moved,
               record.bias_range, record.bits);
  }
}

Svg panel(const Record& record) {
  HeatMap map;
  map.row_label = "expert";
  map.column_label = "step";
  map.tooltips = false;
  map.rows = static_cast<std::int64_t>(record.shares[0].size());
  for (std::size_t s = 0; s <= record.shares.size(); ++s) map.edges.push_back(s + 1.0);
  for (std::size_t e = 0; e < record.shares[0].size(); ++e) {
    for (const auto& share : record.shares) map.values.push_back(share[e]);
  }
  return draw(map);
}

void print_picture(const Text& text, std::uint64_t seed) {
  constexpr double panel_width = 470, panel_height = 172, title_height = 26;
  Svg svg(2 * panel_width + 20, 2 * (panel_height + title_height) + 44,
          "Load of eight experts over 200 steps, with four kinds of balance");
  int place = 0;
  for (const Way& way : {nothing, right, too_slow, too_fast}) {
    const double x = place % 2 * (panel_width + 20);
    const double y = place / 2 * (panel_height + title_height);
    svg.text(x + 48, y + 18, fmt::format("{}, γ = {}", way.name, way.gamma), "name");
    svg.place(panel(train(way, text, seed)), x, y + title_height);
    ++place;
  }
  svg.place(draw_heat_legend("× even load"), 40, 2 * (panel_height + title_height) + 6);
  fmt::print("{}", svg.document());
}

int run(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "table";
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 2;
  const Text text = read_text("synthetic:7", {.synthetic_bytes = 200000});
  if (what == "table") print_table(text, seed);
  if (what == "picture") print_picture(text, seed);
  return what == "table" || what == "picture" ? 0 : 2;
}

}  // namespace
}  // namespace triptych::tutorial

int main(int argc, char** argv) { return triptych::tutorial::run(argc, argv); }

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <sstream>

#include "app/command.h"
#include "app/compare_operations.h"
#include "app/presets.h"
#include "train/trainer.h"

namespace triptych::app {
namespace {

constexpr const char* examples = R"(Examples:
  triptych compare                                    nano: f64 beside f32, bf16 and fp8
  triptych compare --sides f32,bf16 --preset tiny --steps 5
  triptych compare --sides f32 --json

Every side starts from the same parameters and reads the same text; the first is the yardstick of losses and
times. Then each side's operations are judged against f64 on the same inputs, by the bounds of
triptych/tolerance.h. Exit code 1: an error above its bound.)";

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string preset = "nano", sides = "f64,f32,bf16,fp8", data, tier = "reference";
  std::int64_t steps = 10;
  int threads = 0;
  bool json = false;
};

/// One run beside the others.
struct Side {
  Precision precision;
  std::unique_ptr<Tier> tier;
  std::unique_ptr<Trainer> trainer;
  std::vector<double> losses, seconds;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::vector<Side> make_sides(const Arguments& a) {
  const ModelConfig config = preset_config(a.preset);
  TrainOptions options = preset_options(a.preset);
  options.data = a.data.empty() ? default_data() : a.data;
  options.steps = a.steps;
  std::vector<Side> sides;
  std::istringstream names(a.sides);
  for (std::string name; std::getline(names, name, ',');) {
    options.precision = parse_precision(name);
    options.resolve(config);
    Side side{options.precision, make_tier({.name = a.tier, .threads = a.threads}), nullptr, {}, {}};
    const TextSplit text = split_text(read_text(options.data), options.sequence);
    side.trainer = std::make_unique<Trainer>(*side.tier, config, options, text, 1);
    sides.push_back(std::move(side));
  }
  if (sides.empty()) throw usage_error("compare: --sides is empty; wanted precisions such as f64,f32,bf16");
  return sides;
}

/// Steps in turns, so that what else the machine does falls on all sides alike.
void train_in_turns(std::vector<Side>& sides, const Arguments& a) {
  if (!a.json) {
    std::string head = "step";
    for (const Side& s : sides) head += fmt::format("{:>12}", name_of(s.precision));
    print_line(head + "   loss in nats a byte; then minus the first");
  }
  for (std::int64_t step = 0; step < a.steps; ++step) {
    std::string line = fmt::format("{:>4}", step + 1);
    for (Side& s : sides) {
      const auto start = std::chrono::steady_clock::now();
      s.losses.push_back(s.trainer->step().loss);
      s.seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      const double first = sides.front().losses.back();
      line += &s == &sides.front() ? fmt::format("{:>12.6f}", first) : fmt::format("{:>+12.2e}", s.losses.back() - first);
    }
    if (!a.json) print_line(line);
  }
}

int compare(const Arguments& a) {
  if (a.steps < 1) throw usage_error(fmt::format("compare: --steps is {}; wanted 1 or more", a.steps));
  std::vector<Side> sides = make_sides(a);
  train_in_turns(sides, a);
  const ModelConfig config = preset_config(a.preset);
  const double first = median(sides.front().seconds);
  bool within = true;
  Json result = Json::array();
  if (!a.json) print_line("");
  for (Side& s : sides) {
    const double time = median(s.seconds);
    Json side = {{"tier", a.tier}, {"precision", name_of(s.precision)}, {"losses", s.losses},
                 {"median_seconds", time}, {"times_the_first", first / time}, {"operations", Json::array()}};
    if (!a.json) {
      print_line(fmt::format("{} {}: {:.1f} ms a step, {:.2f} x the speed of {}", a.tier, name_of(s.precision),
                             1e3 * time, first / time, name_of(sides.front().precision)));
    }
    if (s.precision == Precision::f64) {  // the oracle itself
      result.push_back(std::move(side));
      continue;
    }
    for (const OperationError& e : compare_operations(*s.tier, s.precision, 131, config.hidden_size,
                                                      config.moe_intermediate_size)) {
      within = within && e.worst <= 1;
      side["operations"].push_back({{"operation", e.operation}, {"error_over_bound", e.worst},
                                    {"error_over_rms", e.largest}});
      if (!a.json) {
        print_line(fmt::format("  {:<22} error {:8.2e} of its rms, {:6.4f} of its bound{}", e.operation, e.largest,
                               e.worst, e.worst <= 1 ? "" : "   ABOVE"));
      }
    }
    result.push_back(std::move(side));
  }
  if (a.json) print_json(result);
  return within ? 0 : 1;
}

}  // namespace

void add_compare(CLI::App& app, Action& action) {
  CLI::App* c = app.add_subcommand("compare", "the same steps side by side: losses, errors and times");
  auto a = std::make_shared<Arguments>();
  c->add_option("--preset", a->preset, "model and defaults: nano, tiny or mini")->capture_default_str();
  c->add_option("--sides", a->sides, "precisions, the yardstick first")->capture_default_str();
  c->add_option("--steps", a->steps, "optimizer steps of each")->capture_default_str();
  c->add_option("--data", a->data, "text: a file, a folder, or synthetic:SEED; default data/");
  add_tier_options(*c, a->tier, a->threads);
  c->add_flag("--json", a->json, "print the result as JSON");
  c->footer(examples);
  c->callback([a, &action] { action = [a] { return compare(*a); }; });
}

}  // namespace triptych::app

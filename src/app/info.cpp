#include <fmt/format.h>

#include <memory>

#include "app/command.h"
#include "app/presets.h"
#include "train/memory_plan.h"
#include "triptych/tier.h"
#include "triptych/version.h"

namespace triptych::app {
namespace {

constexpr const char* examples = R"(Examples:
  triptych info                                   what this machine can run, and what is missing
  triptych info --preset mini --batch 4           how much memory training would take
  triptych info --preset tiny --precision fp8 --json)";

struct Arguments {
  std::string preset = "tiny", config, precision = "f32";
  std::int64_t batch = 0, sequence = 0;
  bool bf16_moments = false, json = false;
  int threads = 0;
};

using Json = nlohmann::ordered_json;

/// A tier as it is on this machine: its device, or why it cannot be had.
Json tier_state(const std::string& name, int threads) {
  try {
    return {{"name", name}, {"device", make_tier({.name = name, .threads = threads})->device()}};
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::usage) throw;
    return {{"name", name}, {"missing", error.what()}};
  }
}

Json memory_state(const Arguments& a) {
  TrainOptions options = preset_options(a.preset);
  const ModelConfig config = a.config.empty() ? preset_config(a.preset) : config_at(a.config);
  if (a.batch != 0) options.batch = a.batch;
  options.sequence = a.sequence;
  options.precision = parse_precision(a.precision);
  options.bf16_moments = a.bf16_moments;
  options.resolve(config);
  const ParameterCount count = parameter_count(config);
  return {{"model", a.config.empty() ? a.preset : a.config},
          {"precision", name_of(options.precision)},
          {"batch", options.batch},
          {"sequence", options.sequence},
          {"parameters", count.total},
          {"active_parameters", count.active},
          {"predicted_bytes", predicted_memory(config, options, a.threads)}};
}

Json library_versions() {
#ifdef TRIPTYCH_HAVE_BENCHMARK
  const char* bench = "there";
#else
  const char* bench = "missing: apt-get install libbenchmark-dev, build again";
#endif
  return {{"triptych", version},
          {"compiler", __VERSION__},
          {"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)},
          {"CLI11", CLI11_VERSION},
          {"triptych bench", bench}};
}

int info(const Arguments& a) {
  const Json tiers = Json::array({tier_state("reference", a.threads)});
  const Json versions = library_versions(), memory = memory_state(a);
  if (a.json) {
    print_json({{"versions", versions}, {"tiers", tiers}, {"memory", memory}});
    return 0;
  }
  for (const auto& [name, value] : versions.items()) {
    print_line(fmt::format("{:<16}{}", name, value.get<std::string>()));
  }
  for (const Json& tier : tiers) {
    print_line(fmt::format("{:<16}{}", "tier " + tier["name"].get<std::string>(),
                           tier.contains("device") ? tier["device"].get<std::string>()
                                                   : "missing: " + tier["missing"].get<std::string>()));
  }
  print_line(fmt::format("{:<16}{:.1f} MB to train {} ({} parameters) in {} with {} sequences of {}", "memory",
                         memory["predicted_bytes"].get<double>() / 1e6, memory["model"].get<std::string>(),
                         memory["parameters"].get<std::int64_t>(), memory["precision"].get<std::string>(),
                         memory["batch"].get<std::int64_t>(), memory["sequence"].get<std::int64_t>()));
  return 0;
}

}  // namespace

void add_info(CLI::App& app, Action& action) {
  CLI::App* c = app.add_subcommand("info", "tiers, devices, versions, what is missing, predicted memory");
  auto a = std::make_shared<Arguments>();
  c->add_option("--preset", a->preset, "model whose memory to predict: nano, tiny or mini")->capture_default_str();
  c->add_option("--config", a->config, "model of this config.json (or folder) instead of the preset's");
  c->add_option("--precision", a->precision, "f64, f32, bf16 or fp8")->capture_default_str();
  c->add_flag("--bf16-moments", a->bf16_moments, "optimizer moments in bf16");
  c->add_option("--batch", a->batch, "sequences of a micro-batch; default by preset");
  c->add_option("--sequence", a->sequence, "bytes of a sequence; default max_position_embeddings");
  c->add_option("--threads", a->threads, "worker threads; 0: all processors")->capture_default_str();
  c->add_flag("--json", a->json, "print as JSON");
  c->footer(examples);
  c->callback([a, &action] { action = [a] { return info(*a); }; });
}

}  // namespace triptych::app

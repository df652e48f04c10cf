#include <fmt/format.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <vector>

#include "app/command.h"
#include "bench/settings.h"
#include "triptych/error.h"

#ifdef TRIPTYCH_HAVE_BENCHMARK
#include <Eigen/Core>

#include "bench/report.h"
#include "git_describe.h"
#include "triptych/tier.h"
#include "triptych/version.h"
#endif

namespace triptych::app {
namespace {

constexpr const char* explanation = R"(Times operations of the reference tier, each beside what bounds it. They take turns in one process, so
that the machine's mood falls on all alike; every number is a median of the rounds.

  time      of the operation
  rate      bytes that it must move, or FLOPs of the algebra, over that time
  roofline  fraction of the bound: of the speed of a memcpy of as many bytes on as many threads, and for
            products of OpenBLAS's sgemm on every thread, whichever bounds more
  peer      our speed over that of what a user would call instead: above 1 we are faster

Names are operation/policy/size. S1: 2048 tokens of width 1024, 16 experts of inner width 512, 4 a token;
S0: 128 of width 256, 8 of 128, 2 a token. bench/ holds a file for each operation.)";

constexpr const char* examples = R"(Examples:
  triptych bench --list                                    what there is
  triptych bench --filter rms_norm                         both directions, policies and sizes
  triptych bench --filter "moe_layer.*S1" --rounds 25      the layer beside a plain loop of BLAS calls
  triptych bench --filter bf16/S1 --json bf16.json)";

struct Arguments {
  std::string filter = ".", json;
  bench::Settings settings;
  bool list = false;
};

#ifdef TRIPTYCH_HAVE_BENCHMARK
/// What a number depends on, for the JSON; the library adds the date and the caches, bench/blas.cpp OpenBLAS.
void add_context(const std::string& device) {
  benchmark::AddCustomContext("device", device);
  benchmark::AddCustomContext("instructions", Eigen::SimdInstructionSetsInUse());
  benchmark::AddCustomContext("compiler", __VERSION__);
  benchmark::AddCustomContext("triptych", version);
  benchmark::AddCustomContext("git", git_describe);
  benchmark::AddCustomContext("eigen", fmt::format("{}.{}.{}", EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION,
                                                   EIGEN_MINOR_VERSION));
}

/// Runs what matches, or names it. Returns how many there are.
std::size_t run_benchmarks(const Arguments& a) {
  // Each benchmark goes through its rounds by itself: to the library they are one iteration.
  std::vector<std::string> words = {"triptych bench", "--benchmark_filter=" + a.filter};
  if (a.list) words.emplace_back("--benchmark_list_tests=true");
  if (!a.json.empty()) words.push_back("--benchmark_out=" + a.json);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  bench::Table table;
  bench::Json json;
  std::stringstream names;
  if (a.list) table.SetOutputStream(&names);
  const std::size_t matched = benchmark::RunSpecifiedBenchmarks(&table, a.json.empty() ? nullptr : &json);
  benchmark::Shutdown();
  for (std::string name; std::getline(names, name);) print_line(name.substr(0, name.find("/iterations")));
  return matched;
}

int bench(const Arguments& a) {
  if (!(a.settings.seconds >= 0)) {
    throw usage_error(fmt::format("bench: --min-time is {}; wanted 0 or more seconds", a.settings.seconds));
  }
  if (a.settings.rounds < 1) {
    throw usage_error(fmt::format("bench: --rounds is {}; wanted 1 or more", a.settings.rounds));
  }
  if (!a.json.empty() && !std::ofstream(a.json)) {
    throw environment_error(
        fmt::format("bench: cannot write '{}'; give --json a file in a folder that is there", a.json));
  }
  bench::settings = a.settings;
  const std::string device = make_tier({.name = "reference", .threads = a.settings.threads})->device();
  add_context(device);
  if (!a.list) print_line(fmt::format("reference tier on {}, {}", device, git_describe));
  if (run_benchmarks(a) == 0) {
    throw usage_error(fmt::format("bench: no benchmark matches '{}'; see triptych bench --list", a.filter));
  }
  return 0;
}
#else
int bench(const Arguments&) {
  throw environment_error("bench: this build has no Google Benchmark; install libbenchmark-dev, or configure "
                          "with -DTRIPTYCH_FETCH=ALL, and build again");
}
#endif

}  // namespace

void add_bench(CLI::App& app, Action& action) {
  CLI::App* c = app.add_subcommand("bench", "time operations beside what bounds them, and their peers");
  auto a = std::make_shared<Arguments>();
  c->add_option("--filter", a->filter, "regular expression for a part of the name")->capture_default_str();
  c->add_option("--rounds", a->settings.rounds, "rounds of each, at least")->capture_default_str();
  c->add_option("--min-time", a->settings.seconds, "seconds of each, at least")->capture_default_str();
  c->add_option("--threads", a->settings.threads, "worker threads; 0: all processors")->capture_default_str();
  c->add_option("--json", a->json, "file for the results and what they depend on, as JSON");
  c->add_flag("--list", a->list, "only name them");
  c->footer(std::string(explanation) + "\n\n" + examples);
  c->callback([a, &action] { action = [a] { return bench(*a); }; });
}

}  // namespace triptych::app

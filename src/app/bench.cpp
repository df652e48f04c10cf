#include <fmt/format.h>

#include <memory>
#include <vector>

#include "app/command.h"
#include "triptych/error.h"

#ifdef TRIPTYCH_HAVE_BENCHMARK
#include <benchmark/benchmark.h>
#endif

namespace triptych::app {
namespace {

constexpr const char* examples = R"(Examples:
  triptych bench --list                      what there is
  triptych bench --filter moe_layer          the layer and its yardstick, interleaved
  triptych bench --filter swiglu --min-time 1 --json swiglu.json)";

struct Arguments {
  std::string filter = ".", json;
  double min_time = 0.5;
  int repetitions = 1;
  bool list = false;
};

#ifdef TRIPTYCH_HAVE_BENCHMARK
int bench(const Arguments& a) {
  if (!(a.min_time > 0)) {
    throw usage_error(fmt::format("bench: --min-time is {}; wanted a positive number of seconds", a.min_time));
  }
  if (a.repetitions < 1) {
    throw usage_error(fmt::format("bench: --repetitions is {}; wanted 1 or more", a.repetitions));
  }
  std::vector<std::string> words = {"triptych bench", "--benchmark_filter=" + a.filter,
                                    fmt::format("--benchmark_min_time={}", a.min_time),
                                    fmt::format("--benchmark_repetitions={}", a.repetitions),
                                    // Repetitions take turns, so that a machine's mood falls on all alike.
                                    "--benchmark_enable_random_interleaving=true"};
  if (a.list) words.emplace_back("--benchmark_list_tests=true");
  if (!a.json.empty()) {
    words.push_back("--benchmark_out=" + a.json);
    words.emplace_back("--benchmark_out_format=json");
  }
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  const std::size_t matched = benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  if (matched == 0) {
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
  CLI::App* c = app.add_subcommand("bench", "time operations and their yardsticks");
  auto a = std::make_shared<Arguments>();
  c->add_option("--filter", a->filter, "regular expression of names")->capture_default_str();
  c->add_option("--min-time", a->min_time, "seconds each, at least")->capture_default_str();
  c->add_option("--repetitions", a->repetitions, "how often each, in turns")->capture_default_str();
  c->add_option("--json", a->json, "file for the results as JSON");
  c->add_flag("--list", a->list, "only name them");
  c->footer(examples);
  c->callback([a, &action] { action = [a] { return bench(*a); }; });
}

}  // namespace triptych::app

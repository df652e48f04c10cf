/// \file
/// How `triptych bench` shows what support.h reports: a table for people, Google Benchmark's JSON for programs.
#pragma once

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <ostream>
#include <string>
#include <vector>

namespace triptych::bench {

/// One line a benchmark.
class Table : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override {
    line("{:<46} {:>10}  {:>14}  {:>8}  {}", "operation/policy/size", "time", "rate", "roofline", "peer");
    return true;
  }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      const auto counter = [&](const char* name) -> const benchmark::Counter* {
        const auto found = run.counters.find(name);
        return found == run.counters.end() ? nullptr : &found->second;
      };
      const double us = run.GetAdjustedRealTime();
      const auto *flops = counter("GFLOP/s"), *bytes = counter("GB/s"), *bound = counter("roofline");
      const auto* peer = counter("peer");
      line("{:<46} {:>10}  {:>14}  {:>8}  {}", run.run_name.function_name,
           us < 1000 ? fmt::format("{:.1f} µs", us) : fmt::format("{:.2f} ms", us / 1000),
           flops   ? fmt::format("{:.1f} GFLOP/s", flops->value)
           : bytes ? fmt::format("{:.1f} GB/s", bytes->value)
                   : "",
           bound ? fmt::format("{:.2f}", bound->value) : "-",
           peer ? fmt::format("{:.2f} × {}", peer->value, run.report_label) : "");
    }
  }

 private:
  template <class... T>
  void line(fmt::format_string<T...> format, T&&... values) {
    GetOutputStream() << fmt::format(format, std::forward<T>(values)...) << std::endl;
  }
};

/// Google Benchmark's, with the names that were registered: without "/iterations:1/manual_time".
class Json : public benchmark::JSONReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    std::vector<Run> named = runs;
    for (Run& run : named) run.run_name = {.function_name = run.run_name.function_name};
    JSONReporter::ReportRuns(named);
  }
};

}  // namespace triptych::bench

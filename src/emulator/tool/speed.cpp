#include "emulator/tool/speed.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>

#include "emulator/check/check.h"
#include "emulator/decode/decode.h"
#include "emulator/host/threads.h"
#include "emulator/tool/error.h"

namespace triptych::emulator {
namespace {

constexpr std::uint64_t data_bytes = 1 << 20;

double seconds_of(const std::function<void()>& body) {
  const auto begin = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

std::unique_ptr<Module> parsed(const std::string& text) {
  Parsed p = parse(text, "speed.ptx");
  if (p.error) throw environment(p.error->str());
  return std::move(p.module);
}

struct Way {
  std::uint32_t ctas = 8, threads = 256;
  bool checked = false, exact = false;
  HostThreads* team = nullptr;
};

/// Seconds of one launch, and the thread-instructions it took.
struct Cost {
  double seconds;
  double instructions;
};

Cost launch(const std::string& text, const Way& way) {
  MachineOptions options;
  options.devices[0].sms = 8;
  options.exact_tensor = way.exact;
  if (way.team != nullptr) options.parallel = [team = way.team](int count, const std::function<void(int)>& body) { team->run(count, body); };
  Machine machine(options);
  std::unique_ptr<Checker> checker;
  if (way.checked) {
    checker = make_checker(machine, all_checks);
    machine.observe(checker.get());
  }
  const std::unique_ptr<ModuleCode> code = load_module(machine, parsed(text), 0);
  auto launch = std::make_shared<Launch>();
  launch->module = code.get();
  launch->function = code->by_name.at("k");
  launch->grid = {way.ctas, 1, 1};
  launch->block = {way.threads, 1, 1};
  const std::uint64_t data = machine.memory().allocate(data_bytes, 256, 0);
  std::memset(reinterpret_cast<void*>(data), 0, data_bytes);
  launch->parameters.resize(8);
  std::memcpy(launch->parameters.data(), &data, sizeof data);
  machine.submit(launch);
  bool good = false;
  const double seconds = seconds_of([&] { good = machine.run(); });
  if (!good) throw environment("speed: a kernel failed: " + launch->fault);
  if (checker != nullptr && !checker->findings().empty()) throw environment("speed: " + checker->findings().front().text);
  return {seconds, static_cast<double>(machine.thread_instructions())};
}

/// The median of a number over some rounds.
double over(int rounds, const std::function<double()>& once) {
  std::vector<double> values;
  for (int r = 0; r < rounds; ++r) values.push_back(once());
  return median(std::move(values));
}

double rate(int rounds, const std::string& text, const Way& way) {
  return over(rounds, [&] {
    const Cost cost = launch(text, way);
    return cost.instructions / cost.seconds;
  });
}

/// FLOP/s of the loop of wgmma, by one warpgroup.
double tensor_rate(int rounds, bool exact) {
  constexpr double flops = 2.0 * 64 * 256 * 16 * 4 * 200;
  const std::string text = speed_kernel::wgmma();
  return over(rounds, [&] { return flops / launch(text, {.ctas = 1, .threads = 128, .exact = exact}).seconds; });
}

/// How many times as long it takes with all checkers: pairs in turns.
double checked(int rounds, const std::string& text, Way way) {
  return over(rounds, [&] {
    way.checked = false;
    const double plain = launch(text, way).seconds;
    way.checked = true;
    return launch(text, way).seconds / plain;
  });
}

}  // namespace

std::vector<SpeedRow> measure_speed(int rounds, const std::function<void(const SpeedRow&)>& progress) {
  std::vector<SpeedRow> rows;
  const auto add = [&](SpeedRow row) {
    rows.push_back(std::move(row));
    progress(rows.back());
  };
  constexpr double giga = 1e9;
  const std::string fma = speed_kernel::fma();
  add({"FMA", "G thread-instructions/s", rate(rounds, fma, {}) / giga, 3});
  add({"integer", "G thread-instructions/s", rate(rounds, speed_kernel::integer(), {}) / giga, 3});
  add({"shared memory", "G thread-instructions/s", rate(rounds, speed_kernel::shared(), {}) / giga, 1});
  add({"wgmma bf16, fast", "GFLOP/s", tensor_rate(rounds, false) / giga, 20});
  add({"wgmma bf16, exact", "GFLOP/s", tensor_rate(rounds, true) / giga, 1});
  HostThreads two(2);
  add({"FMA, two host threads", "times one", over(rounds, [&] { return launch(fma, {}).seconds / launch(fma, {.team = &two}).seconds; }), 1.8});
  add({"checkers, tiled GEMM", "times without", checked(rounds, speed_kernel::tiled_gemm(), {}), 5, false});
  add({"checkers, scan", "times without", checked(rounds, speed_kernel::scan(), {}), 5, false});
  add({"checkers, specialised wgmma", "times without", checked(rounds, speed_kernel::specialised_wgmma(), {.threads = 160}), 5, false});
  const std::string long_text = speed_kernel::many_lines(10000);
  add({"a module of 10,000 lines", "ms to load", 1e3 * over(rounds, [&] {
         Machine machine{MachineOptions{}};
         return seconds_of([&] { load_module(machine, parsed(long_text), 0); });
       }), 50, false});
  return rows;
}

}  // namespace triptych::emulator

#include "support/kernel.h"

#include <fmt/format.h>

#include <filesystem>
#include <regex>

#include "emulator/tool/error.h"
#include "support/verdict.h"

namespace triptych::tutorial {
namespace {

/// Runs one case and tells the verdict of it.
void judge_case(const std::string& file, const KernelCase& c, Verdict& verdict) {
  verdict.about(fmt::format("{}: {}", c.about, command_of(file, c)));
  try {
    emulator::RunRequest request = request_of(c);
    emulator::Source source = emulator::read_source({.file = file});
    source.name = std::filesystem::path(file).filename().string();
    const emulator::Verdict ran =
        emulator::run_request(source, request, expectations_of(c), 0, c.schedules).verdict;
    verdict.about(fmt::format("{}: {}", c.about, command_of(file, c, ran.seed)));
    verdict.that(ran.good(), first_wrong(ran));
  } catch (const emulator::ModuleError& error) {
    verdict.that(false, error.message);
  } catch (const emulator::ToolError& error) {
    verdict.that(false, error.message);
  }
}

}  // namespace

emulator::RunRequest request_of(const KernelCase& c) {
  emulator::RunRequest request;
  request.arguments = c.arguments;
  request.limit = 10'000'000;   // a learner's loop may have no end
  request.grid = emulator::parse_extent(c.grid, "grid");
  request.block = emulator::parse_extent(c.block, "block");
  return request;
}

std::vector<emulator::Expectation> expectations_of(const KernelCase& c) {
  std::vector<emulator::Expectation> all;
  for (const std::string& text : c.expectations) {
    all.push_back(emulator::parse_expectation(text));
  }
  return all;
}

std::string command_of(const std::string& file, const KernelCase& c, std::uint64_t seed) {
  std::string line = fmt::format("triptych ptx run {} --grid {} --block {}", file, c.grid, c.block);
  for (const std::string& text : c.arguments) line += fmt::format(" '{}'", text);
  for (const std::string& text : c.expectations) line += fmt::format(" --expect '{}'", text);
  return line + (seed > 0 ? fmt::format(" --seed {}", seed) : "");
}

std::string without_addresses(const std::string& report) {
  static const std::regex address("0x[0-9a-f]{9,}");
  return std::regex_replace(report, address, "0x...");
}

std::string first_wrong(const emulator::Verdict& v) {
  if (!v.fault.empty()) {
    // What happened, and of a deadlock who waits first.
    const std::string report = without_addresses(v.fault);
    const std::size_t first = report.find("\n  ");
    if (first == report.npos) return report.substr(0, report.find('\n'));
    const std::size_t next = report.find('\n', first + 1);
    return report.substr(0, first) + ": " + report.substr(first + 3, next - first - 3);
  }
  if (!v.mismatches.empty()) {
    const emulator::Mismatch& m = v.mismatches[0];
    return fmt::format("{}[{}] is {}, wanted {}, {}", m.name, m.first, m.got, m.want,
                       m.writer.empty() ? "which nobody wrote" : "last written by " + m.writer);
  }
  return without_addresses(v.findings.empty() ? v.difference : v.findings[0].text);
}

int judge_kernel(int argc, char** argv, const std::vector<KernelCase>& cases) {
  if (argc < 2) {
    fmt::print(stderr, "wanted: {} FILE.ptx [CASE]\n", argv[0]);
    return 2;
  }
  const std::string file = std::filesystem::proximate(argv[1]).string();
  const std::string program = std::filesystem::proximate(argv[0]).string();
  return judge(fmt::format("{} {}", program, file), argc - 1, argv + 1,
               static_cast<int>(cases.size()),
               [&](int number, Verdict& verdict) { judge_case(file, cases[number], verdict); });
}

}  // namespace triptych::tutorial

// Breaks a kernel's lines one by one and says what 100 schedules of each made of it.
//
//   broken KERNEL              a table of its breaks
//   broken KERNEL BREAK        the whole report of the first schedule that is not good
//   broken KERNEL BREAK text   the broken kernel, for `triptych ptx`
#include "broken.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

namespace {

using namespace triptych;
using namespace triptych::tutorial;

constexpr std::uint64_t schedules = 100;

void print_row(const Kernel& kernel, const Text& text, const Break* broken) {
  const emulator::Source source = source_of(kernel, text, broken);
  int right = 0;
  std::set<std::string> found;
  for (std::uint64_t seed = 0; seed < schedules; ++seed) {
    const emulator::Verdict v = run_one(source, kernel.launch, seed);
    if (v.fault.empty() && v.mismatches.empty()) ++right;
    if (!v.fault.empty()) found.emplace(v.fault.starts_with("deadlock") ? "deadlock" : "fault");
    for (const emulator::Finding& f : v.findings) found.emplace(emulator::name_of(f.check));
  }
  fmt::print("{:<17} {:<52} {:>5}   {}\n", broken ? broken->name : "as it stands",
             !broken                ? ""
             : broken->text.empty() ? "(line left out)"
                                    : broken->text,
             right, found.empty() ? "nothing" : fmt::format("{}", fmt::join(found, ", ")));
}

/// Long lines broken between words, and indented as the tool's own continuations are.
std::string wrapped(const std::string& text) {
  constexpr std::size_t width = 112;
  std::string out, line;
  for (const char c : text) {
    line += c;
    if (c == '\n') {
      out += std::exchange(line, {});
    } else if (line.size() > width && line.rfind(' ') != line.npos) {
      const std::size_t end = line.rfind(' ');
      out += line.substr(0, end) + '\n';
      line = std::string(11, ' ') + line.substr(end + 1);
    }
  }
  return out + line;
}

int report(const Kernel& kernel, const Text& text, const Break& broken) {
  emulator::RunRequest request = request_of(kernel.launch);
  const emulator::Verdict v = emulator::run_request(source_of(kernel, text, &broken), request,
                                                    expectations_of(kernel.launch), 0, schedules)
                                  .verdict;
  fmt::print("{}", wrapped(without_addresses(emulator::text_of(v))));
  return v.good() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  std::vector<std::string> words(argv + 1, argv + argc);
  words.resize(3);
  for (const Kernel& kernel : kernels()) {
    if (kernel.name != words[0]) continue;
    const Text text = read_kernel(kernel);
    if (words[1].empty()) {
      fmt::print("{:<70} {:>5}   {}\n", kernel.name + ".ptx", "right", "found");
      print_row(kernel, text, nullptr);
      for (const Break& b : text.breaks) print_row(kernel, text, &b);
      return 0;
    }
    for (const Break& b : text.breaks) {
      if (b.name != words[1]) continue;
      if (words[2].empty()) return report(kernel, text, b);
      fmt::print("{}", source_of(kernel, text, &b).text);
      return 0;
    }
  }
  fmt::print(stderr, "wanted: broken KERNEL [BREAK [text]]; KERNEL is");
  for (const Kernel& kernel : kernels()) fmt::print(stderr, " {}", kernel.name);
  fmt::print(stderr, "; a kernel's breaks stand in its file after //=\n");
  return 2;
} catch (const emulator::ModuleError& error) {
  fmt::print(stderr, "{}\n", error.message);
  return 2;
}

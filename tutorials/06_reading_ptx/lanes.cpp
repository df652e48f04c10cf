// Which lanes of a warp execute collatz.ptx's instructions, one column an instruction, as an SVG.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "emulator/machine/machine.h"
#include "emulator/tool/session.h"
#include "support/kernel.h"
#include "train/svg.h"

namespace {

using namespace triptych;
using namespace triptych::tutorial;

struct Issued {
  std::size_t line;  ///< of the file, from 1
  emulator::Mask lanes;
};

/// Notes every instruction of the warp.
class Issues : public emulator::Observer {
 public:
  std::vector<Issued> all;
  void instruction(emulator::Warp& warp, const emulator::Instr&) override {
    const emulator::Instruction* at = warp.code().sites[warp.pc()].source;
    if (at != nullptr) all.push_back({at->at.line, warp.exec()});
  }
};

constexpr double left = 60, top = 64, cell_height = 11, width = 960;

/// The label that a line stands under; of several labels in a row the last.
std::string section(const std::vector<std::string>& lines, std::size_t line) {
  for (std::size_t i = line; i-- > 0;) {
    if (lines[i].starts_with('L')) return lines[i].substr(0, lines[i].find(':'));
  }
  return "";
}

std::string style_of(const std::string& section) {
  if (section == "Lodd") return "h12";
  if (section == "Lagain") return "h1";
  if (section == "Lnext") return "h4";
  return "h6";
}

}  // namespace

int main() {
  const std::string file = "tutorials/06_reading_ptx/collatz.ptx";
  const emulator::Source source = emulator::read_source({.file = file});
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < source.text.size();) {
    const std::size_t end = source.text.find('\n', at);
    lines.push_back(source.text.substr(at, end - at));
    at = end + 1;
  }
  const KernelCase launch{.about = "", .arguments = {"out=u32[32]"}, .expectations = {}};
  emulator::RunRequest request = request_of(launch);
  emulator::Session session(source, request);
  Issues run;
  session.run(&run);

  const double cell = (width - left - 10) / static_cast<double>(run.all.size());
  Svg svg(width, top + 32 * cell_height + 40,
          "Lanes that execute each instruction of a loop whose lanes part");
  const std::vector<std::pair<std::string, std::string>> key = {{"", "outside the loop"},
                                                                {"Lagain", "test, even arm"},
                                                                {"Lodd", "odd arm"},
                                                                {"Lnext", "count"}};
  double x = left;
  for (const auto& [name, what] : key) {
    svg.rect(x, 16, 12, 12, "cells " + style_of(name));
    svg.text(x + 18, 26, what, "name");
    x += 150;
  }
  for (int lane = 0; lane < 32; lane += 4) {
    svg.text(left - 8, top + (lane + 2.4) * cell_height, fmt::format("x = {}", lane / 4 + 1),
             "tick", "end");
    svg.line(left, top + lane * cell_height, width - 10, top + lane * cell_height, "grid");
  }
  for (std::size_t i = 0; i < run.all.size(); ++i) {
    const Issued& issued = run.all[i];
    for (int lane = 0; lane < 32; ++lane) {
      if ((issued.lanes >> lane & 1) == 0) continue;
      int end = lane;
      while (end < 32 && (issued.lanes >> end & 1) != 0) ++end;
      svg.rect(left + static_cast<double>(i) * cell, top + lane * cell_height, cell - .6,
               (end - lane) * cell_height - .6, "cells " + style_of(section(lines, issued.line)),
               lines[issued.line - 1].substr(8));
      lane = end;
    }
  }
  svg.text((left + width) / 2, top + 32 * cell_height + 24,
           fmt::format("{} instructions of the warp, in their order", run.all.size()), "axis-label",
           "middle");
  fmt::print("{}", svg.document());
}

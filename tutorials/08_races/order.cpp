// What orders the two CTAs of flag.ptx, as an SVG to standard output: as it stands, and with a
// relaxed store. The accesses are those of a run; an arrow crosses where the checkers were silent,
// a race is drawn where not.
#include <fmt/format.h>

#include <vector>

#include "broken.h"
#include "emulator/machine/machine.h"
#include "train/svg.h"

namespace {

using namespace triptych;
using namespace triptych::tutorial;

constexpr double panel_width = 540, box_width = 216, box_height = 28, top = 96, step = 52;

struct Event {
  std::uint64_t cta;
  std::size_t line;  ///< of the file, from 1
};

/// Notes every access to global memory.
class Accesses : public emulator::Observer {
 public:
  std::vector<Event> events;
  void access(const emulator::AccessEvent& e) override {
    if (e.space != emulator::Space::global) return;
    const emulator::Instruction* at = e.warp.code().sites[e.warp.pc()].source;
    events.push_back({e.warp.cta().index(), at->at.line});
  }
};

double x_of(std::uint64_t cta) { return cta == 0 ? 14 : panel_width - box_width - 14; }

void arrow(Svg& svg, double x1, double y1, double x2, double y2, const std::string& style) {
  const double tip = x1 == x2 ? 0 : 6;
  svg.line(x1, y1, x2, y2, style);
  svg.path(
      fmt::format("M{} {}L{} {}L{} {}", coordinate(x2 - 4 - tip / 2), coordinate(y2 - 7 + tip),
                  coordinate(x2), coordinate(y2), coordinate(x2 + 4 - tip), coordinate(y2 - 7)),
      style);
}

Svg panel(const std::string& title, const Break* broken) {
  const Kernel& kernel = kernels().front();
  const Text text = read_kernel(kernel);
  Accesses run;
  const emulator::Source source = source_of(kernel, text, broken);
  const bool race = !run_one(source, kernel.launch, 0, &run).findings.empty();

  Svg svg(panel_width, top + step * 6, title);
  svg.text(14, 28, title, "name");
  for (const std::uint64_t cta : {0, 1}) {
    svg.text(x_of(cta) + box_width / 2, 58, fmt::format("CTA {}", cta), "axis-label", "middle");
  }
  // The accesses in the order in which they happened; `flag` and `data` are where the last of each
  // CTA are.
  std::vector<double> last_y = {0, 0};
  double data_store = 0, flag_store = 0, flag_load = 0, data_load = 0, y = top - 20;
  for (const Event& e : run.events) {
    const std::string line =
        trimmed(broken && broken->line == e.line - 1 ? broken->text : text.lines[e.line - 1]);
    svg.rect(x_of(e.cta), y, box_width, box_height, "h6 quiet", {}, 3);
    svg.text(x_of(e.cta) + 8, y + 18, line, "name");
    double& before = last_y[e.cta];
    const double middle = x_of(e.cta) + box_width / 2;
    if (before > 0) arrow(svg, middle, before + box_height, middle, y, "base curve quiet");
    before = y;
    const bool flag = line.find("[f]") != line.npos, data = line.find("[d]") != line.npos;
    if (flag) (e.cta == 0 ? flag_store : flag_load) = y;
    if (data) (e.cta == 0 ? data_store : data_load) = y;
    y += step;
  }
  const double from = x_of(0) + box_width, to = x_of(1), half = box_height / 2;
  if (race) {
    svg.line(from, data_store + half, to, data_load + half, "level s2");
    svg.text(x_of(0) + 8, data_load + 12, "race: nothing orders", "name");
    svg.text(x_of(0) + 8, data_load + 28, "the store and the load of data", "name");
  } else {
    arrow(svg, from, flag_store + half, to, flag_load + half, "curve s1");
    svg.text(x_of(0) + 8, data_load + 12, "the acquire read what the release", "name");
    svg.text(x_of(0) + 8, data_load + 28, "wrote: 7 is known", "name");
  }
  return svg;
}

}  // namespace

int main() {
  const Text text = read_kernel(kernels().front());
  const Break* relaxed = nullptr;
  for (const Break& b : text.breaks) {
    if (b.name == "relaxed_store") relaxed = &b;
  }
  Svg svg(2 * panel_width, top + step * 5, "A flag that orders two CTAs, and one that does not");
  svg.place(panel("release and acquire", nullptr), 0, 0);
  svg.place(panel("a relaxed store instead", relaxed), panel_width, 0);
  fmt::print("{}", svg.document());
}

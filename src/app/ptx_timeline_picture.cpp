#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "app/ptx_pages.h"
#include "train/svg.h"

namespace triptych::app {
namespace {

using emulator::Timeline;

constexpr double width = 1200, left = 70, right = 12, top = 62, warp_height = 5, gap = 6;

/// Where the rows of each SM and each of its CTA slots lie.
struct Rows {
  std::map<std::tuple<int, int, int>, double> of;  ///< device, SM, slot
  std::map<std::tuple<int, int, int>, double> height;
  double end = top;
};

Rows lay_out(const Timeline& t) {
  Rows rows;
  for (const auto& c : t.ctas()) {
    double& h = rows.height[{c.device, c.sm, c.slot}];
    h = std::max(h, static_cast<double>(c.warps + (t.work().empty() ? 0 : 1)) * warp_height + 4);
  }
  for (const auto& [place, h] : rows.height) {
    rows.of[place] = rows.end;
    rows.end += h + gap;
  }
  return rows;
}

class Picture {
 public:
  Picture(const Timeline& t, const std::string& kernel)
      : t_(t),
        rows_(lay_out(t)),
        svg_(width, rows_.end + 26, fmt::format("{}: SMs by ticks", kernel)) {
    for (const auto& c : t.ctas()) first_ = std::min(first_, c.begin);
    last_ = std::max(t.end(), first_ + 1);
    svg_.text(
        left, 20,
        fmt::format("{}: {} on {}, {}", kernel, emulator::counted(t.ctas().size(), "CTA"),
                    emulator::counted(sms(), "SM"), emulator::counted(last_ - first_, "tick")),
        "name");
  }

  std::string draw() {
    legend();
    axis();
    for (const auto& c : t_.ctas()) {
      const auto key = place(c);
      svg_.rect(x(c.begin), rows_.of[key], x(c.end) - x(c.begin), rows_.height[key], "h6",
                fmt::format("CTA {}: ticks {} to {}", c.position, c.begin, c.end), 2);
    }
    for (const auto& w : t_.warps()) {
      const auto& c = t_.ctas()[w.cta];
      const bool runs = w.kind == emulator::Wait::Kind::none;
      bar(c, w.warp, w.begin, w.end, runs ? "h1" : "h9", runs ? "runs" : "waits for " + w.what);
    }
    for (const auto& a : t_.work()) {
      const auto& c = t_.ctas()[a.cta];
      bar(c, static_cast<int>(c.warps), a.begin, a.end, "h4",
          fmt::format("{}, {} bytes", emulator::name_of(a.kind), a.bytes));
    }
    int last = -1;
    for (const auto& [key, y] : rows_.of) {
      const int sm = std::get<1>(key);
      if (sm != last) svg_.text(left - 8, y + 11, fmt::format("SM {}", sm), "", "end");
      last = sm;
    }
    return svg_.document();
  }

 private:
  static std::tuple<int, int, int> place(const Timeline::CtaSlice& c) {
    return {c.device, c.sm, c.slot};
  }
  double x(std::uint64_t tick) const {
    return left + (width - left - right) * static_cast<double>(std::max(tick, first_) - first_) /
                      static_cast<double>(last_ - first_);
  }
  std::size_t sms() const {
    std::set<std::pair<int, int>> all;
    for (const auto& c : t_.ctas()) all.insert({c.device, c.sm});
    return all.size();
  }

  /// Slices that are too thin to see are drawn where none of their kind was before.
  void bar(const Timeline::CtaSlice& c, int row, std::uint64_t begin, std::uint64_t end,
           const char* colour, const std::string& what) {
    constexpr double least = 0.4;
    double& drawn = drawn_[{&c, row, colour}];
    const double from = x(begin), to = std::max(x(end), from + least);
    if (to <= drawn + least) return;
    drawn = to;
    svg_.rect(from, rows_.of[place(c)] + 2 + row * warp_height, to - from, warp_height - 1, colour,
              row == static_cast<int>(c.warps)
                  ? what
                  : fmt::format("warp {} {}, ticks {} to {}", row, what, begin, end));
  }

  void legend() {
    double at = left;
    for (const auto& [colour, name] : {std::pair{"h6", "CTA"},
                                       {"h1", "a warp runs"},
                                       {"h9", "lanes of it wait"},
                                       {"h4", "asynchronous work"}}) {
      svg_.rect(at, 32, 14, 10, colour, "", 2);
      svg_.text(at + 20, 41, name, "");
      at += 150;
    }
  }

  void axis() {
    for (const auto& [value, label] :
         {std::pair{0.0, 0}, {0.25, 1}, {0.5, 2}, {0.75, 3}, {1.0, 4}}) {
      const double at = left + (width - left - right) * value;
      svg_.line(at, top - 6, at, rows_.end, "grid");
      svg_.text(at, rows_.end + 16,
                fmt::format(
                    "{}", static_cast<std::uint64_t>(value * static_cast<double>(last_ - first_))),
                "axis-label",
                label == 0   ? "start"
                : label == 4 ? "end"
                             : "middle");
    }
    svg_.text(left - 8, rows_.end + 16, "ticks", "axis-label", "end");
  }

  const Timeline& t_;
  Rows rows_;
  std::uint64_t first_ = ~std::uint64_t{0}, last_ = 0;
  std::map<std::tuple<const Timeline::CtaSlice*, int, std::string_view>, double> drawn_;
  Svg svg_;
};

}  // namespace

std::string timeline_picture(const Timeline& timeline, const std::string& kernel) {
  return Picture(timeline, kernel).draw();
}

}  // namespace triptych::app

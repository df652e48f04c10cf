#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "train/chart.h"

namespace triptych {

namespace {

constexpr double bottom_margin = 46, top_margin = 34;
constexpr double letter_width = 6.7;  // mean, at the 12 px of svg_style()
constexpr std::size_t hover_bands = 120;

/// The plot's rectangle and its scales.
struct Plot {
  double left = 0, right = 0, top = 0, bottom = 0;
  Axis x, y;

  double x_at(double value) const { return x.place(value, left, right); }
  double y_at(double value) const {
    if (y.logarithmic && value <= 0) return std::nan("");
    return y.place(value, bottom, top);
  }
};

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void include(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

/// At most about `columns` points: of each of `columns`/2 stretches the least and the largest
/// value, in their order, so that single spikes stay visible.
Series thinned(const Series& series, std::size_t columns) {
  const std::size_t count = series.x.size(), stretches = columns / 2;
  if (count <= columns) return series;
  Series thin{series.name, {}, {}, series.style, series.points};
  for (std::size_t k = 0; k < stretches; ++k) {
    const std::size_t first = k * count / stretches, last = (k + 1) * count / stretches;
    std::size_t least = first, largest = first;
    for (std::size_t i = first; i < last; ++i) {
      if (!(series.y[least] <= series.y[i])) least = i;  // also replaces a NaN
      if (!(series.y[largest] >= series.y[i])) largest = i;
    }
    for (const std::size_t i : {std::min(least, largest), std::max(least, largest)}) {
      thin.x.push_back(series.x[i]);
      thin.y.push_back(series.y[i]);
    }
  }
  return thin;
}

/// Letters of UTF-8 text.
std::int64_t columns(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

void draw_axes(Svg& svg, const Plot& plot, const LineChart& chart) {
  for (const Tick& tick : plot.y.ticks) {
    const double y = plot.y_at(tick.value);
    svg.line(plot.left, y, plot.right, y, "grid");
    svg.text(plot.left - 10, y + 4, tick.label, "tick", "end");
  }
  if (!chart.right_label.empty()) {
    // The right scale's own round numbers, where they fall on the left one.
    const Axis right =
        Axis::tight(plot.y.low * chart.right_factor, plot.y.high * chart.right_factor, 6);
    for (const Tick& tick : right.ticks) {
      const double y = plot.y_at(tick.value / chart.right_factor);
      svg.line(plot.right, y, plot.right + 5, y, "grid");
      svg.text(plot.right + 10, y + 4, tick.label, "tick");
    }
    svg.vertical_text(chart.width - 6, (plot.top + plot.bottom) / 2, chart.right_label,
                      "axis-label");
  }
  for (const Tick& tick : plot.x.ticks) {
    svg.line(plot.x_at(tick.value), plot.bottom, plot.x_at(tick.value), plot.bottom + 5, "base");
    svg.text(plot.x_at(tick.value), plot.bottom + 20, tick.label, "tick", "middle");
  }
  svg.line(plot.left, plot.bottom, plot.right, plot.bottom, "base");
  svg.text((plot.left + plot.right) / 2, chart.height - 6, chart.x_label, "axis-label", "middle");
  svg.vertical_text(14, (plot.top + plot.bottom) / 2, chart.y_label, "axis-label");
}

/// A sample of each line with its name, in one row above the plot.
void draw_legend(Svg& svg, const Plot& plot, const LineChart& chart) {
  double x = plot.left;
  const auto entry = [&](const std::string& name, const std::string& style, bool points) {
    if (name.empty()) return;
    svg.line(x, 14, x + 24, 14, style);
    if (points) svg.circle(x + 12, 14, 3.2, style + " dot");
    svg.text(x + 32, 18, name, "name");
    x += 58 + letter_width * static_cast<double>(columns(name));
  };
  for (const Series& series : chart.series) entry(series.name, series.style, series.points);
  for (const Level& level : chart.levels) entry(level.name, level.style, false);
}

void draw_levels(Svg& svg, const Plot& plot, const LineChart& chart) {
  for (const Level& level : chart.levels) {
    if (!std::isfinite(level.y)) continue;
    svg.line(plot.left, plot.y_at(level.y), plot.right, plot.y_at(level.y), level.style);
  }
}

/// The series cut at `top`: where it crosses, a point is put in, and what lies above is left out.
Series cut(const Series& series, double top) {
  Series below{series.name, {}, {}, series.style, series.points};
  const auto add = [&](double x, double y) {
    below.x.push_back(x);
    below.y.push_back(y);
  };
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    const bool inside = !(series.y[i] > top);
    if (i > 0 && inside != !(series.y[i - 1] > top)) {
      const double share = (top - series.y[i - 1]) / (series.y[i] - series.y[i - 1]);
      add(series.x[i - 1] + share * (series.x[i] - series.x[i - 1]), top);
    }
    add(series.x[i], inside ? series.y[i] : std::nan(""));
  }
  return below;
}

void draw_series(Svg& svg, const Plot& plot, const Series& series) {
  const Series thin =
      cut(thinned(series, static_cast<std::size_t>(2 * (plot.right - plot.left))), plot.y.high);
  std::vector<double> x, y;
  for (std::size_t i = 0; i < thin.x.size(); ++i) {
    x.push_back(plot.x_at(thin.x[i]));
    y.push_back(plot.y_at(thin.y[i]));
  }
  svg.polyline(x, y, series.style);
  if (!series.points || series.x.size() > 60) return;
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    const double height = plot.y_at(series.y[i]);
    if (std::isfinite(height) && series.y[i] <= plot.y.high) {
      svg.circle(plot.x_at(series.x[i]), height, 3.2, series.style + " dot");
    }
  }
}

/// What a tooltip says about x: each named curve's last value up to there.
std::string values_at(const LineChart& chart, double x) {
  std::string text = fmt::format("{} {}", chart.x_label, short_number(x));
  for (const Series& series : chart.series) {
    const auto after = std::upper_bound(series.x.begin(), series.x.end(), x);
    if (series.name.empty() || after == series.x.begin()) continue;
    const double value = series.y[static_cast<std::size_t>(after - series.x.begin()) - 1];
    text += fmt::format("\n{}: {} {}", series.name, number_text(value, 4), chart.y_label);
  }
  return text;
}

void draw_hover(Svg& svg, const Plot& plot, const LineChart& chart) {
  const auto longest =
      std::max_element(chart.series.begin(), chart.series.end(),
                       [](const Series& a, const Series& b) { return a.x.size() < b.x.size(); });
  const std::size_t count = longest->x.size(), bands = std::min(count, hover_bands);
  double from = plot.left;
  for (std::size_t k = 0; k < bands; ++k) {
    const double value = longest->x[(2 * k + 1) * count / (2 * bands)];
    const double next = k + 1 < bands ? longest->x[(2 * k + 3) * count / (2 * bands)] : plot.x.high;
    const double to = k + 1 < bands ? plot.x_at((value + next) / 2) : plot.right;
    svg.rect(from, plot.top, to - from, plot.bottom - plot.top, "hover", values_at(chart, value));
    from = to;
  }
}

Plot make_plot(const LineChart& chart, const Range& x, const Range& y) {
  const double high = chart.top ? std::min(*chart.top, y.high) : y.high;
  Plot plot;
  plot.top = top_margin;
  plot.bottom = chart.height - bottom_margin;
  const int ticks = std::max(3, static_cast<int>((plot.bottom - plot.top) / 48));
  plot.y = chart.logarithmic ? Axis::log(y.low, high) : Axis::linear(y.low, high, ticks);
  std::int64_t widest = 0;
  for (const Tick& tick : plot.y.ticks) widest = std::max(widest, columns(tick.label));
  plot.left = 36 + letter_width * static_cast<double>(widest);
  plot.right = chart.width - (chart.right_label.empty() ? 24 : 66);
  plot.x = Axis::tight(x.low, x.high, static_cast<int>((plot.right - plot.left) / 90));
  return plot;
}

}  // namespace

Svg draw(const LineChart& chart) {
  Range x, y;
  for (const Series& series : chart.series) {
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (chart.logarithmic && series.y[i] <= 0) continue;
      if (std::isfinite(series.y[i])) x.include(series.x[i]);
      y.include(series.y[i]);
    }
  }
  Svg svg(chart.width, chart.height, chart.title);
  if (x.empty()) {
    svg.text(chart.width / 2, chart.height / 2, "no data yet", "axis-label", "middle");
    return svg;
  }
  for (const Level& level : chart.levels) y.include(level.y);
  if (chart.from_zero) y.include(0);

  const Plot plot = make_plot(chart, x, y);
  draw_axes(svg, plot, chart);
  draw_legend(svg, plot, chart);
  for (const Series& series : chart.series) draw_series(svg, plot, series);
  draw_levels(svg, plot, chart);
  draw_hover(svg, plot, chart);
  return svg;
}

}  // namespace triptych

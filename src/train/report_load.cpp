#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "train/chart.h"
#include "train/report_parts.h"

namespace triptych::report_parts {

namespace {

constexpr std::size_t most_columns = 96;

/// Means of a layer's load over stretches of steps, relative to the fair share 1/E.
struct LoadGrid {
  std::vector<double> edges;   // columns + 1
  std::vector<double> values;  // [E, columns]
};

LoadGrid load_grid(const std::vector<double>& steps, const LayerLoad& layer) {
  const std::size_t columns = std::min(steps.size(), most_columns);
  const auto experts = static_cast<std::size_t>(layer.experts);
  LoadGrid grid;
  grid.values.assign(experts * columns, 0);
  for (std::size_t c = 0; c < columns; ++c) {
    const std::size_t first = c * steps.size() / columns, last = (c + 1) * steps.size() / columns;
    grid.edges.push_back(steps[first]);
    for (std::size_t e = 0; e < experts; ++e) {
      double sum = 0;
      for (std::size_t i = first; i < last; ++i) sum += layer.share[i * experts + e];
      grid.values[e * columns + c] =
          sum / static_cast<double>(last - first) * static_cast<double>(experts);
    }
  }
  grid.edges.push_back(steps.back() + 1);
  return grid;
}

struct Extremes {
  double least = std::numeric_limits<double>::infinity();
  double largest = -std::numeric_limits<double>::infinity();

  void include(double value) {
    least = std::min(least, value);
    largest = std::max(largest, value);
  }
};

/// Of the experts' mean shares over the last tenth of the run, relative to the fair share.
Extremes final_extremes(const std::vector<double>& steps, const LayerLoad& layer) {
  const auto experts = static_cast<std::size_t>(layer.experts);
  const std::size_t first = steps.size() - std::max<std::size_t>(1, steps.size() / 10);
  Extremes extremes;
  for (std::size_t e = 0; e < experts; ++e) {
    double sum = 0;
    for (std::size_t i = first; i < steps.size(); ++i) sum += layer.share[i * experts + e];
    extremes.include(sum / static_cast<double>(steps.size() - first) *
                     static_cast<double>(experts));
  }
  return extremes;
}

std::string layer_map(const RunReport& report, const LayerLoad& layer) {
  const LoadGrid grid = load_grid(report.load_steps, layer);
  HeatMap map;
  map.title = fmt::format("Load of the experts of {} over steps", layer.name);
  map.row_label = "expert";
  map.column_label = "step";
  map.unit = "× fair share";
  map.rows = layer.experts;
  map.edges = grid.edges;
  map.values = grid.values;
  const Extremes end = final_extremes(report.load_steps, layer);
  return fmt::format("<div><h3>{} <span>at the end {:.2f}–{:.2f} × fair</span></h3>{}</div>\n",
                     escape_markup(layer.name), end.least, end.largest, draw(map).element());
}

/// The largest and the smallest share of any layer's experts, step by step.
std::string extremes_chart(const RunReport& report) {
  Series largest{"largest share", report.load_steps, {}, "curve s2"};
  Series least{"smallest share", report.load_steps, {}, "curve s1"};
  for (std::size_t i = 0; i < report.load_steps.size(); ++i) {
    Extremes extremes;
    for (const LayerLoad& layer : report.load) {
      const auto experts = static_cast<std::size_t>(layer.experts);
      for (std::size_t e = 0; e < experts; ++e) {
        extremes.include(layer.share[i * experts + e] * static_cast<double>(experts));
      }
    }
    largest.y.push_back(extremes.largest);
    least.y.push_back(extremes.least);
  }
  LineChart chart;
  chart.title = "Largest and smallest share of any expert over steps";
  chart.height = 240;
  chart.x_label = "step";
  chart.y_label = "× fair share";
  chart.from_zero = true;
  chart.series = {std::move(largest), std::move(least)};
  chart.levels = {{"fair share", 1, "level quiet"}};
  return "<div class=\"below\"><h3>All layers, step by step</h3>" + wide(draw(chart)) + "</div>";
}

bool has_load(const RunReport& report) {
  return !report.load_steps.empty() &&
         std::any_of(report.load.begin(), report.load.end(),
                     [](const LayerLoad& layer) { return layer.experts > 0; });
}

}  // namespace

std::string load_tile(const RunReport& report) {
  if (!has_load(report)) return "";
  Extremes all;
  for (const LayerLoad& layer : report.load) {
    const Extremes end = final_extremes(report.load_steps, layer);
    all.include(end.least);
    all.include(end.largest);
  }
  return tile("experts' load", fmt::format("{:.2f}–{:.2f}", all.least, all.largest),
              "× fair share, least–most");
}

std::string load_section(const RunReport& report) {
  if (!has_load(report)) return "";
  std::string html =
      "<div class=\"heat-legend\">" + draw_heat_legend("× fair share").element() + "</div>";
  html += "<div class=\"pair\">";
  for (const LayerLoad& layer : report.load) html += layer_map(report, layer);
  html += "</div>" + extremes_chart(report);
  return section(
      "Load of the experts",
      "Each expert's share of the rows that the router gave out, relative to the fair share "
      "1/E. Blue has less work than its share, orange more.",
      html);
}

}  // namespace triptych::report_parts

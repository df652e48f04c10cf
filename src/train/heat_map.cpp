#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "train/chart.h"

namespace triptych {

namespace {

constexpr int colours = 13, neutral = 6, steps_an_octave = 3;
constexpr std::size_t most_tooltips = 4000;
constexpr double left_margin = 48, right_margin = 24, top_margin = 4, bottom_margin = 40;

int colour_of(double value) {
  if (value <= 0) return 0;
  const double step = std::round(steps_an_octave * std::log2(value));
  return neutral + static_cast<int>(std::clamp(step, -6.0, 6.0));
}

std::string colour_class(int colour) { return fmt::format("cells h{}", colour); }

/// "step 20" or "steps 20–29".
std::string columns_text(const HeatMap& map, std::size_t column) {
  const double first = map.edges[column], last = map.edges[column + 1] - 1;
  if (last <= first) return fmt::format("{} {}", map.column_label, short_number(first));
  return fmt::format("{}s {}–{}", map.column_label, short_number(first), short_number(last));
}

/// Where the cells are.
struct Grid {
  double left, right, top, row_height;
  std::size_t rows, columns;
  const HeatMap& map;

  double x(std::size_t column) const {
    const double low = map.edges.front(), high = map.edges.back();
    return left + (map.edges[column] - low) / (high - low) * (right - left);
  }
  double y(std::size_t row) const { return top + row_height * static_cast<double>(row); }
  double value(std::size_t row, std::size_t column) const {
    return map.values[row * columns + column];
  }
};

/// One path a colour: a rectangle for each run of equal cells in a row.
void draw_cells(Svg& svg, const Grid& grid) {
  std::array<std::string, colours> paths;
  for (std::size_t r = 0; r < grid.rows; ++r) {
    for (std::size_t c = 0; c < grid.columns;) {
      const std::size_t first = c;
      const double value = grid.value(r, first);
      ++c;
      if (!std::isfinite(value)) continue;
      const int colour = colour_of(value);
      while (c < grid.columns && std::isfinite(grid.value(r, c)) &&
             colour_of(grid.value(r, c)) == colour) {
        ++c;
      }
      paths[static_cast<std::size_t>(colour)] += fmt::format(
          "M{} {}H{}v{}H{}z", coordinate(grid.x(first)), coordinate(grid.y(r)),
          coordinate(grid.x(c)), coordinate(grid.row_height), coordinate(grid.x(first)));
    }
  }
  for (int k = 0; k < colours; ++k) {
    const std::string& d = paths[static_cast<std::size_t>(k)];
    if (!d.empty()) svg.path(d, colour_class(k));
  }
}

void draw_tooltips(Svg& svg, const Grid& grid) {
  const HeatMap& map = grid.map;
  const bool each_cell = grid.rows * grid.columns <= most_tooltips;
  for (std::size_t r = 0; r < grid.rows; ++r) {
    double sum = 0, least = INFINITY, largest = -INFINITY;
    std::size_t count = 0;
    for (std::size_t c = 0; c < grid.columns; ++c) {
      const double value = grid.value(r, c);
      if (!std::isfinite(value)) continue;
      if (each_cell) {
        svg.rect(grid.x(c), grid.y(r), grid.x(c + 1) - grid.x(c), grid.row_height, "hover",
                 fmt::format("{} {}, {}: {} {}", map.row_label, r, columns_text(map, c),
                             number_text(value, 3), map.unit));
      }
      sum += value;
      least = std::min(least, value);
      largest = std::max(largest, value);
      ++count;
    }
    if (each_cell || count == 0) continue;
    svg.rect(grid.left, grid.y(r), grid.right - grid.left, grid.row_height, "hover",
             fmt::format("{} {}: mean {}, least {}, largest {} {}", map.row_label, r,
                         number_text(sum / static_cast<double>(count), 3), number_text(least, 3),
                         number_text(largest, 3), map.unit));
  }
}

void draw_labels(Svg& svg, const Grid& grid) {
  const HeatMap& map = grid.map;
  // The first and the last row, and multiples of a power of two with room for a line of text.
  std::size_t stride = 1;
  while (static_cast<double>(stride) * grid.row_height < 26) stride *= 2;
  for (std::size_t r = 0; r < grid.rows; r += stride) {
    svg.text(grid.left - 7, grid.y(r) + grid.row_height / 2 + 4, std::to_string(r), "tick", "end");
  }
  const double bottom = grid.y(grid.rows);
  svg.vertical_text(11, (grid.top + bottom) / 2, map.row_label, "axis-label");
  const Axis axis = Axis::tight(map.edges.front(), map.edges.back(), 5);
  for (const Tick& tick : axis.ticks) {
    const double x = axis.place(tick.value, grid.left, grid.right);
    svg.line(x, bottom, x, bottom + 4, "base");
    svg.text(x, bottom + 18, tick.label, "tick", "middle");
  }
  svg.text((grid.left + grid.right) / 2, bottom + 34, map.column_label, "axis-label", "middle");
}

}  // namespace

Svg draw(const HeatMap& map) {
  const auto rows = static_cast<std::size_t>(map.rows);
  const std::size_t columns = map.edges.empty() ? 0 : map.edges.size() - 1;
  if (rows == 0 || columns == 0) {
    Svg svg(map.width, 60, map.title);
    svg.text(map.width / 2, 34, "no data yet", "axis-label", "middle");
    return svg;
  }
  const double row_height = std::clamp(240.0 / static_cast<double>(rows), 2.0, 16.0);
  const double height = row_height * static_cast<double>(rows);
  Svg svg(map.width, top_margin + height + bottom_margin, map.title);
  const Grid grid{left_margin, map.width - right_margin, top_margin, row_height, rows, columns,
                  map};
  draw_cells(svg, grid);
  if (map.tooltips) draw_tooltips(svg, grid);
  draw_labels(svg, grid);
  return svg;
}

Svg draw_heat_legend(const std::string& unit) {
  constexpr double cell = 20;
  Svg svg(cell * colours + 120, 34, "colours of the heat map");
  for (int k = 0; k < colours; ++k) svg.rect(8 + cell * k, 2, cell, 12, colour_class(k));
  const std::array<const char*, 5> labels = {"¼", "½", "1", "2", "4"};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const double middle = 8 + cell * (static_cast<double>(steps_an_octave * i) + 0.5);
    svg.text(middle, 29, labels[i], "tick", "middle");
  }
  svg.text(8 + cell * colours + 10, 12, unit, "axis-label");
  return svg;
}

}  // namespace triptych

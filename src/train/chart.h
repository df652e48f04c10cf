/// \file
/// Charts made of the primitives of svg.h: lines over steps, and heat maps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "train/svg.h"

namespace triptych {

/// A curve of a LineChart.
struct Series {
  std::string name;          ///< in the legend and the tooltips; empty: in neither
  std::vector<double> x, y;  ///< of one length, x ascending; a y that is not finite leaves a gap
  std::string style;         ///< classes: "curve s1", "thin s2", …
  bool points = false;       ///< mark each value, for sparse ones
};

/// A horizontal line for a value to compare curves with.
struct Level {
  std::string name;  ///< in the legend
  double y = 0;
  std::string style;  ///< classes: "level s4", …
};

/// Curves over a common horizontal axis.
struct LineChart {
  std::string title;  ///< for screen readers
  double width = 960, height = 340;
  std::string x_label, y_label;
  bool logarithmic = false;   ///< the vertical axis
  bool from_zero = false;     ///< the vertical axis begins at 0
  std::optional<double> top;  ///< the vertical axis ends here, and curves leave the picture there
  std::string right_label;    ///< a second scale on the right, empty: none
  double right_factor =
      1;  ///< right value = left value · right_factor: the same curves, other units
  std::vector<Series> series;
  std::vector<Level> levels;
};

/// Draws the chart: a legend, a grid, axes with units, curves (at most a few points a pixel column:
/// of a long series the least and the largest of each stretch), levels, and about a hundred
/// invisible bands whose tooltips tell all curves' values. A chart without a finite value says "no
/// data yet".
Svg draw(const LineChart& chart);

/// Values in a grid of rows and columns, each relative to a neutral 1.
struct HeatMap {
  std::string title;  ///< for screen readers
  double width = 470;
  std::string row_label;     ///< what a row is: "expert"
  std::string column_label;  ///< what the columns count: "step"
  std::string unit;          ///< after a value in tooltips: "× fair share"
  std::int64_t rows = 0;
  std::vector<double> edges;   ///< columns + 1 ascending: column c covers edges[c] … edges[c+1]-1
  std::vector<double> values;  ///< [rows, columns] ≥ 0; one that is not finite leaves a hole
  bool tooltips = true;        ///< false for a file of its own, where a browser shows none
};

/// Draws the map. A value v has the colour h6 + 3·log2 v, rounded and held within h0 … h12: a step
/// of colour is a third of an octave, ¼ and less is the bluest, 4 and more the most orange. Up to
/// 4000 cells have a tooltip each, else every row has one with its mean, least and largest value.
Svg draw(const HeatMap& map);

/// The colours of HeatMap with their values, as a small picture of its own.
Svg draw_heat_legend(const std::string& unit);

}  // namespace triptych

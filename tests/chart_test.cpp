// ctest: timeout=60 labels=sanitize
// Charts: what they show of their data, and that any data gives a picture.
#include "train/chart.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <sstream>

#include "markup.h"
#include "train/random.h"

namespace triptych {
namespace {

using testing::count_of;
using testing::markup_fault;

Series steps(std::string name, std::vector<double> y) {
  Series series{std::move(name), std::vector<double>(y.size()), std::move(y), "curve s1"};
  std::iota(series.x.begin(), series.x.end(), 1.0);
  return series;
}

LineChart chart_of(std::vector<Series> series) {
  LineChart chart;
  chart.title = "t";
  chart.x_label = "step";
  chart.y_label = "bits";
  chart.series = std::move(series);
  return chart;
}

/// The paths of curves, as lists of points.
std::vector<std::vector<std::pair<double, double>>> curves(const std::string& svg) {
  std::vector<std::vector<std::pair<double, double>>> found;
  for (std::size_t at = svg.find("<path class=\"curve"); at != svg.npos;
       at = svg.find("<path class=\"curve", at + 1)) {
    const std::size_t begin = svg.find(" d=\"", at) + 4;
    std::istringstream d(svg.substr(begin, svg.find('"', begin) - begin));
    found.emplace_back();
    char letter = 0;  // M or L, before each point
    for (double x = 0, y = 0; d >> letter >> x >> y;) found.back().emplace_back(x, y);
  }
  return found;
}

TEST(LineChart, HasLegendAxesAndTooltips) {
  LineChart chart = chart_of({steps("train", {8, 4, 2, 1}), steps("", {8, 5, 3, 1})});
  chart.levels = {{"bigram, 3.50", 3.5, "level quiet"}};
  chart.right_label = "nats";
  chart.right_factor = 0.6931;
  const std::string svg = draw(chart).element();
  EXPECT_EQ(markup_fault(svg), "");
  EXPECT_EQ(count_of(svg, ">train</text>"), 1);
  EXPECT_EQ(count_of(svg, ">bigram, 3.50</text>"), 1);
  EXPECT_EQ(count_of(svg, ">step</text>"), 1);
  EXPECT_EQ(count_of(svg, ">bits</text>"), 1);
  EXPECT_EQ(count_of(svg, ">nats</text>"), 1);
  EXPECT_EQ(count_of(svg, "<title>"), 4);
  EXPECT_EQ(count_of(svg, "<title>step 2\ntrain: 4.000 bits</title>"), 1);
  EXPECT_EQ(curves(svg).size(), 2u);
}

TEST(LineChart, FallsWhereTheDataFall) {
  const auto points = curves(draw(chart_of({steps("a", {8, 4, 2, 1})})).element()).at(0);
  ASSERT_EQ(points.size(), 4u);
  for (std::size_t i = 1; i < 4; ++i) {
    EXPECT_GT(points[i].first, points[i - 1].first);
    EXPECT_GT(points[i].second, points[i - 1].second);  // down, in SVG
  }
  // Linear: from 8 to 4 is twice as far as from 4 to 2.
  EXPECT_NEAR(points[1].second - points[0].second, 2 * (points[2].second - points[1].second), 0.05);
  LineChart log = chart_of({steps("a", {8, 4, 2, 1})});
  log.logarithmic = true;
  const auto even = curves(draw(log).element()).at(0);
  EXPECT_NEAR(even[1].second - even[0].second, even[2].second - even[1].second, 0.05);
}

TEST(LineChart, KeepsSpikesOfLongSeries) {
  std::vector<double> y(200000, 1.0);
  y[123456] = 9;
  y[150000] = -7;
  const std::string svg = draw(chart_of({steps("a", y)})).element();
  EXPECT_LT(svg.size(), 120000u);
  const auto points = curves(svg).at(0);
  double top = 1e9, bottom = 0, middle = points[0].second;
  for (const auto& [px, py] : points) {
    top = std::min(top, py);
    bottom = std::max(bottom, py);
  }
  EXPECT_NEAR((middle - top) / (bottom - middle), 1.0, 0.01);  // 9 - 1 = 1 - -7
}

TEST(LineChart, EndsAtItsTopAndSaysWhereCurvesLeave) {
  LineChart chart = chart_of({steps("a", {9, 1, 1, 9})});
  chart.top = 5;
  const auto points = curves(draw(chart).element()).at(0);
  // Both crossings of 5 are put in half way.
  ASSERT_EQ(points.size(), 4u);
  EXPECT_EQ(points[0].second, points[3].second);
  EXPECT_NEAR((points[1].first - points[0].first) / (points[2].first - points[1].first), 0.5, 1e-3);
  for (const auto& [px, py] : points) EXPECT_GE(py, points[0].second);
}

TEST(LineChart, DrawsWhateverItGets) {
  EXPECT_EQ(count_of(draw(chart_of({})).element(), "no data yet"), 1);
  EXPECT_EQ(count_of(draw(chart_of({steps("a", {})})).element(), "no data yet"), 1);
  EXPECT_EQ(count_of(draw(chart_of({steps("a", {NAN, INFINITY})})).element(), "no data yet"), 1);
  Random random(1);
  const double odd[] = {0, -1, 1, NAN, INFINITY, -INFINITY, 1e300, -1e300, 1e-300, 5};
  for (int round = 0; round < 100; ++round) {
    std::vector<double> y(1 + random.below(2000));
    for (double& value : y) value = random.below(9) == 0 ? odd[random.below(10)] : random.normal();
    LineChart chart = chart_of({steps("<a>", y), steps("b", {1})});
    chart.logarithmic = round % 2 == 0;
    chart.from_zero = round % 3 == 0;
    if (round % 5 == 0) chart.top = random.normal();
    chart.series[0].points = true;
    chart.levels = {{"l", odd[random.below(10)], "level s4"}};
    const std::string svg = draw(chart).element();
    ASSERT_EQ(markup_fault(svg), "");
    ASSERT_EQ(count_of(svg, "nan"), 0);
    ASSERT_EQ(count_of(svg, "inf"), 0);
  }
}

HeatMap map_of(std::int64_t rows, std::vector<double> values) {
  HeatMap map;
  map.row_label = "expert";
  map.column_label = "step";
  map.unit = "× fair share";
  map.rows = rows;
  const std::size_t columns = values.size() / static_cast<std::size_t>(rows);
  for (std::size_t c = 0; c <= columns; ++c) map.edges.push_back(1 + 10.0 * static_cast<double>(c));
  map.values = std::move(values);
  return map;
}

TEST(HeatMap, ColoursByThirdsOfAnOctave) {
  const std::pair<double, int> cases[] = {{0, 0},    {0.1, 0}, {0.25, 0}, {0.5, 3},  {0.794, 5},
                                          {0.9, 6},  {1, 6},   {1.1, 6},  {1.26, 7}, {2, 9},
                                          {3.9, 12}, {4, 12},  {100, 12}};
  for (const auto& [value, colour] : cases) {
    const std::string svg = draw(map_of(1, {value})).element();
    EXPECT_EQ(count_of(svg, "\"cells h"), 1);
    EXPECT_EQ(count_of(svg, "\"cells h" + std::to_string(colour) + "\""), 1) << value;
  }
}

TEST(HeatMap, TellsEveryCellInATooltip) {
  const std::string svg = draw(map_of(2, {1, 2, 0.5, 0.25})).element();
  EXPECT_EQ(markup_fault(svg), "");
  EXPECT_EQ(count_of(svg, "<title>"), 4);
  EXPECT_EQ(count_of(svg, "<title>expert 0, steps 1–10: 1.00 × fair share</title>"), 1);
  EXPECT_EQ(count_of(svg, "<title>expert 1, steps 11–20: 0.250 × fair share</title>"), 1);
}

TEST(HeatMap, GivesLargeOnesATooltipARow) {
  std::vector<double> values(256 * 90, 1.0);
  values[5] = 3;
  const std::string svg = draw(map_of(256, values)).element();
  EXPECT_EQ(count_of(svg, "<title>"), 256);
  EXPECT_EQ(
      count_of(svg, "<title>expert 0: mean 1.02, least 1.00, largest 3.00 × fair share</title>"),
      1);
}

TEST(HeatMap, IsTheSameWithoutTooltips) {
  HeatMap map = map_of(2, {1, 2, 0.5, 0.25});
  const std::string with = draw(map).element();
  map.tooltips = false;
  const std::string without = draw(map).element();
  EXPECT_EQ(count_of(without, "<title>"), 0);
  EXPECT_EQ(count_of(without, "<rect"), 0);
  EXPECT_EQ(count_of(without, "<path"), count_of(with, "<path"));
  EXPECT_EQ(count_of(without, "<text"), count_of(with, "<text"));
}

TEST(HeatMap, LeavesHolesAndDrawsWhateverItGets) {
  const std::string hole = draw(map_of(1, {1, NAN, 1})).element();
  EXPECT_EQ(count_of(hole, "<title>"), 2);
  EXPECT_EQ(count_of(hole, "z\""), 1);
  EXPECT_EQ(count_of(hole, "zM"), 1);  // two runs of cells, one on either side
  EXPECT_EQ(count_of(draw(HeatMap()).element(), "no data yet"), 1);
  Random random(1);
  const double odd[] = {0, NAN, INFINITY, 1e300, 1e-300, 1, -1};
  for (int round = 0; round < 50; ++round) {
    const auto rows = static_cast<std::int64_t>(1 + random.below(70));
    std::vector<double> values(static_cast<std::size_t>(rows) * (1 + random.below(60)));
    for (double& value : values) {
      value = random.below(5) == 0 ? odd[random.below(7)] : std::fabs(random.normal());
    }
    const std::string svg = draw(map_of(rows, values)).element();
    ASSERT_EQ(markup_fault(svg), "");
    ASSERT_EQ(count_of(svg, "nan") + count_of(svg, "inf"), 0);
  }
}

TEST(HeatMap, HasALegendOfAllColours) {
  const std::string svg = draw_heat_legend("× fair share").element();
  EXPECT_EQ(markup_fault(svg), "");
  for (int k = 0; k <= 12; ++k) EXPECT_EQ(count_of(svg, "cells h" + std::to_string(k) + "\""), 1);
}

}  // namespace
}  // namespace triptych

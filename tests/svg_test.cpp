// ctest: timeout=60 labels=sanitize
// Drawing primitives: labels, axes, elements.
#include "train/svg.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "markup.h"
#include "train/random.h"

namespace triptych {
namespace {

using testing::count_of;
using testing::markup_fault;

std::vector<std::string> labels(const Axis& axis) {
  std::vector<std::string> texts;
  for (const Tick& tick : axis.ticks) texts.push_back(tick.label);
  return texts;
}
using Labels = std::vector<std::string>;

TEST(Markup, TheJudgeFindsFaults) {  // the harness itself
  EXPECT_EQ(markup_fault("<!DOCTYPE html>\n<a b=\"c\"><d/>x &amp; y</a>"), "");
  for (const char* bad :
       {"<a>", "</a>", "<a></b>", "<a b=c></a>", "<a b=\"c></a>", "a & b", "&bad;", "<a", "x > y",
        "<script></script>", "<a onclick=\"x\"></a>", "<a href=\"http://x\"></a>",
        "<img src=\"x\"/>", "<style>a{b:url(x)}</style>"}) {
    EXPECT_NE(markup_fault(bad), "") << bad;
  }
}

TEST(Svg, EscapesText) {
  EXPECT_EQ(escape_markup("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
  EXPECT_EQ(escape_markup("\x1b\xff ok\n"), "\xEF\xBF\xBD\xEF\xBF\xBD ok\n");
}

TEST(Svg, WritesShortCoordinates) {
  EXPECT_EQ(coordinate(0), "0");
  EXPECT_EQ(coordinate(-0.001), "0");
  EXPECT_EQ(coordinate(12), "12");
  EXPECT_EQ(coordinate(12.5), "12.5");
  EXPECT_EQ(coordinate(-12.346), "-12.35");
  EXPECT_EQ(coordinate(100), "100");
  EXPECT_EQ(coordinate(NAN), "0");
  EXPECT_EQ(coordinate(INFINITY), "0");
}

TEST(Svg, WritesNumbersForPeople) {
  EXPECT_EQ(number_text(0), "0");
  EXPECT_EQ(number_text(0.3123), "0.312");
  EXPECT_EQ(number_text(2.312), "2.31");
  EXPECT_EQ(number_text(9.996), "10.0");
  EXPECT_EQ(number_text(48.23), "48.2");
  EXPECT_EQ(number_text(999.6), "1000");
  EXPECT_EQ(number_text(4204.4), "4204");
  EXPECT_EQ(number_text(12345.6), "12\u2009346");
  EXPECT_EQ(number_text(1234567), "1\u2009234\u2009567");
  EXPECT_EQ(number_text(-0.5, 2), "\u22120.50");
  EXPECT_EQ(number_text(0.001), "0.00100");
  EXPECT_EQ(number_text(0.00022, 2), "2.2·10⁻⁴");
  EXPECT_EQ(number_text(1e-10, 1), "10⁻¹⁰");
  EXPECT_EQ(number_text(1e20, 3), "10²⁰");
  EXPECT_EQ(number_text(NAN), "–");
  EXPECT_EQ(number_text(-INFINITY), "–");
}

TEST(Svg, WritesStepsWithoutDecimals) {
  EXPECT_EQ(short_number(2), "2");
  EXPECT_EQ(short_number(320), "320");
  EXPECT_EQ(short_number(12300), "12\u2009300");
  EXPECT_EQ(short_number(0.5), "0.5");
  EXPECT_EQ(short_number(0), "0");
}

TEST(Axis, HasRoundTicks) {
  EXPECT_EQ(labels(Axis::linear(0, 10, 5)), (Labels{"0", "2", "4", "6", "8", "10"}));
  EXPECT_EQ(labels(Axis::linear(1.85, 3.58, 5)),
            (Labels{"1.5", "2.0", "2.5", "3.0", "3.5", "4.0"}));
  EXPECT_EQ(labels(Axis::linear(0, 0.002, 4)),
            (Labels{"0", "0.5·10⁻³", "1.0·10⁻³", "1.5·10⁻³", "2.0·10⁻³"}));
  EXPECT_EQ(labels(Axis::linear(-1, 1, 4)), (Labels{"\u22121.0", "\u22120.5", "0", "0.5", "1.0"}));
  EXPECT_EQ(labels(Axis::tight(1, 800, 8)),
            (Labels{"100", "200", "300", "400", "500", "600", "700", "800"}));
  EXPECT_EQ(labels(Axis::tight(0, 20000, 4)),
            (Labels{"0", "5000", "10\u2009000", "15\u2009000", "20\u2009000"}));
}

TEST(Axis, LinearOnesCoverTheirRangeWithAFewDistinctTicks) {
  Random random(1);
  for (int i = 0; i < 20000; ++i) {
    const double scale = std::pow(10, 24 * random.uniform() - 12);
    double low = random.normal() * scale, high = low + (random.uniform() + 1e-6) * scale;
    if (i % 3 == 0) low = 0;
    if (high < low) std::swap(low, high);
    const Axis axis = Axis::linear(low, high, 6), tight = Axis::tight(low, high, 6);
    ASSERT_LE(axis.low, low + 1e-6 * (high - low));
    ASSERT_GE(axis.high, high - 1e-6 * (high - low));
    ASSERT_LE(axis.high - axis.low, 1.9 * (high - low)) << low << ' ' << high;
    ASSERT_GE(axis.ticks.size(), 4u);
    ASSERT_LE(axis.ticks.size(), 12u);
    ASSERT_EQ(tight.low, low);
    ASSERT_EQ(tight.high, high);
    for (const Axis* one : {&axis, &tight}) {
      std::set<std::string> distinct;
      for (const Tick& tick : one->ticks) {
        distinct.insert(tick.label);
        ASSERT_GE(tick.value, one->low - 1e-6 * (high - low));
        ASSERT_LE(tick.value, one->high + 1e-6 * (high - low));
      }
      ASSERT_EQ(distinct.size(), one->ticks.size()) << low << ' ' << high;
    }
  }
}

TEST(Axis, SurvivesDegenerateRanges) {
  const std::pair<double, double> ranges[] = {
      {0, 0}, {5, 5}, {-3, -3}, {NAN, 1}, {-INFINITY, INFINITY}, {2, 1}, {1, 1 + 1e-15}};
  for (const auto& [low, high] : ranges) {
    for (const Axis& axis :
         {Axis::linear(low, high), Axis::tight(low, high), Axis::log(low, high)}) {
      EXPECT_LT(axis.low, axis.high);
      EXPECT_FALSE(axis.ticks.empty());
      EXPECT_TRUE(std::isfinite(axis.place(1, 0, 100)));
    }
  }
}

TEST(Axis, LogarithmicOnesHaveTicksInEveryDecade) {
  EXPECT_EQ(labels(Axis::log(1, 100)), (Labels{"1", "2", "5", "10", "20", "50", "100"}));
  EXPECT_EQ(labels(Axis::log(0.9, 2e5)),
            (Labels{"1", "10", "100", "1000", "10\u2009000", "100\u2009000"}));
  EXPECT_GE(Axis::log(3.1, 3.2).ticks.size(), 1u);
  EXPECT_LE(Axis::log(1e-30, 1e30).ticks.size(), 12u);
}

TEST(Axis, PlacesValues) {
  const Axis linear = Axis::tight(0, 10);
  EXPECT_EQ(linear.place(5, 100, 200), 150);
  EXPECT_EQ(linear.place(5, 200, 100), 150);
  EXPECT_EQ(linear.place(-5, 100, 200), 100);
  EXPECT_EQ(linear.place(50, 100, 200), 200);
  EXPECT_TRUE(std::isnan(linear.place(NAN, 100, 200)));
  EXPECT_NEAR(Axis::log(1, 100).place(10, 0, 1), 0.5, 1e-12);
}

TEST(Svg, InterruptsALineWhereThereIsNoValue) {
  const auto path = [](std::vector<double> y) {
    std::vector<double> x;
    for (std::size_t i = 0; i < y.size(); ++i) x.push_back(static_cast<double>(i));
    Svg svg(10, 10, "");
    svg.polyline(x, y, "c");
    const std::string text = svg.element();
    const std::size_t d = text.find(" d=\"");
    return d == text.npos ? "" : text.substr(d + 4, text.find('"', d + 4) - d - 4);
  };
  EXPECT_EQ(path({1, 2, 3}), "M0 1L1 2L2 3");
  EXPECT_EQ(path({1, NAN, 3, 4}), "M0 1h0M2 3L3 4");
  EXPECT_EQ(path({NAN, 2, INFINITY}), "M1 2h0");
  EXPECT_EQ(path({NAN}), "");
  EXPECT_EQ(path({}), "");
}

TEST(Svg, PlacesAPictureInAnother) {
  Svg inner(10, 10, "inner");
  inner.line(1, 2, 3, 4, "grid");
  Svg outer(100, 100, "outer");
  outer.place(inner, 20.5, 30);
  const std::string svg = outer.document();
  EXPECT_EQ(markup_fault(svg), "");
  EXPECT_EQ(count_of(svg, "<svg"), 1);
  EXPECT_EQ(count_of(svg, "<g transform=\"translate(20.5 30)\">\n<line class=\"grid\" x1=\"1\""), 1);
}

TEST(Svg, IsWellFormedAloneAndInAPage) {
  Svg svg(100, 50, "a \"title\" & more");
  svg.line(0, 0, 1, 1, "grid");
  svg.rect(0, 0, 5, 5, "h1", "tip <1>", 2);
  svg.rect(0, 0, 5, 5, "h1");
  svg.circle(1, 1, 1, "dot");
  svg.text(1, 2, "x < y", "tick", "end");
  svg.vertical_text(1, 2, "up & down", "axis-label");
  svg.path("M0 0L1 1", "curve");
  EXPECT_EQ(markup_fault(svg.element()), "");
  EXPECT_EQ(markup_fault(svg.document()), "");
  EXPECT_EQ(count_of(svg.element(), "<title>tip &lt;1&gt;</title>"), 1);
  EXPECT_EQ(count_of(svg.element(), "<style>"), 0);
  EXPECT_EQ(count_of(svg.document(), "prefers-color-scheme: dark"), 1);
}

TEST(Svg, StylesEveryColourInBothModes) {
  const std::string style(svg_style());
  for (int k = 0; k <= 12; ++k) {
    EXPECT_EQ(count_of(style, "--h" + std::to_string(k) + ":"), 2);
    EXPECT_EQ(count_of(style, "var(--h" + std::to_string(k) + ")"), 1);
  }
  for (const char* name :
       {"page", "surface", "ink", "soft", "faint", "grid", "s1", "s2", "s3", "s4"}) {
    EXPECT_EQ(count_of(style, std::string("--") + name + ":"), 2) << name;
  }
}

}  // namespace
}  // namespace triptych

// The way of the tokens, as an SVG to standard output: to their experts' rows and back.
#include <fmt/format.h>

#include "layer.h"
#include "train/svg.h"

namespace {

using namespace triptych;
using namespace triptych::tutorial;

constexpr double token_x = 70, row_x = 380, end_x = 690, picture_width = 760;
constexpr double top = 84, row_step = 26, lane_gap = 34, token_step = 72;

std::string colour(int expert) { return fmt::format("s{}", expert + 1); }
double token_y(int token) { return top + 16 + token * token_step; }
/// Rows of one expert lie close, experts apart.
double row_y(int row, int expert) { return top + row * row_step + expert * lane_gap; }

void draw_curve(Svg& svg, double x1, double y1, double x2, double y2, const std::string& style) {
  const double middle = (x1 + x2) / 2;
  svg.path(fmt::format("M{} {}C{} {} {} {} {} {}", coordinate(x1), coordinate(y1),
                       coordinate(middle), coordinate(y1), coordinate(middle), coordinate(y2),
                       coordinate(x2), coordinate(y2)),
           style);
}

void draw_tokens(Svg& svg) {
  for (int t = 0; t < tokens; ++t) {
    svg.circle(token_x, token_y(t), 14, "dot quiet");
    svg.text(token_x, token_y(t) + 4, fmt::format("t{}", t), "name", "middle");
    svg.circle(end_x, token_y(t), 14, "dot quiet");
    svg.text(end_x, token_y(t) + 4, fmt::format("y{}", t), "name", "middle");
  }
}

/// An expert's rows in a frame; of one without rows a line is left.
void draw_expert(Svg& svg, const Plan& plan, int e) {
  const int begin = plan.offsets[e], count = plan.counts[e];
  const double y = row_y(begin, e) - row_step / 2;
  svg.text(row_x, y - 7, count > 0 ? fmt::format("e{}", e) : fmt::format("e{}: no row", e), "name",
           "middle");
  svg.rect(row_x - 58, y, 116, count > 0 ? count * row_step : 2, "h6 " + colour(e), {}, 3);
  for (int r = begin; r < begin + count; ++r) {
    const int i = plan.source_of[r];
    svg.text(row_x - 48, row_y(r, e) + 4, fmt::format("r{}", r), "name");
    svg.text(row_x + 48, row_y(r, e) + 4, fmt::format("t{}, k = {}", i / choices, i % choices),
             "tick", "end");
  }
}

}  // namespace

int main() {
  const Forward f = forward(tiny_layer());
  Svg svg(picture_width, row_y(rows, experts - 1) + 10,
          "Six tokens go to twelve rows in the order of their experts, and back");
  svg.text(token_x, 28, "tokens", "axis-label", "middle");
  svg.text((token_x + row_x) / 2, 28, "dispatch: row_of", "axis-label", "middle");
  svg.text(row_x, 28, "rows in expert order", "axis-label", "middle");
  svg.text((row_x + end_x) / 2, 28, "combine: the same map", "axis-label", "middle");
  for (int i = 0; i < rows; ++i) {
    const int e = f.routes.chosen[i], t = i / choices;
    const double y = row_y(f.plan.row_of[i], e);
    draw_curve(svg, token_x + 14, token_y(t), row_x - 58, y, "curve " + colour(e));
    draw_curve(svg, row_x + 58, y, end_x - 14, token_y(t), "curve " + colour(e));
  }
  for (int e = 0; e < experts; ++e) draw_expert(svg, f.plan, e);
  draw_tokens(svg);
  fmt::print("{}", svg.document());
}

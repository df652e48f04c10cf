// The layer, table by table:
//
//   layer          all of it
//   layer route    one part: route, dispatch, gather, gate_up, act, out, combine, tier
#include "layer.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "through_tier.h"

namespace {

using namespace triptych::tutorial;

/// A line of integers under a name.
void print_line(std::string_view name, const std::vector<int>& values) {
  fmt::print("{:<10}", name);
  for (const int value : values) fmt::print("{:>4}", value);
  fmt::print("\n");
}

/// Which token and choice lie in a row, and whose row it is.
std::string row_name(const Forward& f, int row) {
  const int i = f.plan.source_of[row];
  return fmt::format("r{:<2}  e{}  t{}.{}", row, f.routes.chosen[i], i / choices, i % choices);
}

/// A table with a row for each row of the plan.
void print_rows(std::string_view title, const Forward& f, const Table& table) {
  fmt::print("{}\n", title);
  for (int r = 0; r < rows; ++r) {
    fmt::print("{}", row_name(f, r));
    for (int c = 0; c < table.columns; ++c) fmt::print("{:>9.3f}", table(r, c));
    fmt::print("\n");
  }
}

void print_route(const Forward& f) {
  fmt::print("       e0     e1     e2     e3     chosen  gates\n");
  for (int t = 0; t < tokens; ++t) {
    fmt::print("t{} ", t);
    for (int e = 0; e < experts; ++e) fmt::print("{:>7.3f}", f.routes.scores(t, e));
    const int* chosen = &f.routes.chosen[t * choices];
    fmt::print("   e{} e{}   {:.3f} {:.3f}\n", chosen[0], chosen[1], f.routes.gates(t, 0),
               f.routes.gates(t, 1));
  }
}

void print_dispatch(const Forward& f) {
  print_line("counts", f.plan.counts);
  print_line("offsets", f.plan.offsets);
  print_line("row_of", f.plan.row_of);
  print_line("source_of", f.plan.source_of);
}

void print_combine(const Forward& f) {
  for (int t = 0; t < tokens; ++t) {
    fmt::print("y[t{}] = r{:<2} + r{:<2} =", t, f.plan.row_of[t * choices],
               f.plan.row_of[t * choices + 1]);
    for (int d = 0; d < width; ++d) fmt::print("{:>8.3f}", f.y(t, d));
    fmt::print("\n");
  }
}

void print_tier(const Layer& layer, const Forward& f) {
  const TierResult tier = through_tier(layer, Table(tokens, width));
  fmt::print("y[t0] by hand    ");
  for (int d = 0; d < width; ++d) fmt::print("{:>12.8f}", f.y(0, d));
  fmt::print("\ny[t0] of the tier");
  for (int d = 0; d < width; ++d) fmt::print("{:>12.8f}", tier.y(0, d));
  const bool agree = largest_difference(f.y, tier.y) < 1e-14;
  fmt::print("\nall of y within 1e-14: {}\n", agree ? "yes" : "no");
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view part = argc > 1 ? argv[1] : "";
  const Layer layer = tiny_layer();
  const Forward f = forward(layer);
  const auto wanted = [&](std::string_view name) { return part.empty() || part == name; };
  if (wanted("route")) print_route(f);
  if (wanted("dispatch")) print_dispatch(f);
  if (wanted("gather")) print_rows("x, gathered", f, f.x);
  if (wanted("gate_up")) print_rows("gate_up: three of gate, three of up", f, f.gate_up);
  if (wanted("act")) print_rows("act", f, f.act);
  if (wanted("out")) print_rows("out", f, f.out);
  if (wanted("combine")) print_combine(f);
  if (wanted("tier")) print_tier(layer, f);
}

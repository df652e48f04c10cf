// How the router learns: its gradient by hand, by central differences, and from the tier.
#include <fmt/format.h>

#include "layer.h"
#include "through_tier.h"

namespace {

using namespace triptych::tutorial;

/// What comes down from the rest of the model: any numbers will do.
Table some_dy() {
  Table dy(tokens, width);
  for (int i = 0; i < tokens * width; ++i) {
    dy.values[static_cast<std::size_t>(i)] = (i * 5 % 7 - 3) / 4.0;
  }
  return dy;
}

/// L = Σ dy · y, whose gradient by y is dy.
double loss_of(const Layer& layer, const Table& dy) {
  const Table y = forward(layer).y;
  double loss = 0;
  for (std::size_t i = 0; i < y.values.size(); ++i) loss += dy.values[i] * y.values[i];
  return loss;
}

/// The gradient of each row's weight.
std::vector<double> weight_gradient(const Layer& layer, const Forward& f, const Table& dy) {
  const std::vector<int> expert = experts_of_rows(f.plan);
  std::vector<double> dweight(rows);
  // [dweight]
  for (int r = 0; r < rows; ++r) {
    const int e = expert[r], t = f.plan.token_of(r);
    for (int j = 0; j < inner; ++j) {
      double dact = 0;  // dA': by the weighted act
      for (int d = 0; d < width; ++d) dact += dy(t, d) * layer.down(e * width + d, j);
      const double a = silu(f.gate_up(r, j)) * f.gate_up(r, inner + j);  // A: without the weight
      dweight[r] += dact * a;
    }
  }
  // [/dweight]
  return dweight;
}

Table router_gradient(const Layer& layer, const Forward& f, const std::vector<double>& dweight) {
  Table drouter(experts, width);
  for (int t = 0; t < tokens; ++t) {
    double sum = 0, mean = 0;  // of the chosen scores; of dgate, weighted by the gates
    for (int k = 0; k < choices; ++k) {
      sum += f.routes.scores(t, f.routes.chosen[t * choices + k]);
      mean += dweight[f.plan.row_of[t * choices + k]] * f.routes.gates(t, k);
    }
    for (int k = 0; k < choices; ++k) {
      const int e = f.routes.chosen[t * choices + k];
      const double s = f.routes.scores(t, e);
      const double dscore = (dweight[f.plan.row_of[t * choices + k]] - mean) / sum;
      const double dlogit = dscore * s * (1 - s);
      for (int d = 0; d < width; ++d) drouter(e, d) += dlogit * layer.x(t, d);
    }
  }
  return drouter;
}

/// (L(w + h) - L(w - h)) / 2h for each of the router's weights.
Table central_differences(const Layer& layer, const Table& dy) {
  Table differences(experts, width);
  constexpr double h = 1e-5;
  for (std::size_t i = 0; i < layer.router.values.size(); ++i) {
    Layer up = layer, down = layer;
    up.router.values[i] += h;
    down.router.values[i] -= h;
    differences.values[i] = (loss_of(up, dy) - loss_of(down, dy)) / (2 * h);
  }
  return differences;
}

void print(const Table& table) {
  for (int e = 0; e < experts; ++e) {
    fmt::print("e{}", e);
    for (int d = 0; d < width; ++d) fmt::print("{:>11.6f}", table(e, d));
    fmt::print("\n");
  }
}

}  // namespace

int main() {
  const Layer layer = tiny_layer();
  const Table dy = some_dy();
  const Forward f = forward(layer);
  const Table by_hand = router_gradient(layer, f, weight_gradient(layer, f, dy));
  const Table differences = central_differences(layer, dy);
  const Table tier = through_tier(layer, dy).drouter;
  print(by_hand);
  fmt::print("central differences within 1e-8: {}\n",
             largest_difference(by_hand, differences) < 1e-8 ? "yes" : "no");
  fmt::print("the tier's gradient within 1e-13: {}\n",
             largest_difference(by_hand, tier) < 1e-13 ? "yes" : "no");
}

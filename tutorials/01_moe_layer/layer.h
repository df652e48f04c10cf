/// \file
/// A Mixture-of-Experts layer in plain loops, small enough to follow with a pencil.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace triptych::tutorial {

constexpr int tokens = 6;               // T
constexpr int width = 4;                // D: numbers that a token is made of
constexpr int inner = 3;                // F: an expert's inner width
constexpr int experts = 4;              // E
constexpr int choices = 2;              // K: experts that a token sees
constexpr int rows = tokens * choices;  // R: one for each (token, choice)

/// Numbers in rows and columns.
struct Table {
  Table(int row_count, int column_count)
      : columns(column_count), values(static_cast<std::size_t>(row_count * column_count)) {}
  double& operator()(int row, int column) { return values[at(row, column)]; }
  double operator()(int row, int column) const { return values[at(row, column)]; }
  std::size_t at(int row, int column) const {
    return static_cast<std::size_t>(row * columns + column);
  }
  int row_count() const { return static_cast<int>(values.size()) / columns; }

  int columns;
  std::vector<double> values;
};

/// The input and the parameters. All experts lie in one table each, one below the other.
struct Layer {
  Table x{tokens, width};
  Table router{experts, width};
  Table gate_up{experts * 2 * inner, width};  // of each expert: its gate rows, then its up rows
  Table down{experts * width, inner};
};

/// The numbers of this chapter.
inline Layer tiny_layer() {
  Layer layer;
  // [numbers]
  layer.x.values = {0.5,  0.5,  -1,  -1,         // t0
                    -1,   0.5,  1,   1.5,        // t1
                    1.5,  1.5,  1.5, 1,          // t2
                    -0.5, 1.5,  -1,  -0.5,       // t3
                    -1,   1,    -1,  1,          // t4
                    0,    -0.5, -1,  -0.5};      // t5
  layer.router.values = {-1,   0.5,  -0.5, 0.5,  // e0
                         -0.5, -0.5, 1,    1,    // e1
                         -1,   -0.5, 1,    -1,   // e2
                         0.5,  0.5,  0,    -1};  // e3
  // [/numbers]
  // The experts' weights: any small numbers that differ.
  for (int i = 0; i < experts * 2 * inner * width; ++i) {
    layer.gate_up.values[static_cast<std::size_t>(i)] = (i * 7 % 11 - 5.5) / 4;
  }
  for (int i = 0; i < experts * width * inner; ++i) {
    layer.down.values[static_cast<std::size_t>(i)] = (i * 5 % 13 - 6) / 4.0;
  }
  return layer;
}

/// What the router decides.
struct Routes {
  Table scores{tokens, experts};
  std::vector<int> chosen = std::vector<int>(rows);  // [T,K]: experts, the best first
  Table gates{tokens, choices};                      // how much each chosen expert counts
};

inline Routes route(const Layer& layer) {
  Routes r;
  for (int t = 0; t < tokens; ++t) {
    // [route]
    for (int e = 0; e < experts; ++e) {
      double logit = 0;
      for (int d = 0; d < width; ++d) logit += layer.x(t, d) * layer.router(e, d);
      r.scores(t, e) = 1 / (1 + std::exp(-logit));
    }
    std::vector<double> left(&r.scores(t, 0), &r.scores(t, 0) + experts);
    double sum = 0;
    for (int k = 0; k < choices; ++k) {
      const auto best = std::max_element(left.begin(), left.end());  // the first of equals
      r.chosen[t * choices + k] = static_cast<int>(best - left.begin());
      sum += *best;
      *best = -1;  // below every score: not again
    }
    for (int k = 0; k < choices; ++k) {
      r.gates(t, k) = r.scores(t, r.chosen[t * choices + k]) / sum;
    }
    // [/route]
  }
  return r;
}

/// The maps between (token, choice) pairs and rows in the order of experts.
struct Plan {
  std::vector<int> counts = std::vector<int>(experts);
  std::vector<int> offsets = std::vector<int>(experts + 1);
  std::vector<int> row_of = std::vector<int>(rows);     // [T,K]: where a pair's row lies
  std::vector<int> source_of = std::vector<int>(rows);  // [R]: t·K + k of the pair in a row

  int token_of(int row) const { return source_of[row] / choices; }
};

/// The expert that computes each row.
inline std::vector<int> experts_of_rows(const Plan& plan) {
  std::vector<int> expert(rows);
  for (int e = 0; e < experts; ++e) {
    for (int r = plan.offsets[e]; r < plan.offsets[e + 1]; ++r) expert[r] = e;
  }
  return expert;
}

inline Plan dispatch(const std::vector<int>& chosen) {
  Plan plan;
  // [dispatch]
  // Count: the rows of each expert.
  for (int i = 0; i < rows; ++i) ++plan.counts[chosen[i]];
  // Offsets: what is counted before an expert is where its rows begin.
  for (int e = 0; e < experts; ++e) plan.offsets[e + 1] = plan.offsets[e] + plan.counts[e];
  // Slots: in the order of tokens, i = t·K + k, each pair takes its expert's next row.
  std::vector<int> next(plan.offsets.begin(), plan.offsets.end() - 1);
  for (int i = 0; i < rows; ++i) {
    const int row = next[chosen[i]]++;
    plan.row_of[i] = row;
    plan.source_of[row] = i;
  }
  // [/dispatch]
  return plan;
}

/// Everything that the layer computes, in the order in which it does.
struct Forward {
  Routes routes;
  Plan plan;
  std::vector<double> weight = std::vector<double>(rows);  // [R]: the gate of a row's pair
  Table x{rows, width};                                    // gathered
  Table gate_up{rows, 2 * inner};
  Table act{rows, inner};
  Table out{rows, width};  // what the experts say
  Table y{tokens, width};
};

inline double silu(double v) { return v / (1 + std::exp(-v)); }

inline Forward forward(const Layer& layer) {
  Forward f;
  f.routes = route(layer);
  f.plan = dispatch(f.routes.chosen);
  const std::vector<int> expert = experts_of_rows(f.plan);
  // [gather]
  for (int r = 0; r < rows; ++r) {
    const int i = f.plan.source_of[r], t = i / choices, k = i % choices;
    for (int d = 0; d < width; ++d) f.x(r, d) = layer.x(t, d);
    f.weight[r] = f.routes.gates(t, k);
  }
  // [/gather]
  for (int r = 0; r < rows; ++r) {
    const int e = expert[r];
    // [expert]
    for (int j = 0; j < 2 * inner; ++j) {
      for (int d = 0; d < width; ++d) {
        f.gate_up(r, j) += f.x(r, d) * layer.gate_up(e * 2 * inner + j, d);
      }
    }
    for (int j = 0; j < inner; ++j) {
      f.act(r, j) = f.weight[r] * silu(f.gate_up(r, j)) * f.gate_up(r, inner + j);
    }
    for (int d = 0; d < width; ++d) {
      for (int j = 0; j < inner; ++j) f.out(r, d) += f.act(r, j) * layer.down(e * width + d, j);
    }
    // [/expert]
  }
  // [combine]
  for (int t = 0; t < tokens; ++t) {
    for (int k = 0; k < choices; ++k) {
      const int r = f.plan.row_of[t * choices + k];
      for (int d = 0; d < width; ++d) f.y(t, d) += f.out(r, d);
    }
  }
  // [/combine]
  return f;
}

/// The largest difference between two tables of one size.
inline double largest_difference(const Table& a, const Table& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    largest = std::fmax(largest, std::fabs(a.values[i] - b.values[i]));
  }
  return largest;
}

}  // namespace triptych::tutorial

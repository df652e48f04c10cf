#include "bench/plain_moe_layer.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "bench/blas.h"

namespace triptych::bench {
namespace {

using Row = Eigen::Map<Eigen::ArrayXf>;
using ConstRow = Eigen::Map<const Eigen::ArrayXf>;

constexpr std::int64_t rows_a_task = 64;

/// Calls body(begin, end) for tasks of rows, on all threads.
template <class Body>
void for_rows(reference::ThreadPool& pool, std::int64_t count, Body&& body) {
  pool.run((count + rows_a_task - 1) / rows_a_task, [&](std::int64_t task, int) {
    body(task * rows_a_task, std::min(count, (task + 1) * rows_a_task));
  });
}

}  // namespace

PlainMoeLayer::PlainMoeLayer(const PlainShape& shape, int threads)
    : s_(shape), threads_(threads), pool_(threads) {
  const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
  const std::int64_t r = s_.rows();
  scores_.resize(size(s_.tokens * s_.experts));
  dscores_.resize(scores_.size());
  gates_.resize(size(r));
  dgates_.resize(size(r));
  chosen_.resize(size(r));
  row_of_.resize(size(r));
  token_of_.resize(size(r));
  choice_of_.resize(size(r));
  first_row_.resize(size(s_.experts + 1));
  rows_.resize(size(r * s_.width));
  out_.resize(rows_.size());
  gate_up_.resize(size(r * 2 * s_.inner));
  dgate_up_.resize(gate_up_.size());
  act_.resize(size(r * s_.inner));
  dact_.resize(act_.size());
}

void PlainMoeLayer::route(const float* x, const float* router) {
  product_nt(s_.tokens, s_.experts, s_.width, x, router, scores_.data());
  const std::int64_t k_count = s_.choices;
  for_rows(pool_, s_.tokens, [&](std::int64_t begin, std::int64_t end) {
    std::vector<int> order(static_cast<std::size_t>(s_.experts));
    for (std::int64_t t = begin; t < end; ++t) {
      float* score = scores_.data() + t * s_.experts;
      for (std::int64_t e = 0; e < s_.experts; ++e) score[e] = 1 / (1 + std::exp(-score[e]));
      std::iota(order.begin(), order.end(), 0);
      std::partial_sort(order.begin(), order.begin() + k_count, order.end(),
                        [&](int a, int b) { return score[a] > score[b]; });
      float sum = 0;
      for (std::int64_t k = 0; k < k_count; ++k) sum += score[order[static_cast<std::size_t>(k)]];
      for (std::int64_t k = 0; k < k_count; ++k) {
        const int e = order[static_cast<std::size_t>(k)];
        chosen_[static_cast<std::size_t>(t * k_count + k)] = e;
        gates_[static_cast<std::size_t>(t * k_count + k)] = score[e] / sum;
      }
    }
  });
}

void PlainMoeLayer::sort_rows() {
  std::fill(first_row_.begin(), first_row_.end(), 0);
  for (const int e : chosen_) ++first_row_[static_cast<std::size_t>(e) + 1];
  std::partial_sum(first_row_.begin(), first_row_.end(), first_row_.begin());
  std::vector<int> next(first_row_.begin(), first_row_.end() - 1);
  for (std::size_t i = 0; i < chosen_.size(); ++i) {
    const int row = next[static_cast<std::size_t>(chosen_[i])]++;
    row_of_[i] = row;
    token_of_[static_cast<std::size_t>(row)] = static_cast<int>(static_cast<std::int64_t>(i) / s_.choices);
    choice_of_[static_cast<std::size_t>(row)] = static_cast<int>(i);
  }
}

void PlainMoeLayer::forward(const float* x, const Weights& w, float* y) {
  set_blas_threads(threads_);
  const std::int64_t d = s_.width, f = s_.inner, k_count = s_.choices;
  route(x, w.router);
  sort_rows();
  for (std::int64_t e = 0; e < s_.experts; ++e) {
    const std::int64_t first = first_row_[static_cast<std::size_t>(e)];
    const std::int64_t count = first_row_[static_cast<std::size_t>(e) + 1] - first;
    for_rows(pool_, count, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = first + begin; r < first + end; ++r) {
        std::memcpy(rows_.data() + r * d, x + token_of_[static_cast<std::size_t>(r)] * d,
                    static_cast<std::size_t>(d) * sizeof(float));
      }
    });
    product_nt(count, 2 * f, d, rows_.data() + first * d, w.gate_up + e * 2 * f * d,
               gate_up_.data() + first * 2 * f);
    for_rows(pool_, count, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = first + begin; r < first + end; ++r) {
        const ConstRow gate(gate_up_.data() + r * 2 * f, f), up(gate_up_.data() + r * 2 * f + f, f);
        const float weight = gates_[static_cast<std::size_t>(choice_of_[static_cast<std::size_t>(r)])];
        Row(act_.data() + r * f, f) = weight * gate / (1 + (-gate).exp()) * up;
      }
    });
    product_nt(count, d, f, act_.data() + first * f, w.down + e * d * f, out_.data() + first * d);
  }
  for_rows(pool_, s_.tokens, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      Row sum(y + t * d, d);
      sum.setZero();
      for (std::int64_t k = 0; k < k_count; ++k) {
        sum += ConstRow(out_.data() + row_of_[static_cast<std::size_t>(t * k_count + k)] * d, d);
      }
    }
  });
}

void PlainMoeLayer::backward(const float* x, const float* dy, const Weights& w, const Gradients& g,
                             float* dx) {
  set_blas_threads(threads_);
  const std::int64_t d = s_.width, f = s_.inner, k_count = s_.choices;
  for (std::int64_t e = 0; e < s_.experts; ++e) {
    const std::int64_t first = first_row_[static_cast<std::size_t>(e)];
    const std::int64_t count = first_row_[static_cast<std::size_t>(e) + 1] - first;
    float* drows = out_.data() + first * d;
    for_rows(pool_, count, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        std::memcpy(drows + r * d, dy + token_of_[static_cast<std::size_t>(first + r)] * d,
                    static_cast<std::size_t>(d) * sizeof(float));
      }
    });
    product_nn(count, f, d, drows, w.down + e * d * f, dact_.data() + first * f);
    product_tn(d, f, count, drows, act_.data() + first * f, g.down + e * d * f);
    for_rows(pool_, count, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = first + begin; r < first + end; ++r) {
        const ConstRow gate(gate_up_.data() + r * 2 * f, f), up(gate_up_.data() + r * 2 * f + f, f);
        const ConstRow dact(dact_.data() + r * f, f);
        Row dgate(dgate_up_.data() + r * 2 * f, f), dup(dgate_up_.data() + r * 2 * f + f, f);
        const auto choice = static_cast<std::size_t>(choice_of_[static_cast<std::size_t>(r)]);
        const float weight = gates_[choice];
        dup = 1 / (1 + (-gate).exp());  // the sigmoid, for the moment
        dgates_[choice] = (dact * gate * dup * up).sum();
        dgate = weight * dact * up * dup * (1 + gate * (1 - dup));
        dup = weight * dact * gate * dup;
      }
    });
    product_tn(2 * f, d, count, dgate_up_.data() + first * 2 * f, rows_.data() + first * d,
               g.gate_up + e * 2 * f * d);
    product_nn(count, d, 2 * f, dgate_up_.data() + first * 2 * f, w.gate_up + e * 2 * f * d, drows);
  }
  route_backward(x, w.router, g.router, dx);
  for_rows(pool_, s_.tokens, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      Row sum(dx + t * d, d);
      for (std::int64_t k = 0; k < k_count; ++k) {
        sum += ConstRow(out_.data() + row_of_[static_cast<std::size_t>(t * k_count + k)] * d, d);
      }
    }
  });
}

void PlainMoeLayer::route_backward(const float* x, const float* router, float* drouter, float* dx) {
  const std::int64_t k_count = s_.choices;
  std::fill(dscores_.begin(), dscores_.end(), 0.0f);
  for (std::int64_t t = 0; t < s_.tokens; ++t) {
    const float *score = scores_.data() + t * s_.experts, *dgate = dgates_.data() + t * k_count;
    float sum = 0, inner = 0;
    for (std::int64_t k = 0; k < k_count; ++k) {
      sum += score[chosen_[static_cast<std::size_t>(t * k_count + k)]];
      inner += dgate[k] * gates_[static_cast<std::size_t>(t * k_count + k)];
    }
    for (std::int64_t k = 0; k < k_count; ++k) {
      const int e = chosen_[static_cast<std::size_t>(t * k_count + k)];
      dscores_[static_cast<std::size_t>(t * s_.experts + e)] =
          (dgate[k] - inner) / sum * score[e] * (1 - score[e]);
    }
  }
  product_tn(s_.experts, s_.width, s_.tokens, dscores_.data(), x, drouter);
  product_nn(s_.tokens, s_.width, s_.experts, dscores_.data(), router, dx);
}

}  // namespace triptych::bench

// Gradient accumulation: eight windows in one batch or in several, and what a forgotten weight
// does.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "small.h"
#include "train/initialize.h"
#include "train/loader.h"
#include "train/text.h"

namespace triptych::tutorial {
namespace {

constexpr std::int64_t windows = 8;

std::vector<double> values_of(Tier& tier, const Tensor& x) {
  const auto n = static_cast<std::size_t>(x.count());
  if (x.dtype == DType::f64) {
    std::vector<double> values(n);
    tier.download(values.data(), x);
    return values;
  }
  std::vector<float> values(n);
  tier.download(values.data(), x);
  return {values.begin(), values.end()};
}

/// The gradient of the text's first 8 windows in batches of `batch`, each counted with `weight`.
std::vector<double> gradient(const TextSplit& split, Precision precision, std::int64_t batch,
                             double weight) {
  const TrainOptions o = small_options(10, precision);
  const auto tier = make_tier({.name = "reference", .threads = 1});
  Model model(*tier, small_model(),
              {.precision = precision, .batch = batch, .sequence = o.sequence});
  initialize_parameters(model, o.seed);
  BatchLoader loader(split.train, o.sequence, batch, o.seed);
  const std::int64_t tokens = batch * o.sequence;
  std::vector<std::int32_t> x(static_cast<std::size_t>(tokens)), y(x), z(x);
  Arena arena(*tier, std::size_t{1} << 20);
  const Tensor in = arena.take(DType::i32, {tokens}), out = arena.take(DType::i32, {tokens});
  model.begin_step();
  for (std::int64_t done = 0; done < windows; done += batch) {
    loader.next({x, y, z});
    tier->upload(in, x.data());
    tier->upload(out, y.data());
    model.forward_backward({.tokens = in, .targets = out, .mtp_targets = {}}, weight);
  }
  return values_of(*tier, model.parameters().gradients());
}

double norm(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}

/// The largest difference between two gradients, as a part of their norm.
double difference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::fabs(a[i] - b[i]));
  return largest / norm(a);
}

void run() {
  const TextSplit split = split_text(read_text("synthetic:7"), small_options(10).sequence);
  for (const Precision precision : {Precision::f64, Precision::f32}) {
    const double rounding = precision == Precision::f64 ? 1e-14 : 1e-6;
    const std::vector<double> whole = gradient(split, precision, windows, 1);
    fmt::print("{}   1 batch of {}     norm {:.3f}\n", name_of(precision), windows, norm(whole));
    for (const std::int64_t batch : {4, 1}) {
      const std::int64_t count = windows / batch;
      const auto parts = gradient(split, precision, batch, 1.0 / static_cast<double>(count));
      fmt::print("      {} batches of {}   norm {:.3f}, {} {:g} of it\n", count, batch, norm(parts),
                 difference(whole, parts) < rounding ? "no element differs by" : "SOME DIFFER BY",
                 rounding);
    }
  }
  const auto heavy = gradient(split, Precision::f32, 2, 1);
  fmt::print("      4 batches of 2   norm {:.3f}: their weight was 1, not 1/4\n", norm(heavy));
}

}  // namespace
}  // namespace triptych::tutorial

int main() { triptych::tutorial::run(); }

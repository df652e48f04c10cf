#include "train/optimizer.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace triptych {
namespace {

/// Uploads up to three numbers in the tensor's dtype, f32 or f64.
void upload_numbers(Tier& tier, const Tensor& to, const std::array<double, 3>& values) {
  if (to.dtype == DType::f64) {
    tier.upload(to, values.data());
    return;
  }
  std::array<float, 3> narrow{};
  for (std::size_t i = 0; i < values.size(); ++i) narrow[i] = static_cast<float>(values[i]);
  tier.upload(to, narrow.data());
}

}  // namespace

void OptimizerOptions::validate() const {
  const auto demand = [](bool holds, const char* name, double value, const char* range) {
    if (!holds) throw usage_error(fmt::format("optimizer: {} is {}; wanted {}", name, value, range));
  };
  demand(beta1 >= 0 && beta1 < 1, "beta1", beta1, "0 ≤ beta1 < 1");
  demand(beta2 >= 0 && beta2 < 1, "beta2", beta2, "0 ≤ beta2 < 1");
  demand(epsilon > 0 && std::isfinite(epsilon), "epsilon", epsilon, "a positive number");
  demand(weight_decay >= 0 && std::isfinite(weight_decay), "weight_decay", weight_decay, "0 or more");
  demand(clip > 0 && std::isfinite(clip), "clip", clip, "a positive number");
}

Optimizer::Optimizer(Model& model, const OptimizerOptions& options)
    : model_(model), options_(options) {
  options.validate();
  if (!model.options().training) throw usage_error("optimizer: the model was built without training");
  const Precision precision = model.options().precision;
  arena_ = std::make_unique<Arena>(model.tier(), planned_bytes(precision));
  take(*arena_, precision);
  std::size_t scratch = 0;
  for (const Parameter& p : model.parameters().all()) {
    if (!p.trained()) continue;
    scratch = std::max(scratch, model.tier().grad_norm_scratch(
                                    {p.grad.reshape({p.shape.count()}), squared_sum_}));
  }
  model.tier().reserve_scratch(scratch);
}

std::size_t Optimizer::planned_bytes(Precision precision) {
  Arena measure;
  for (const std::int64_t count : {3, 1, 1}) measure.take(accumulation_dtype(precision), {count});
  return measure.used();
}

void Optimizer::take(Arena& arena, Precision precision) {
  const DType acc = accumulation_dtype(precision);
  scalars_ = arena.take(acc, {3});
  squared_sum_ = arena.take(acc, {1});
  speed_ = arena.take(acc, {1});
}

void Optimizer::step(std::int64_t count, double learning_rate, double balance_speed) {
  Tier& tier = model_.tier();
  const auto t = static_cast<double>(count);
  upload_numbers(tier, scalars_, {learning_rate, 1 / (1 - std::pow(options_.beta1, t)),
                                  1 / (1 - std::pow(options_.beta2, t))});
  upload_numbers(tier, speed_, {balance_speed, 0, 0});
  // 1. The norm of the whole gradient.
  tier.zero(squared_sum_);
  const auto flat = [](const Tensor& x) { return x.absent() ? x : x.reshape({x.count()}); };
  for (const Parameter& p : model_.parameters().all()) {
    if (p.trained()) tier.grad_norm({.grad = flat(p.grad), .squared_sum = squared_sum_});
  }
  // 2. AdamW, and the copies that products read.
  for (const Parameter& p : model_.parameters().all()) {
    if (!p.trained()) continue;
    tier.adamw_step({.grad = flat(p.grad), .master = flat(p.master), .first = flat(p.first),
                     .second = flat(p.second), .copy = flat(p.copy), .scalars = scalars_,
                     .squared_sum = squared_sum_, .clip = options_.clip, .beta1 = options_.beta1,
                     .beta2 = options_.beta2, .epsilon = options_.epsilon,
                     .weight_decay = p.decays() ? options_.weight_decay : 0});
  }
  // 3. FP8 codes.
  model_.parameters().quantize(tier);
  // 4. Balancing biases.
  if (balance_speed == 0) return;
  for (std::size_t l = 0; l < model_.loads().size(); ++l) {
    tier.router_update_bias(
        {.load = model_.loads()[l], .bias = model_.router_biases()[l], .speed = speed_});
  }
}

double Optimizer::read_gradient_norm() {
  if (squared_sum_.dtype == DType::f64) {
    double sum = 0;
    model_.tier().download(&sum, squared_sum_);
    return std::sqrt(sum);
  }
  float sum = 0;
  model_.tier().download(&sum, squared_sum_);
  return std::sqrt(static_cast<double>(sum));
}

}  // namespace triptych

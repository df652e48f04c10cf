// A whole training program. The pieces are the project's own; what this file adds is their order.
//
//   train STEPS           trains, and prints the held-out loss six times on the way
//   train STEPS losses    prints every step's loss instead, with all digits
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <numbers>
#include <span>
#include <string_view>
#include <vector>

#include "small.h"
#include "train/bigram.h"
#include "train/initialize.h"
#include "train/loader.h"
#include "train/text.h"

namespace triptych::tutorial {
namespace {

/// A tensor as one row of elements: how the optimizer sees every parameter.
Tensor flat(const Tensor& x) { return x.absent() ? x : x.reshape({x.count()}); }

/// A model in training. The precision may be f32, bf16 or fp8: sums, gradients, masters are f32
/// then.
class Training {
 public:
  Training(Tier& tier, const TextSplit& split, const TrainOptions& options);

  double step();      // trains on one batch; its loss in bits a byte
  double evaluate();  // the held-out loss in bits a byte
  const std::vector<std::size_t>& held_out_windows() const { return held_out_.windows(); }

 private:
  WindowBatch host();
  Batch upload();
  void optimize();

  Tier& tier_;
  TrainOptions options_;
  std::int64_t tokens_in_batch_;
  Model model_;
  BatchLoader loader_;
  EvaluationLoader held_out_;
  Arena arena_;
  std::vector<std::int32_t> host_;
  Tensor tokens_, targets_, scalars_, squared_sum_, speed_;
  std::int64_t done_ = 0;  // steps
};

Training::Training(Tier& tier, const TextSplit& split, const TrainOptions& options)
    : tier_(tier),
      options_(options),
      tokens_in_batch_(options.batch * options.sequence),
      model_(tier, small_model(), options.model_options()),
      loader_(split.train, options.sequence, options.batch, options.seed),
      held_out_(split.held_out, options.sequence, options.batch, 64),
      arena_(tier, std::size_t{1} << 20),
      host_(static_cast<std::size_t>(3 * tokens_in_batch_)) {
  for (Tensor* x : {&tokens_, &targets_}) *x = arena_.take(DType::i32, {tokens_in_batch_});
  scalars_ = arena_.take(DType::f32, {3});
  squared_sum_ = arena_.take(DType::f32, {1});
  speed_ = arena_.take(DType::f32, {1});
  initialize_parameters(model_, options.seed);
}

/// The batch in the host's memory: the windows' bytes, the next ones, and those after the next.
WindowBatch Training::host() {
  const auto n = static_cast<std::size_t>(tokens_in_batch_);
  const std::span<std::int32_t> all(host_);
  return {all.first(n), all.subspan(n, n), all.last(n)};
}

Batch Training::upload() {
  tier_.upload(tokens_, host().tokens.data());
  tier_.upload(targets_, host().targets.data());
  return {.tokens = tokens_, .targets = targets_, .mtp_targets = {}};
}

// [step]
double Training::step() {
  // 1. Gradients, loads and sums of losses become zero: what follows adds to them.
  model_.begin_step();
  // 2. The next windows, forward and backward. The weight is 1 over the number of micro-batches.
  loader_.next(host());
  model_.forward_backward(upload(), 1.0);
  // 3. The parameters move.
  optimize();
  ++done_;
  // 4. A NaN on the way has left a fault. Without this line training would go on with it.
  if (const FaultReport fault = tier_.take_fault(); fault.fault != Fault::none) {
    throw finding(fmt::format("step {}: {}", done_, fault.str()));
  }
  return model_.read_sums().loss / (static_cast<double>(tokens_in_batch_) * std::numbers::ln2);
}
// [/step]

void Training::optimize() {
  const OptimizerOptions& o = options_.optimizer;
  const auto t = static_cast<double>(done_ + 1);
  const std::array<double, 3> wide{options_.learning_rates().at(done_),
                                   1 / (1 - std::pow(o.beta1, t)), 1 / (1 - std::pow(o.beta2, t))};
  const std::vector<float> scalars(wide.begin(), wide.end());
  const auto speed = static_cast<float>(options_.balance_speeds().at(done_));
  tier_.upload(scalars_, scalars.data());
  tier_.upload(speed_, &speed);
  // [optimize]
  // a. Σ g² over all parameters: clipping needs the norm of the whole gradient.
  tier_.zero(squared_sum_);
  for (const Parameter& p : model_.parameters().all()) {
    if (p.trained()) tier_.grad_norm({.grad = flat(p.grad), .squared_sum = squared_sum_});
  }
  // b. Clip and AdamW: moves the f32 master, then rounds the copy that products read from it.
  for (const Parameter& p : model_.parameters().all()) {
    if (!p.trained()) continue;
    tier_.adamw_step({.grad = flat(p.grad), .master = flat(p.master), .first = flat(p.first),
                      .second = flat(p.second), .copy = flat(p.copy), .scalars = scalars_,
                      .squared_sum = squared_sum_, .clip = o.clip, .beta1 = o.beta1,
                      .beta2 = o.beta2, .epsilon = o.epsilon,
                      .weight_decay = p.decays() ? o.weight_decay : 0});
  }
  // c. Under fp8, the codes of the new masters.
  model_.parameters().quantize(tier_);
  // d. Balancing biases: less for an expert that had too many tokens, more for one with too few.
  for (std::size_t l = 0; speed > 0 && l < model_.loads().size(); ++l) {
    tier_.router_update_bias(
        {.load = model_.loads()[l], .bias = model_.router_biases()[l], .speed = speed_});
  }
  // [/optimize]
}

double Training::evaluate() {
  model_.begin_step();
  held_out_.rewind();
  double windows = 0;
  for (; held_out_.next(host()) == options_.batch; windows += static_cast<double>(options_.batch)) {
    model_.forward(upload());  // no backward, no optimizer: nothing is learned
  }
  return model_.read_sums().loss /
         (windows * static_cast<double>(options_.sequence) * std::numbers::ln2);
}

int run(std::int64_t steps, bool losses) {
  const TrainOptions options = small_options(steps);
  const Text text = read_text(options.data);
  const TextSplit split = split_text(text, options.sequence);
  const auto tier = make_tier({.name = "reference", .threads = 1});
  Training training(*tier, split, options);
  for (std::int64_t done = 0;; ++done) {
    if (!losses && (done % (steps / 6) == 0 || done == steps)) {
      fmt::print("step {:4}   held out {:.3f}\n", done, training.evaluate());
    }
    if (done == steps) break;
    const double loss = training.step();
    if (losses) fmt::print("{}\n", loss);
  }
  if (losses) return 0;
  const auto bigram =
      bigram_baseline(split.train, split.held_out, training.held_out_windows(), options.sequence);
  fmt::print("bigram model         {:.3f}\nentropy rate         {:.3f}\n", bigram.bits_per_byte,
             *text.entropy_rate);
  return 0;
}

}  // namespace
}  // namespace triptych::tutorial

int main(int argc, char** argv) {
  const std::int64_t steps = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 0;
  if (steps < 10) {
    fmt::print(stderr, "usage: train STEPS [losses], with 10 steps or more\n");
    return 2;
  }
  try {
    return triptych::tutorial::run(steps, argc > 2 && std::string_view(argv[2]) == "losses");
  } catch (const triptych::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return static_cast<int>(error.kind());
  }
}

#include "train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <span>

#include "train/initialize.h"

namespace triptych {
namespace {

/// How many of `windows` windows an evaluation in batches of B covers without an empty row.
std::int64_t whole_batches(std::int64_t windows, std::int64_t batch) {
  return windows < batch ? windows : windows / batch * batch;
}

EvaluationLoader evaluation_loader(const TextPart& part, const TrainOptions& o, std::int64_t limit) {
  const auto windows = static_cast<std::int64_t>(evaluation_windows(part, o.sequence, limit).size());
  // Row by row, so that a batch can begin again with the first window.
  return {part, o.sequence, 1, std::max<std::int64_t>(1, whole_batches(windows, o.batch))};
}

}  // namespace

Trainer::Trainer(Tier& tier, const ModelConfig& config, const TrainOptions& options,
                 const TextSplit& text, std::int64_t eval_windows)
    : tier_(tier),
      options_(options),
      model_(tier, config, options.model_options()),
      optimizer_(model_, options.optimizer),
      loader_(text.train, options.sequence, options.batch, options.seed),
      evaluation_(evaluation_loader(text.held_out, options, eval_windows)) {
  const std::int64_t tokens = options.batch * options.sequence;
  Arena measure;
  take(measure, tokens);
  arena_ = std::make_unique<Arena>(tier, measure.used());
  take(*arena_, tokens);
  host_.resize(static_cast<std::size_t>(3 * tokens));
  for (const Tensor& load : model_.loads()) {
    report_.loads.emplace_back(static_cast<std::size_t>(load.count()));
  }
  initialize_parameters(model_, options.seed);
}

std::size_t Trainer::planned_bytes(const ModelConfig& config, const TrainOptions& options) {
  Arena measure;
  for (int i = 0; i < 3; ++i) measure.take(DType::i32, {options.batch * options.sequence});
  return measure.used() + Model::planned_bytes(config, options.model_options()) +
         Optimizer::planned_bytes(options.precision);
}

void Trainer::take(Arena& arena, std::int64_t tokens) {
  for (Tensor* each : {&tokens_, &targets_, &mtp_targets_}) *each = arena.take(DType::i32, {tokens});
}

WindowBatch Trainer::host_batch(std::int64_t first_row, std::int64_t rows) {
  const auto s = static_cast<std::size_t>(options_.sequence);
  const auto part = static_cast<std::size_t>(options_.batch) * s;
  const auto begin = static_cast<std::size_t>(first_row) * s, count = static_cast<std::size_t>(rows) * s;
  const std::span<std::int32_t> all(host_);
  return {all.subspan(begin, count), all.subspan(part + begin, count),
          all.subspan(2 * part + begin, count)};
}

Batch Trainer::upload() {
  const WindowBatch host = host_batch(0, options_.batch);
  tier_.upload(tokens_, host.tokens.data());
  tier_.upload(targets_, host.targets.data());
  tier_.upload(mtp_targets_, host.targets2.data());
  return {.tokens = tokens_, .targets = targets_, .mtp_targets = mtp_targets_,
          .mtp_count = options_.batch * options_.sequence};
}

void Trainer::check_faults(const char* what) {
  const FaultReport fault = tier_.take_fault();
  if (fault.fault == Fault::none) return;
  // --resume would meet it again, and takes no other learning rate.
  throw finding(fmt::format("train: {} {}: {}; the checkpoints before it are good: begin a new run from "
                            "one, with --init and a lower --lr", what, steps_ + 1, fault.str()));
}

void Trainer::read_loads() {
  for (std::size_t l = 0; l < report_.loads.size(); ++l) {
    tier_.download(report_.loads[l].data(), model_.loads()[l]);
  }
}

const StepReport& Trainer::step() {
  const double weight = 1.0 / static_cast<double>(options_.accumulation);
  model_.begin_step();
  for (std::int64_t m = 0; m < options_.accumulation; ++m) {
    loader_.next(host_batch(0, options_.batch));
    model_.forward_backward(upload(), weight);
  }
  report_.learning_rate = options_.learning_rates().at(steps_);
  optimizer_.step(steps_ + 1, report_.learning_rate, options_.balance_speeds().at(steps_));
  check_faults("step");
  const StepSums sums = model_.read_sums();
  const double tokens =
      static_cast<double>(options_.accumulation * options_.batch * options_.sequence);
  report_.step = ++steps_;
  report_.loss = sums.loss / tokens;
  report_.mtp_loss = sums.mtp_loss / tokens;
  report_.balance_loss = sums.balance;
  report_.gradient_norm = optimizer_.read_gradient_norm();
  read_loads();
  return report_;
}

Evaluation Trainer::evaluate() {
  const auto windows = static_cast<std::int64_t>(evaluation_.windows().size());
  const std::int64_t rows = std::lcm(windows, options_.batch);
  model_.begin_step();
  evaluation_.rewind();
  for (std::int64_t row = 0; row < rows; ++row) {
    const WindowBatch one = host_batch(row % options_.batch, 1);
    if (evaluation_.next(one) == 0) {
      evaluation_.rewind();
      evaluation_.next(one);
    }
    if ((row + 1) % options_.batch == 0) model_.forward(upload());
  }
  check_faults("evaluation before step");
  const StepSums sums = model_.read_sums();
  const double bits = static_cast<double>(rows * options_.sequence) * std::numbers::ln2;
  return {sums.loss / bits, sums.mtp_loss / bits};
}

void Trainer::restore(std::int64_t steps, const LoaderState& loader) {
  steps_ = steps;
  loader_.restore(loader);
  model_.parameters().refresh(tier_);
}

LoadShares load_shares(const std::vector<std::vector<std::int64_t>>& loads) {
  LoadShares shares{0, 1};
  for (const auto& layer : loads) {
    const auto total = static_cast<double>(std::accumulate(layer.begin(), layer.end(), std::int64_t{0}));
    for (const std::int64_t load : layer) {
      const double share = total > 0 ? static_cast<double>(load) / total : 0;
      shares.largest = std::max(shares.largest, share);
      shares.smallest = std::min(shares.smallest, share);
    }
  }
  return loads.empty() ? LoadShares{} : shares;
}

}  // namespace triptych

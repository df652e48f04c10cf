#include "train/training_run.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <numbers>
#include <optional>

#include "model/file_io.h"
#include "model/huggingface.h"
#include "train/bigram.h"
#include "train/checkpoint.h"
#include "train/memory_plan.h"
#include "train/metrics.h"
#include "train/process.h"
#include "train/run_folder.h"
#include "train/run_report.h"
#include "train/tokenizer.h"

namespace triptych {
namespace {

std::atomic<bool> stop_requested{false};

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// "12.3 MB": decimal, three digits.
std::string bytes_text(double bytes) {
  for (const char* unit : {"bytes", "kB", "MB"}) {
    if (bytes < 1000) return fmt::format("{:.3g} {}", bytes, unit);
    bytes /= 1000;
  }
  return fmt::format("{:.3g} GB", bytes);
}

std::string count_text(std::int64_t count) {
  const auto value = static_cast<double>(count);
  if (value < 1e4) return std::to_string(count);
  return value < 1e6 ? fmt::format("{:.3g} k", value / 1e3) : fmt::format("{:.3g} M", value / 1e6);
}

void demand(const char* option, std::int64_t value, std::int64_t least) {
  if (value >= least) return;
  throw usage_error(fmt::format("train: --{} is {}; wanted {} or more", option, value, least));
}

/// Everything that belongs to one run while it runs.
class Run {
 public:
  explicit Run(const RunRequest& request) : request_(request), folder_(request.out) {}
  RunSummary execute();

 private:
  template <class... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) const {
    if (request_.say) request_.say(fmt::format(format, std::forward<Args>(args)...));
  }
  void find_checkpoint();
  void adopt(const TrainState& state);
  void introduce();
  void build();
  void loop();
  std::vector<nlohmann::ordered_json> metrics_lines() const;
  void record(const StepReport& report, double step_seconds);
  std::string write_sample(std::string_view prompt);
  RunSummary finish();

  const RunRequest& request_;
  RunFolder folder_;
  ModelConfig config_;
  TrainOptions options_;
  std::optional<TrainState> state_;        // what the run continues from
  std::filesystem::path checkpoint_;       // the newest one
  Text text_;
  TextSplit split_;
  std::unique_ptr<Tier> tier_;
  std::unique_ptr<Trainer> trainer_;
  std::unique_ptr<MetricsWriter> metrics_;
  std::unique_ptr<Progress> progress_;
  BigramBaseline bigram_;
  Evaluation held_out_;                    // of the newest evaluation
  std::int64_t evaluated_ = -1;            // the step that it belongs to
  double seconds_ = 0;
  std::size_t predicted_ = 0;
};

/// Takes the checkpoint's options for those that the user did not choose, and refuses different ones.
void Run::adopt(const TrainState& state) {
  const auto wanted = to_json(options_), saved = to_json(state.options);
  for (const auto& [key, value] : saved.items()) {
    if (key == "data" || !request_.given.contains(key) || wanted.at(key) == value) continue;
    throw usage_error(fmt::format("train: --{} is {}, but {} was trained with {}; leave it out to continue "
                                  "that run, or give another --out for a new one", key,
                                  wanted.at(key).dump(), quoted_path(checkpoint_), value.dump()));
  }
  if (request_.given.contains("config") && !(config_ == state.config)) {
    const auto mine = nlohmann::ordered_json::parse(config_json(config_));
    const auto theirs = nlohmann::ordered_json::parse(config_json(state.config));
    for (const auto& [key, value] : theirs.items()) {
      if (mine.contains(key) && mine[key] == value) continue;
      throw usage_error(fmt::format("train: {} = {} in the model asked for, but {} in {}; resume with that "
                                    "model, or give another --out for a new run", key,
                                    mine.contains(key) ? mine[key].dump() : "missing", value.dump(),
                                    quoted_path(checkpoint_)));
    }
  }
  const std::string data = request_.given.contains("data") ? options_.data : state.options.data;
  options_ = state.options;
  options_.data = data;
  config_ = state.config;
}

void Run::find_checkpoint() {
  remove_unfinished(folder_.path());
  const auto checkpoints = checkpoints_of(folder_.path());
  if (checkpoints.empty() || request_.overwrite) return;
  checkpoint_ = checkpoints.back();
  if (!request_.resume) {
    throw usage_error(fmt::format("train: {} is there already; --resume continues it, --overwrite removes "
                                  "it, another --out leaves it alone", quoted_path(checkpoint_)));
  }
  state_ = read_state(checkpoint_);
  adopt(*state_);
}

void Run::introduce() {
  const ParameterCount count = parameter_count(config_);
  say("model      {}: {} parameters, of which a token uses {}", request_.name, count_text(count.total),
      count_text(count.active));
  say("computes   {} tier, {}, on {}", options_.tier, name_of(options_.precision), tier_->device());
  say("memory     {} predicted", bytes_text(static_cast<double>(predicted_)));
  say("data       {}: {}, {} to train on, {} held out", options_.data,
      bytes_text(static_cast<double>(text_.bytes->size())),
      bytes_text(static_cast<double>(split_.train.size())),
      bytes_text(static_cast<double>(split_.held_out.size())));
  if (text_.binary_files > 0) say("           {} binary files left out", text_.binary_files);
  say("baseline   {:.3f} bits a byte: a bigram model on the held-out text", bigram_.bits_per_byte);
  if (text_.entropy_rate) say("           {:.3f} bits a byte: the text's true entropy", *text_.entropy_rate);
  say("run        {} steps of {} sequences of {} bytes, into {}", options_.steps,
      options_.batch * options_.accumulation, options_.sequence, folder_.path().string());
  if (state_) {
    say("           continues after step {}", state_->steps);
  } else if (request_.resume) {
    say("           no checkpoint there yet: begins at step 0");
  }
}

void Run::build() {
  demand("eval-every", request_.eval_every, 0);
  demand("eval-windows", request_.eval_windows, 1);
  demand("checkpoint-every", request_.checkpoint_every, 0);
  demand("sample-bytes", request_.sample_bytes, 0);
  config_ = request_.config;
  options_ = request_.options;
  options_.resolve(config_);
  find_checkpoint();
  text_ = read_text(options_.data);
  if (state_ && state_->text != text_.fingerprint) {
    throw usage_error(fmt::format("train: the text of {} is not the one that {} was trained on; give that "
                                  "text by --data, or another --out for a new run", options_.data,
                                  quoted_path(checkpoint_)));
  }
  if (config_.vocab_size != byte_vocabulary) {
    throw usage_error(fmt::format("train: vocab_size is {}; the byte tokenizer needs {}",
                                  config_.vocab_size, byte_vocabulary));
  }
  split_ = split_text(text_, options_.sequence);
  predicted_ = predicted_memory(config_, options_, request_.threads);
  tier_ = make_tier({.name = options_.tier, .threads = request_.threads});
  trainer_ = std::make_unique<Trainer>(*tier_, config_, options_, split_, request_.eval_windows);
  bigram_ = bigram_baseline(split_.train, split_.held_out, trainer_->evaluated_windows(),
                            options_.sequence);
  introduce();
  if (state_) {
    restore_checkpoint(checkpoint_, *state_, *trainer_);
  } else if (!request_.init.empty()) {
    load_model(request_.init, trainer_->model());
  }
  if (request_.overwrite) folder_.clear();  // now that nothing stands in the way of the new run
  metrics_ = std::make_unique<MetricsWriter>(folder_.metrics(), state_ ? state_->steps : -1);
  metrics_lines();  // what the report could not be made of must not come to light after the training
}

std::vector<nlohmann::ordered_json> Run::metrics_lines() const {
  auto lines = read_metrics(folder_.metrics());
  check_loads(lines, folder_.metrics(), trainer_->model().loads().size(), config_.n_routed_experts,
              options_.batch * options_.accumulation * options_.sequence);
  return lines;
}

void Run::record(const StepReport& report, double step_seconds) {
  nlohmann::ordered_json line = {
      {"loss", report.loss},        {"mtp_loss", report.mtp_loss},
      {"balance_loss", report.balance_loss}, {"gradient_norm", report.gradient_norm},
      {"learning_rate", report.learning_rate}, {"seconds", step_seconds}};
  if (evaluated_ == report.step) {
    line["held_out_bits"] = held_out_.bits;
    line["held_out_mtp_bits"] = held_out_.mtp_bits;
  }
  line["loads"] = report.loads;
  metrics_->write(report.step, line);
}

void Run::loop() {
  const std::int64_t last = options_.steps;
  const auto every = [&](std::int64_t asked, std::int64_t parts) {
    return asked > 0 ? asked : std::max<std::int64_t>(1, last / parts);
  };
  const std::int64_t eval_every = every(request_.eval_every, 10);
  const std::int64_t checkpoint_every = every(request_.checkpoint_every, 5);
  progress_ = std::make_unique<Progress>("train", "steps", last, trainer_->steps(), request_.progress);
  const double start = seconds_now();
  while (trainer_->steps() < last) {
    const double before = seconds_now();
    const StepReport& report = trainer_->step();
    const double step_seconds = seconds_now() - before;
    const bool stop = stop_requested.load();
    if (report.step % eval_every == 0 || report.step == last) {
      held_out_ = trainer_->evaluate();
      evaluated_ = report.step;
    }
    record(report, step_seconds);
    const double bits = report.loss / std::numbers::ln2;
    progress_->update(report.step, evaluated_ < 0 ? fmt::format("{:.3f} bits a byte", bits)
                                                  : fmt::format("{:.3f} bits a byte, held out {:.3f}", bits,
                                                                held_out_.bits));
    if (report.step % checkpoint_every == 0 || report.step == last || stop) {
      metrics_->sync();
      checkpoint_ = write_checkpoint(folder_.path(), *trainer_, text_.fingerprint);
    }
    if (stop && report.step < last) {
      progress_.reset();
      throw finding(fmt::format("train: interrupted after step {} of {}; {} is saved, --resume continues",
                                report.step, last, quoted_path(checkpoint_)));
    }
  }
  progress_->finish();
  seconds_ = seconds_now() - start;
}

std::string Run::write_sample(std::string_view prompt) {
  if (request_.sample_bytes == 0) return {};
  Generator generator(trainer_->model(), config_.max_position_embeddings);
  Sampler sampler(request_.sample);
  std::string sample;
  generate_text(generator, sampler, prompt, request_.sample_bytes, [&](char c) { sample += c; });
  return sample;
}

RunSummary Run::finish() {
  if (evaluated_ != options_.steps) held_out_ = trainer_->evaluate();
  RunSummary s;
  s.parameters = parameter_count(config_);
  s.steps = trainer_->steps();
  s.held_out_bits = held_out_.bits;
  s.bigram_bits = bigram_.bits_per_byte;
  s.entropy_rate = text_.entropy_rate.value_or(-1);
  s.seconds = seconds_;
  s.predicted_bytes = predicted_;
  // Text that the model has not seen, and hardly more than a line of it.
  const TextBlock b = split_.held_out.blocks.front();
  const std::string prompt(prompt_of({split_.held_out.bytes->data() + b.begin, b.size()}, 40));
  const std::string sample = write_sample(prompt);
  s.prompt = printable(prompt);
  s.sample = printable(sample);
  metrics_->sync();
  const auto lines = metrics_lines();
  s.shares = late_load_shares(lines, options_.steps);
  s.checkpoint = checkpoint_;
  s.metrics = folder_.metrics();
  s.report = folder_.report();
  s.peak_bytes = peak_memory();
  write_run_report(s, lines, {.name = request_.name, .config = config_, .options = options_,
                              .device = tier_->device(), .moe_names = trainer_->model().moe_names(),
                              .prompt = prompt, .sample = sample});
  return s;
}

RunSummary Run::execute() {
  build();
  loop();
  return finish();
}

}  // namespace

void request_stop() noexcept { stop_requested.store(true); }

RunSummary run_training(const RunRequest& request) {
  stop_requested.store(false);
  request.validate();
  return Run(request).execute();
}

}  // namespace triptych

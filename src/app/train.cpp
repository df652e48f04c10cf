#include <fmt/format.h>

#include <csignal>
#include <memory>

#include "app/command.h"
#include "app/presets.h"
#include "train/training_run.h"

namespace triptych::app {
namespace {

constexpr const char* examples = R"(Examples:
  triptych train                                    preset tiny, on data/, about 3 minutes on two cores
  triptych train --preset nano --steps 100 --out /tmp/nano
  triptych train --data my_texts --batch 8 --accumulate 4
  triptych train --data synthetic:7                 a language whose true entropy is known
  triptych train --precision fp8 --bf16-moments     DeepSeek-V3's recipe
  triptych train --out runs/tiny --resume           after an interruption; the result has the same bits
  triptych train --config model_dir --init model_dir    go on from somebody's weights

Writes to the folder of --out: step-N/ (model.safetensors, config.json and tokenizer.json, as transformers
loads them, and the training state), metrics.jsonl (a line a step), report.html.)";

/// What the command line says, before it becomes a request.
struct Arguments {
  std::string preset = "tiny", config, precision = "f32", scale_rule = "exact", out, init;
  bool resume = false, overwrite = false, json = false;
  RunRequest request;
  // Values are put over the preset's defaults only if they were given.
  TrainOptions options;
};

/// Adds an option that goes to `options` and tells whether it was given by its key.
template <class T>
void option(CLI::App& command, const char* key, T& value, const std::string& help) {
  command.add_option(std::string("--") + key, value, help);
}

void add_model_options(CLI::App& c, Arguments& a) {
  c.add_option("--preset", a.preset, "model and defaults: nano, tiny or mini")->capture_default_str();
  c.add_option("--config", a.config, "model of this config.json (or folder) instead of the preset's");
  c.add_option("--init", a.init, "model folder whose weights to start from");
  c.add_option("--precision", a.precision, "f64, f32, bf16 or fp8")->capture_default_str();
  c.add_option("--scale-rule", a.scale_rule, "FP8 scales: exact or power-of-two")->capture_default_str();
  c.add_flag("--bf16-moments", a.options.bf16_moments, "optimizer moments in bf16");
}

void add_run_options(CLI::App& c, Arguments& a) {
  RunRequest& r = a.request;
  c.add_option("--data", a.options.data, "text: a file, a folder, or synthetic:SEED; default data/");
  c.add_option("--out", a.out, "the run's folder; default runs/PRESET");
  c.add_flag("--resume", a.resume, "continue from the newest checkpoint in --out, if there is one");
  c.add_flag("--overwrite", a.overwrite, "remove an older run in --out first");
  c.add_option("--eval-every", r.eval_every, "steps between evaluations; 0: a tenth of the run");
  c.add_option("--eval-windows", r.eval_windows, "held-out sequences evaluated at most")->capture_default_str();
  c.add_option("--checkpoint-every", r.checkpoint_every, "steps between checkpoints; 0: a fifth of the run");
  c.add_option("--sample-bytes", r.sample_bytes, "length of the sample at the end")->capture_default_str();
  c.add_flag("--json", a.json, "print the result as JSON, everything else to standard error");
}

void add_step_options(CLI::App& c, TrainOptions& o) {
  option(c, "steps", o.steps, "optimizer steps; default by preset");
  option(c, "batch", o.batch, "sequences of a micro-batch; default by preset");
  option(c, "accumulate", o.accumulation, "micro-batches of a step; default 1");
  option(c, "sequence", o.sequence, "bytes of a sequence; default max_position_embeddings");
  option(c, "lr", o.learning_rate, "peak learning rate; default by preset");
  option(c, "lr-floor", o.floor, "last learning rate; default a tenth of the peak");
  option(c, "warmup", o.warmup, "steps of linear warm-up; default a twentieth of the run");
  option(c, "decay-start", o.decay_start, "first step of the cosine; default seven tenths of the run");
  option(c, "weight-decay", o.optimizer.weight_decay, "of matrices; default 0.1");
  option(c, "beta1", o.optimizer.beta1, "decay of the first moment; default 0.9");
  option(c, "beta2", o.optimizer.beta2, "decay of the second moment; default 0.95");
  option(c, "epsilon", o.optimizer.epsilon, "AdamW's epsilon; default 1e-8");
  option(c, "clip", o.optimizer.clip, "largest gradient norm; default 1");
  option(c, "balance-alpha", o.balance_alpha, "weight of the balance loss; default 1e-4");
  option(c, "balance-speed", o.balance_speed, "speed of the routers' biases; default by preset");
  option(c, "mtp-weight", o.mtp_weight, "weight of the second-next byte's loss; default 0.3");
  add_seed_option(c, o.seed, "of parameters and data order; default 1");
}

/// The preset's options with those that were given in their place.
TrainOptions chosen_options(const CLI::App& command, const Arguments& a, std::set<std::string>& given) {
  TrainOptions typed = a.options;
  typed.precision = parse_precision(a.precision);
  auto merged = to_json(preset_options(a.preset));
  auto values = to_json(typed);
  values["scale-rule"] = a.scale_rule;
  for (const auto& [key, value] : values.items()) {
    const CLI::Option* found = command.get_option_no_throw("--" + key);
    if (found == nullptr || found->count() == 0) continue;
    given.insert(key);
    merged[key] = value;
  }
  TrainOptions options = parse_train_options(merged, "command line", ErrorKind::usage);
  if (!given.contains("data")) options.data = default_data();
  return options;
}

ModelConfig chosen_config(const Arguments& a) {
  return a.config.empty() ? preset_config(a.preset) : config_at(a.config);
}

void print_result(const RunSummary& s, std::int64_t experts) {
  print_line(fmt::format("held out   {:.3f} bits a byte; the bigram model {:.3f}{}", s.held_out_bits,
                         s.bigram_bits, s.held_out_bits < s.bigram_bits ? "" : " (not beaten)"));
  if (s.entropy_rate >= 0) print_line(fmt::format("           the text's true entropy {:.3f}", s.entropy_rate));
  print_line(fmt::format("experts    largest share of load {:.2f} %, smallest {:.2f} %, even {:.2f} %",
                         100 * s.shares.largest, 100 * s.shares.smallest,
                         100.0 / static_cast<double>(experts)));
  print_line(fmt::format("memory     {:.1f} MB at its peak, {:.1f} MB predicted",
                         static_cast<double>(s.peak_bytes) / 1e6, static_cast<double>(s.predicted_bytes) / 1e6));
  if (!s.sample.empty()) {
    print_line("prompt     " + s.prompt);
    print_line("sample     " + s.sample);
  }
  print_line("checkpoint " + s.checkpoint.string());
  print_line("report     " + s.report.string());
}

int train(const CLI::App& command, Arguments& a) {
  RunRequest& r = a.request;
  r.options = chosen_options(command, a, r.given);
  r.config = chosen_config(a);
  if (command.count("--preset") > 0 || !a.config.empty()) r.given.insert("config");
  r.name = a.config.empty() ? a.preset : std::filesystem::path(a.config).filename().string();
  r.out = a.out.empty() ? std::filesystem::path("runs") / r.name : std::filesystem::path(a.out);
  r.init = a.init.empty() ? a.init : model_folder(a.init).string();
  r.resume = a.resume;
  r.overwrite = a.overwrite;
  if (a.resume && a.overwrite) throw usage_error("train: --resume and --overwrite exclude each other");
  const bool json = a.json;
  r.say = [json](std::string_view line) {
    if (!json) return print_line(line);
    fmt::print(stderr, "{}\n", line);
  };
  // The first Ctrl-C ends the run after the step at hand, with a checkpoint; the second one at once.
  struct sigaction stop = {};
  stop.sa_handler = [](int) { request_stop(); };
  stop.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &stop, nullptr);
  sigaction(SIGTERM, &stop, nullptr);
  const RunSummary summary = run_training(r);
  if (json) {
    print_json(to_json(summary));
  } else {
    print_result(summary, r.config.n_routed_experts);
  }
  return 0;
}

}  // namespace

void add_train(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("train", "train a model, from text to checkpoint and report");
  auto a = std::make_shared<Arguments>();
  add_model_options(*command, *a);
  add_run_options(*command, *a);
  add_tier_options(*command, a->options.tier, a->request.threads);
  add_step_options(*command, a->options);
  command->footer(examples);
  command->callback([command, a, &action] { action = [command, a] { return train(*command, *a); }; });
}

}  // namespace triptych::app

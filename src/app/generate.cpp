#include <fmt/format.h>

#include <memory>

#include "app/command.h"
#include "model/huggingface.h"
#include "train/options.h"
#include "train/sample.h"
#include "train/tokenizer.h"

namespace triptych::app {
namespace {

constexpr const char* examples = R"(Examples:
  triptych generate --model runs/tiny --prompt "The router "
  triptych generate --model runs/tiny/step-300 --bytes 1000 --temperature 0.6
  triptych generate --model downloaded --temperature 0        always the likeliest byte
  triptych generate --model runs/tiny --json

--model takes a run's folder (its newest checkpoint), a checkpoint, or a folder that transformers wrote.)";

struct Arguments {
  std::string model, prompt, tier = "reference", precision = "f32";
  int threads = 0;
  std::int64_t bytes = 400;
  SampleOptions sample;
  bool json = false;
};

int generate(const Arguments& a) {
  if (a.bytes < 0) throw usage_error(fmt::format("generate: --bytes is {}; wanted 0 or more", a.bytes));
  a.sample.validate();
  const std::filesystem::path folder = model_folder(a.model);
  require_byte_tokenizer(folder);
  const ModelConfig config = read_config(folder);
  if (config.vocab_size != byte_vocabulary) {
    throw usage_error(fmt::format("generate: vocab_size of {} is {}; the byte tokenizer needs {}",
                                  folder.string(), config.vocab_size, byte_vocabulary));
  }
  const auto tier = make_tier({.name = a.tier, .threads = a.threads});
  Model model(*tier, config, {.precision = parse_precision(a.precision), .batch = 1, .sequence = 1,
                              .training = false});
  load_model(folder, model);
  Generator generator(model, config.max_position_embeddings);
  Sampler sampler(a.sample);
  std::string text;
  TerminalText shown;
  if (!a.json) print(printable(a.prompt));
  generate_text(generator, sampler, a.prompt, a.bytes, [&](char c) {
    text += c;
    if (!a.json) print(shown.feed(std::string_view(&c, 1)));
  });
  if (!a.json) {
    print(shown.finish() + "\n");
    return 0;
  }
  print_json({{"model", folder.string()}, {"prompt", printable(a.prompt)}, {"text", printable(text)},
              {"bytes", encode(text)}, {"temperature", a.sample.temperature}, {"top_p", a.sample.top_p},
              {"seed", a.sample.seed}});
  return 0;
}

}  // namespace

void add_generate(CLI::App& app, Action& action) {
  CLI::App* c = app.add_subcommand("generate", "write text with a trained model");
  auto a = std::make_shared<Arguments>();
  c->add_option("--model", a->model, "folder of the model")->required();
  c->add_option("--prompt", a->prompt, "what the text begins with");
  c->add_option("--bytes", a->bytes, "how much to write")->capture_default_str();
  c->add_option("--temperature", a->sample.temperature, "0: the likeliest byte; 1: as the model says")
      ->capture_default_str();
  c->add_option("--top-p", a->sample.top_p, "draw from the likeliest bytes that make up this share")
      ->capture_default_str();
  add_seed_option(*c, a->sample.seed, "of the draws")->capture_default_str();
  c->add_option("--precision", a->precision, "f64, f32, bf16 or fp8")->capture_default_str();
  add_tier_options(*c, a->tier, a->threads);
  c->add_flag("--json", a->json, "print text and bytes as JSON");
  c->footer(examples);
  c->callback([a, &action] { action = [a] { return generate(*a); }; });
}

}  // namespace triptych::app

#include "app/command.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <new>

#include "model/file_io.h"
#include "train/checkpoint.h"
#include "train/tokenizer.h"
#include "triptych/error.h"
#include "triptych/version.h"

namespace triptych::app {
namespace {

constexpr const char* examples = R"(Examples:
  triptych train                            the preset `tiny` on the project's own writing, a few minutes
  triptych train --preset nano --steps 50   a small model, in seconds
  triptych train --data my_texts --out runs/mine
  triptych generate --model runs/tiny --prompt "The router "
  triptych info                             what this machine can run

`triptych COMMAND --help` tells the rest.
Exit codes: 0 good, 1 a finding (a mismatch, a NaN), 2 wrong usage, 3 the machine or a file is not as needed.)";

/// Messages may hold what a file or a user wrote: on a terminal they stay one line.
std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace_if(text.begin(), text.end(),
                  [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  return text;
}

int fail(const std::string& line, int code) {
  spdlog::error("{}", one_line(line));
  return code;
}

void set_up_log() {
  auto log = spdlog::stderr_color_mt("triptych");
  log->set_pattern("%^%n:%$ %v");
  spdlog::set_default_logger(std::move(log));
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("Trains DeepSeek-V3-style Mixture-of-Experts language models.", "triptych");
  app.set_version_flag("--version", std::string(version));
  app.require_subcommand(1);
  app.footer(examples);
  app.failure_message([](const CLI::App*, const CLI::Error& error) { return std::string(error.what()); });
  Action action;
  add_train(app, action);
  add_generate(app, action);
  add_compare(app, action);
  add_bench(app, action);
  add_info(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    const auto chosen = app.get_subcommands();
    if (chosen.empty() && argc > 1 && argv[1][0] != '-') {
      return fail(fmt::format("there is no command '{}'; see triptych --help", printable(argv[1])), 2);
    }
    const std::string command = chosen.empty() ? "" : " " + chosen.front()->get_name();
    return fail(fmt::format("{}; see triptych{} --help", error.what(), command), 2);
  }
  return action();
}

}  // namespace

void print_line(std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

void print_json(const nlohmann::ordered_json& json) {
  print_line(json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

std::filesystem::path model_folder(const std::filesystem::path& path) {
  if (std::filesystem::exists(path / "config.json")) return path;
  const auto checkpoints = checkpoints_of(path);
  if (!checkpoints.empty()) return checkpoints.back();
  throw environment_error(fmt::format("{} holds neither a model (config.json, model.safetensors) nor a "
                                      "run's checkpoints (step-N); train one with triptych train",
                                      quoted_path(path)));
}

std::string default_data() {
  if (std::filesystem::is_directory("data")) return "data";
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  std::filesystem::path folder = program.parent_path();
  // build/<preset>/bin/triptych in a source tree, or bin/triptych of an installation.
  for (int up = 0; up < 4 && folder.has_relative_path(); ++up, folder = folder.parent_path()) {
    for (const char* place : {"data", "share/triptych/data"}) {
      if (std::filesystem::is_directory(folder / place, error)) return (folder / place).string();
    }
  }
  return "data";
}

void add_tier_options(CLI::App& command, std::string& tier, int& threads) {
  command.add_option("--tier", tier, "implementation that computes: reference")->capture_default_str();
  command.add_option("--threads", threads, "worker threads of the reference tier; 0: all processors")
      ->capture_default_str();
}

int run(int argc, char** argv) {
  set_up_log();
  // A file that grows past a limit, or a reader that goes away, becomes an error where it is written.
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    return parse_and_run(argc, argv);
  } catch (const Error& error) {
    return fail(error.what(), static_cast<int>(error.kind()));
  } catch (const std::filesystem::filesystem_error& error) {
    return fail(fmt::format("{}; check the path and its permissions", error.what()), 3);
  } catch (const std::bad_alloc&) {
    return fail("out of memory; choose a smaller --preset or --batch (triptych info predicts the need)", 3);
  } catch (const std::exception& error) {
    return fail(fmt::format("internal error: {}; please report it", error.what()), 1);
  }
}

}  // namespace triptych::app

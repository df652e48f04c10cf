#include "app/command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <new>

#include "model/file_io.h"
#include "model/huggingface.h"
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
  triptych ptx run saxpy.ptx --block 256 …  any PTX kernel on the software CUDA device; see triptych ptx --help

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

/// Where the caller closed standard input, output or error, a file of ours would take its number, and what
/// is printed would go into that file.
void open_standard_files() {
  for (int file = 0; file >= 0 && file < 3;) {
    file = ::open("/dev/null", O_RDWR);
    if (file >= 3) ::close(file);
  }
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
  add_ptx(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    const auto chosen = app.get_subcommands();
    if (chosen.empty() && argc > 1 && argv[1][0] != '-') {
      return fail(fmt::format("there is no command '{}'; see triptych --help", printable(argv[1])), 2);
    }
    std::string command;
    for (auto at = chosen; !at.empty(); at = at.front()->get_subcommands()) command += " " + at.front()->get_name();
    return fail(fmt::format("{}; see triptych{} --help", error.what(), command), 2);
  }
  return action();
}

}  // namespace

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void print_line(std::string_view line) { print(std::string(line) + '\n'); }

void print_json(const nlohmann::ordered_json& json) {
  print_line(json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

std::filesystem::path model_folder(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::exists(path / "config.json", error)) return path;
  if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory) {
    throw environment_error(fmt::format("cannot look into {}: {}; check the path and its permissions", quoted_path(path),
                                        error.message()));
  }
  const auto checkpoints = checkpoints_of(path);
  if (!checkpoints.empty()) return checkpoints.back();
  throw environment_error(fmt::format("{} holds neither a model (config.json, model.safetensors) nor a "
                                      "run's checkpoints (step-N); train one with triptych train",
                                      quoted_path(path)));
}

ModelConfig config_at(const std::filesystem::path& path) {
  std::error_code ignored;
  return read_config(std::filesystem::is_directory(path, ignored) ? model_folder(path) : path);
}

std::string default_data() {
  std::error_code error;
  if (std::filesystem::is_directory("data", error)) return "data";
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

CLI::Option* add_seed_option(CLI::App& command, std::uint64_t& seed, const std::string& help) {
  // The parser takes -1 and 2^64 too, for some other seed.
  const auto check = [](const std::string& text) {
    std::uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [last, error] = std::from_chars(text.data(), end, value);
    if (error == std::errc() && last == end) return std::string();
    return fmt::format("is {}; wanted a whole number from 0 to 2^64-1", quoted_text(text));
  };
  return command.add_option("--seed", seed, help)->check(check);
}

void add_tier_options(CLI::App& command, std::string& tier, int& threads) {
  command.add_option("--tier", tier, "implementation that computes: reference")->capture_default_str();
  command.add_option("--threads", threads, "worker threads of the reference tier; 0: all processors")
      ->capture_default_str();
}

int run(int argc, char** argv) {
  open_standard_files();
  set_up_log();
  // A file that grows past a limit, or a reader that goes away, becomes an error where it is written.
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    const int code = parse_and_run(argc, argv);
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
    return fail("cannot write to standard output: the disk is full, or its reader went away; give it another "
                "place", 3);
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

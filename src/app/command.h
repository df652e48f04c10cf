/// \file
/// The command line: one file a command, each of which adds itself to the parser.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "model/config.h"

namespace triptych::app {

/// The command that was asked for, to be run once the whole line has been parsed. Returns the exit code.
using Action = std::function<int()>;

void add_train(CLI::App& app, Action& action);
void add_generate(CLI::App& app, Action& action);
void add_compare(CLI::App& app, Action& action);
void add_bench(CLI::App& app, Action& action);
void add_info(CLI::App& app, Action& action);
void add_ptx(CLI::App& app, Action& action);

/// Text to standard output, and at once. A failure to write is told when the command has ended.
void print(std::string_view text);
/// The same with a line's end.
void print_line(std::string_view line);
/// A JSON document to standard output.
void print_json(const nlohmann::ordered_json& json);

/// The folder of a model: `path` itself, or the newest checkpoint if it is a run's folder.
/// Raises an environment_error if it is neither.
std::filesystem::path model_folder(const std::filesystem::path& path);

/// The model that a config.json describes: that file itself, or the one in a folder that model_folder() takes.
ModelConfig config_at(const std::filesystem::path& path);

/// The text that `train` reads by default: data/ in the working directory, or else where the program
/// was built or installed. Returns "data" if it is nowhere.
std::string default_data();

/// Adds --seed, and refuses what is no number from 0 to 2^64-1.
CLI::Option* add_seed_option(CLI::App& command, std::uint64_t& seed, const std::string& help);

/// Adds --tier and --threads.
void add_tier_options(CLI::App& command, std::string& tier, int& threads);

/// The whole program. Exit codes: 0 good, 1 a finding, 2 usage, 3 environment.
int run(int argc, char** argv);

}  // namespace triptych::app

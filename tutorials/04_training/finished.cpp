// This chapter's program beside the project's own trainer: every step's loss, to the last bit.
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <numbers>
#include <string>

#include "small.h"
#include "train/trainer.h"

namespace triptych::tutorial {
namespace {

constexpr std::int64_t steps = 30;

/// What `train STEPS losses`, in the folder of this program, prints.
std::string losses_of_train(const std::filesystem::path& folder) {
  const std::string command = fmt::format("'{}' {} losses", (folder / "train").string(), steps);
  std::string printed;
  std::array<char, 4096> piece;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return printed;
  while (std::fgets(piece.data(), piece.size(), pipe) != nullptr) printed += piece.data();
  ::pclose(pipe);
  return printed;
}

std::string losses_of_trainer() {
  const TrainOptions o = small_options(steps);
  const auto tier = make_tier({.name = "reference", .threads = 1});
  Trainer trainer(*tier, small_model(), o, split_text(read_text(o.data), o.sequence), 1);
  std::string printed;
  for (std::int64_t i = 0; i < steps; ++i) {
    printed += fmt::format("{}\n", trainer.step().loss / std::numbers::ln2);
  }
  return printed;
}

}  // namespace
}  // namespace triptych::tutorial

int main(int, char** argv) {
  using namespace triptych::tutorial;
  const std::string ours = losses_of_train(std::filesystem::path(argv[0]).parent_path());
  const bool same = ours == losses_of_trainer();
  fmt::print("{} losses of train.cpp and of src/train/trainer.cpp: {}\n", steps,
             same ? "the same bits" : "NOT the same");
  return same ? 0 : 1;
}

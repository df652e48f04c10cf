// ctest: timeout=120 labels=sanitize
// Checkpoints: the same bits after a resume, and every kind of damage told in one line.
#include "train/checkpoint.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "expect_error.h"
#include "small_run.h"
#include "temporary_folder.h"
#include "train/run_folder.h"

namespace triptych {
namespace {

using testing::content_of;
using testing::expect_error;
using testing::SmallRun;
using testing::state_of;
using testing::TemporaryFolder;
namespace fs = std::filesystem;

constexpr std::uint64_t text_fingerprint = 0x0123456789abcdef;

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

struct Case {
  Precision precision;
  bool bf16_moments;
};

class Resume : public ::testing::TestWithParam<Case> {};

TEST_P(Resume, GoesOnWithTheSameBits) {
  const TemporaryFolder folder;
  const bool fp8 = GetParam().precision == Precision::fp8;
  const ModelConfig config = fp8 ? testing::fp8_config() : testing::small_config();
  TrainOptions options = testing::small_options(GetParam().precision, 6);
  options.bf16_moments = GetParam().bf16_moments;
  std::vector<double> losses;
  std::string want;
  {
    SmallRun run(config, options);
    for (int i = 0; i < 6; ++i) {
      losses.push_back(run->step().loss);
      if (i == 2) write_checkpoint(folder.path(), *run, text_fingerprint);
    }
    want = state_of(*run);
  }
  const fs::path checkpoint = folder / "step-3";
  const TrainState state = read_state(checkpoint);
  EXPECT_EQ(state.steps, 3);
  EXPECT_EQ(state.text, text_fingerprint);
  EXPECT_EQ(state.config, config);
  TrainOptions other = state.options;
  other.seed = 99;  // restoring must not lean on the initial values
  SmallRun run(config, other);
  restore_checkpoint(checkpoint, state, *run);
  for (std::size_t i = 3; i < 6; ++i) EXPECT_EQ(run->step().loss, losses[i]) << "step " << i + 1;
  EXPECT_EQ(state_of(*run) == want, true) << "masters, moments or codes differ";
}

INSTANTIATE_TEST_SUITE_P(Policies, Resume,
                         ::testing::Values(Case{Precision::f64, false}, Case{Precision::f32, false},
                                           Case{Precision::f32, true}, Case{Precision::bf16, false},
                                           Case{Precision::fp8, true}),
                         [](const auto& test) {
                           return std::string(name_of(test.param.precision)) +
                                  (test.param.bf16_moments ? "_bf16_moments" : "");
                         });

TEST(Checkpoint, KeepsTheNewestTwoAndPicksTheLast) {
  const TemporaryFolder folder;
  EXPECT_TRUE(checkpoints_of(folder.path()).empty());
  EXPECT_TRUE(checkpoints_of(folder / "missing").empty());
  SmallRun run(testing::small_config(), testing::small_options());
  for (int i = 0; i < 11; ++i) {
    run->step();
    if (i % 3 == 0 || i == 10) write_checkpoint(folder.path(), *run, 1);
  }
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"step-10", "step-11"}));
  EXPECT_EQ(checkpoints_of(folder.path()).back(), folder / "step-11");
  EXPECT_EQ(names_in(folder / "step-11"),
            (std::vector<std::string>{"config.json", "model.safetensors", "optimizer.safetensors",
                                      "state.json", "tokenizer.json", "tokenizer_config.json"}));
}

TEST(Checkpoint, NumbersSortAsNumbersAndOtherNamesAreNotTouched) {
  const TemporaryFolder folder;
  for (const char* name : {"step-9", "step-10", "step-100", "step-x", "step-", "step-7.tmp", "other.tmp",
                           "step--1", "step-5 copy"}) {
    fs::create_directory(folder / name);
  }
  folder.write("step-200", "a file");
  const auto found = checkpoints_of(folder.path());
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].filename(), "step-9");
  EXPECT_EQ(found[2].filename(), "step-100");
  remove_unfinished(folder.path());
  EXPECT_FALSE(fs::exists(folder / "step-7.tmp"));
  EXPECT_TRUE(fs::exists(folder / "other.tmp"));
  EXPECT_TRUE(fs::exists(folder / "step-5 copy"));
}

TEST(Checkpoint, AFullDiskLosesNothing) {
  const TemporaryFolder folder;
  SmallRun run(testing::small_config(), testing::small_options());
  run->step();
  write_checkpoint(folder.path(), *run, 1);
  const std::string before = content_of(folder / "step-1" / "model.safetensors");
  run->step();
  std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit old = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  // In the middle of the first file, of the second, and at the very first byte.
  for (const rlim_t limit : {rlim_t{50000}, rlim_t{before.size() + 1000}, rlim_t{0}}) {
    const struct rlimit small = {limit, old.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    expect_error([&] { write_checkpoint(folder.path(), *run, 1); }, ErrorKind::environment, {"step-2"});
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
    EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"step-1"}));
    EXPECT_EQ(content_of(folder / "step-1" / "model.safetensors"), before);
  }
  write_checkpoint(folder.path(), *run, 1);
  EXPECT_EQ(read_state(folder / "step-2").steps, 2);
}

/// A checkpoint that each test damages in its own way.
class Damage : public ::testing::Test {
 protected:
  Damage() : run_(testing::small_config(), testing::small_options()) {
    run_->step();
    checkpoint_ = write_checkpoint(folder_.path(), *run_, 1);
  }
  void load() {
    const TrainState state = read_state(checkpoint_);
    restore_checkpoint(checkpoint_, state, *run_);
  }
  void expect_refused(const std::string& name, std::initializer_list<std::string_view> parts) {
    SCOPED_TRACE(name);
    expect_error([&] { load(); }, ErrorKind::environment, parts);
  }
  void put(const std::string& name, const std::string& content) {
    std::ofstream(checkpoint_ / name, std::ios::binary) << content;
  }
  TemporaryFolder folder_;
  SmallRun run_;
  fs::path checkpoint_;
};

TEST_F(Damage, TruncatedOrMissingFilesAreNamed) {
  for (const std::string name : {"model.safetensors", "optimizer.safetensors", "state.json", "config.json"}) {
    const std::string whole = content_of(checkpoint_ / name);
    // The last byte of state.json is a newline, without which nothing is missing.
    for (const std::size_t length : {whole.size() - 2, whole.size() / 2, std::size_t{0}}) {
      put(name, whole.substr(0, length));
      // A config is refused by its sum in state.json, or before that because it cannot be parsed.
      expect_refused(name, {name});
    }
    fs::remove(checkpoint_ / name);
    expect_refused(name, {name});
    put(name, whole);
  }
  load();
}

TEST_F(Damage, FlippedBitsAreFound) {
  for (const std::string name : {"model.safetensors", "optimizer.safetensors", "config.json"}) {
    const std::string whole = content_of(checkpoint_ / name);
    for (std::size_t part = 1; part < 16; ++part) {
      std::string flipped = whole;
      flipped[whole.size() * part / 16] ^= static_cast<char>(1 << part % 7);
      put(name, flipped);
      expect_refused(name, {name});
    }
    put(name, whole);
  }
  load();
}

TEST_F(Damage, StatesThatMakeNoSense) {
  const std::string whole = content_of(checkpoint_ / "state.json");
  const auto change = [&](const std::string& from, const std::string& to) {
    const std::size_t at = whole.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    put("state.json", std::string(whole).replace(at, from.size(), to));
    expect_refused(from, {"state.json"});
  };
  change("\"step\": 1", "\"step\": 3");
  change("\"format\": 1", "\"format\": 2");
  change("\"step\": 1", "\"step\": -1");
  change("\"step\": 1", "\"step\": \"one\"");
  change("\"position\": 4", "\"position\": -4");
  change("\"batch\": 4", "\"batch\": \"four\"");
  change("\"batch\": 4", "\"batsch\": 4");
  change("\"text\": \"0000000000000001\"", "\"text\": \"green\"");
  change("\"precision\": \"f32\"", "\"precision\": \"f31\"");
  change("{", "");
}

TEST_F(Damage, AnotherRunsMomentsAreRefused) {
  TrainOptions other = testing::small_options();
  other.bf16_moments = true;
  const TemporaryFolder theirs;
  SmallRun run(testing::small_config(), other);
  run->step();
  const fs::path checkpoint = write_checkpoint(theirs.path(), *run, 1);
  put("optimizer.safetensors", content_of(checkpoint / "optimizer.safetensors"));
  expect_refused("optimizer.safetensors", {"optimizer.safetensors", "BF16", "F32"});
}

TEST(RunFolder, OneProcessAtATime) {
  const TemporaryFolder folder;
  {
    const RunFolder first(folder / "run");
    expect_error([&] { RunFolder second(folder / "run"); }, ErrorKind::environment,
                 {"another process trains in", "--out"});
  }
  const RunFolder later(folder / "run");
  folder.write("file", "");
  expect_error([&] { RunFolder third(folder / "file"); }, ErrorKind::environment, {"file"});
  expect_error([&] { RunFolder third(folder / "file/run"); }, ErrorKind::environment, {"file"});
}

TEST(RunFolder, ClearRemovesARunAndNothingElse) {
  const TemporaryFolder folder;
  const RunFolder run(folder.path());
  for (const char* name : {"step-1/model.safetensors", "step-2.tmp/x", "metrics.jsonl", "report.html",
                           "notes.txt", "steps/keep"}) {
    folder.write(name, "x");
  }
  run.clear();
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"notes.txt", "steps"}));
}

}  // namespace
}  // namespace triptych

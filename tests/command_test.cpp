// ctest: timeout=120 processors=2 needs=triptych
// Bad input, as a user meets it: one line that names the thing, the value and the remedy, and an exit code.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/config.h"
#include "program.h"
#include "small_run.h"
#include "train/checkpoint.h"

namespace triptych::testing {
namespace {

class Command : public ::testing::Test {
 protected:
  Command() {
    config_ = folder_.write("config.json", config_json(small_config()));
    std::string text;
    for (int i = 0; i < 5000; ++i) text += "the quick brown fox jumps over the lazy dog\n"[i * i % 44];
    text_ = folder_.write("text", text);
  }
  std::string out() const { return folder_ / "run"; }
  /// `train` with the small model; options given here stand in place of the usual ones.
  std::vector<std::string> train(const std::vector<std::string>& more) const {
    std::vector<std::string> all{"train"};
    const std::pair<const char*, std::string> usual[] = {{"--config", config_}, {"--data", text_},
                                                         {"--steps", "3"},      {"--batch", "4"},
                                                         {"--sample-bytes", "8"}, {"--out", out()}};
    for (const auto& [option, value] : usual) {
      if (std::find(more.begin(), more.end(), option) == more.end()) all.insert(all.end(), {option, value});
    }
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  /// The last line of what the program printed is the only one that tells of an error, and it says this.
  static void expect_line(const Ended& ended, int code, std::initializer_list<std::string_view> parts) {
    EXPECT_EQ(ended.code, code) << ended.output;
    const std::size_t end = ended.output.find_last_not_of('\n');
    const std::size_t begin = ended.output.rfind('\n', end) + 1;
    const std::string line = ended.output.substr(begin, end + 1 - begin);
    EXPECT_EQ(line.rfind("triptych: ", 0), 0u) << ended.output;
    EXPECT_EQ(ended.output.find("triptych: "), begin) << ended.output;
    for (const std::string_view part : parts) {
      EXPECT_NE(line.find(part), std::string::npos) << "no '" << part << "' in: " << line;
    }
  }
  void expect_refused(const std::vector<std::string>& more, int code,
                      std::initializer_list<std::string_view> parts) const {
    expect_line(run_program(train(more)), code, parts);
  }
  /// A config.json with one field's text replaced.
  std::string config_with(const std::string& from, const std::string& to) const {
    std::string text = content_of(config_);
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return folder_.write("bad/config.json", text.replace(at, from.size(), to));
  }
  TemporaryFolder folder_;
  std::string config_, text_;
};

TEST_F(Command, Texts) {
  expect_refused({"--data", folder_ / "missing"}, 2, {"missing' does not exist", "give"});
  expect_refused({"--data", folder_.write("empty", "")}, 2, {"empty' is empty"});
  expect_refused({"--data", folder_.write("short", "short")}, 2, {"short", "5 bytes"});
  std::string bytes;
  for (int i = 0; i < 4000; ++i) bytes += static_cast<char>(i * i * 7 + i / 3);
  const Ended good = run_program(train({"--data", folder_.write("bytes", bytes)}));
  EXPECT_EQ(good.code, 0) << good.output;
}

TEST_F(Command, Configs) {
  const auto with = [&](const std::string& from, const std::string& to,
                        std::initializer_list<std::string_view> parts) {
    expect_line(run_program({"train", "--config", config_with(from, to), "--data", text_, "--out", out()}), 2,
                parts);
  };
  with("\"hidden_size\": 24", "\"hidden_size\": -24", {"config.json", "hidden_size", "-24"});
  with("\"hidden_size\": 24", "\"hidden_sice\": 24", {"config.json", "hidden_si"});
  with("\"hidden_size\": 24", "\"hidden_size\": 24.5", {"config.json", "hidden_size", "24.5"});
  with("\"n_group\": 4", "\"n_group\": 3", {"config.json", "n_group", "3"});
  with("{", "[", {"config.json"});
}

TEST_F(Command, Options) {
  expect_refused({"--steps", "0"}, 2, {"steps", "0"});
  expect_refused({"--steps", "many"}, 2, {"many"});
  expect_refused({"--lr", "-1"}, 2, {"lr", "-1"});
  expect_refused({"--precision", "f16"}, 2, {"f16", "bf16"});
  expect_refused({"--tier", "tpu"}, 2, {"tpu", "reference"});
  expect_refused({"--threads", "-1"}, 2, {"--threads is -1; wanted 0 or more"});
  expect_refused({"--eval-every", "-1"}, 2, {"--eval-every is -1; wanted 0 or more"});
  expect_refused({"--eval-windows", "0"}, 2, {"--eval-windows is 0; wanted 1 or more"});
  expect_refused({"--checkpoint-every", "-2"}, 2, {"--checkpoint-every is -2; wanted 0 or more"});
  expect_refused({"--sample-bytes", "-8"}, 2, {"--sample-bytes is -8; wanted 0 or more"});
  expect_line(run_program({"train", "--preset", "huge"}), 2, {"huge", "tiny"});
  expect_line(run_program({"trian"}), 2, {"trian", "--help"});
  expect_line(run_program({"generate", "--model", folder_ / "nothing", "--prompt", "x"}), 3, {"nothing"});
  // What the system refuses to look at: a name of 5,000 letters.
  expect_line(run_program({"generate", "--model", std::string(5000, 'a')}), 3, {"check the path"});
}

TEST_F(Command, AResumeKeepsTheRunsOwnChoices) {
  ASSERT_EQ(run_program(train({})).code, 0);
  expect_refused({}, 2, {"--resume", "--overwrite"});
  expect_refused({"--resume", "--batch", "8"}, 2, {"batch", "4", "8"});
  const std::string other = config_with("\"hidden_size\": 24", "\"hidden_size\": 32");
  expect_line(run_program({"train", "--config", other, "--data", text_, "--out", out(), "--resume"}), 2,
              {"hidden_size"});
  expect_refused({"--resume", "--data", folder_.write("other", content_of(text_) + "more")}, 2,
                 {"not the one"});
  EXPECT_EQ(run_program(train({"--resume"})).code, 0) << "nothing was lost";
}

TEST_F(Command, MetricsThatSomebodyChanged) {
  ASSERT_EQ(run_program(train({})).code, 0);
  const std::filesystem::path metrics = std::filesystem::path(out()) / "metrics.jsonl";
  const std::string whole = content_of(metrics);
  for (const std::string& line : {std::string("{\"step\": 1}"), std::string("{\"step\": 1, \"loads\": [[1, 2]]}"),
                                  std::string("{\"step\": 1, \"loads\": 7}")}) {
    std::ofstream(metrics, std::ios::binary) << line << whole.substr(whole.find('\n'));
    expect_refused({"--resume"}, 3, {"metrics: the loads of step ", "mend that line"});
  }
  std::ofstream(metrics, std::ios::binary) << whole;
  EXPECT_EQ(run_program(train({"--resume"})).code, 0);
}

TEST_F(Command, DamagedModels) {
  ASSERT_EQ(run_program(train({})).code, 0);
  const std::filesystem::path model = checkpoints_of(out()).back() / "model.safetensors";
  const std::string whole = content_of(model);
  const auto put = [&](const std::string& content) { std::ofstream(model, std::ios::binary) << content; };
  const auto generate = [&] {
    return run_program({"generate", "--model", model.parent_path().string(), "--prompt", "x", "--bytes", "4"});
  };
  EXPECT_EQ(generate().code, 0) << generate().output;
  for (const std::string& content : {whole.substr(0, whole.size() - 1), whole.substr(0, 100), whole.substr(0, 5),
                                     std::string("GGUF") + whole, std::string()}) {
    put(content);
    expect_line(generate(), 3, {"model.safetensors"});
  }
  std::string flipped = whole;
  flipped[whole.size() / 2] ^= 0x40;
  put(flipped);
  expect_refused({"--resume"}, 3, {"model.safetensors"});
  put(whole);
  EXPECT_EQ(generate().code, 0);
}

TEST_F(Command, AFullDiskKeepsTheLastCheckpoint) {
  ASSERT_EQ(run_program(train({"--checkpoint-every", "1"})).code, 0);
  const auto before = checkpoints_of(out());
  const std::string model = content_of(before.back() / "model.safetensors");
  // A limit on the size of a file stands for a disk that is full: the write fails half way.
  const auto limit = [] {
    ::signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small = {60000, 60000};
    ::setrlimit(RLIMIT_FSIZE, &small);
  };
  TemporaryFolder elsewhere;
  const Ended ended = run_program(train({"--out", elsewhere / "full"}), limit);
  expect_line(ended, 3, {"step-"});
  EXPECT_TRUE(checkpoints_of(elsewhere / "full").empty());
  EXPECT_EQ(content_of(before.back() / "model.safetensors"), model);
}

TEST_F(Command, ATrainingThatDivergesNamesTheStepAndKeepsItsCheckpoints) {
  expect_refused({"--steps", "8", "--lr", "1e30", "--checkpoint-every", "1", "--warmup", "4"}, 1,
                 {"train: step ", "not finite", "--lr"});
  EXPECT_FALSE(checkpoints_of(out()).empty());
}

TEST_F(Command, CompareJudgesEverySide) {
  const Ended ended = run_program({"compare", "--sides", "f64,f32,bf16", "--steps", "2", "--data", text_, "--json"});
  ASSERT_EQ(ended.code, 0) << ended.output;
  const auto sides = nlohmann::json::parse(ended.output);
  ASSERT_EQ(sides.size(), 3u);
  for (const auto& side : sides) {
    ASSERT_EQ(side["losses"].size(), 2u);
    EXPECT_NEAR(side["losses"][1], sides[0]["losses"][1], side["precision"] == "bf16" ? 0.05 : 1e-4);
    for (const auto& o : side["operations"]) {
      EXPECT_LE(o["error_over_bound"], 1) << o;
      EXPECT_GT(o["error_over_bound"], 0) << o;
    }
  }
  EXPECT_EQ(sides[1]["operations"].size(), 5u);
  expect_line(run_program({"compare", "--sides", "f32,f31"}), 2, {"f31", "bf16"});
  expect_line(run_program({"compare", "--steps", "0"}), 2, {"--steps", "0"});
}

}  // namespace
}  // namespace triptych::testing

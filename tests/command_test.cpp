// ctest: timeout=120 processors=2 needs=triptych
// Bad input, as a user meets it: one line that names the thing, the value and the remedy, and an exit code.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "command.h"
#include "train/checkpoint.h"

namespace triptych::testing {
namespace {

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
  expect_refused({"--steps", "1e30"}, 2, {"--steps", "1e30"});
  expect_refused({"--batch", "999999999"}, 3, {"bytes of memory", "batch"});
  expect_refused({"--sequence", "1000000000000"}, 2, {"--sequence", "1000000000000", "16"});
  expect_refused({"--seed", "-1"}, 2, {"--seed", "'-1'", "2^64-1"});
  expect_refused({"--seed", "18446744073709551616"}, 2, {"--seed", "18446744073709551616"});
  expect_refused({"--threads", "5000"}, 2, {"threads", "5000", "4096"});
  expect_refused({"--eval-every", "-1"}, 2, {"--eval-every", "-1"});
  expect_refused({"--eval-windows", "0"}, 2, {"--eval-windows", "0", "1 or more"});
  expect_refused({"--checkpoint-every", "-1"}, 2, {"--checkpoint-every", "-1"});
  expect_refused({"--sample-bytes", "-1"}, 2, {"--sample-bytes", "-1"});
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

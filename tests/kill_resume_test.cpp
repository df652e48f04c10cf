// ctest: timeout=300 processors=2 needs=triptych
// A run that is killed at any moment and resumed ends with the same bits as one that never stopped.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "model/config.h"
#include "program.h"
#include "small_run.h"
#include "support/values.h"
#include "train/checkpoint.h"

namespace triptych::testing {
namespace {

constexpr int kills = 50, steps = 30;

class KillAndResume : public ::testing::Test {
 protected:
  KillAndResume() {
    config_ = folder_.write("config.json", config_json(small_config()));
    std::string text;
    Values v(1);
    for (int i = 0; i < 20000; ++i) text += static_cast<char>('a' + v.below(20));
    text_ = folder_.write("text", text);
  }
  /// A checkpoint at every step: of the moments of a run, many lie in the writing of one.
  std::vector<std::string> arguments(const std::string& out) const {
    return {"train", "--config", config_, "--data", text_, "--steps", std::to_string(steps), "--batch", "4",
            "--checkpoint-every", "1", "--eval-windows", "4", "--bf16-moments", "--sample-bytes", "0",
            "--resume", "--out", folder_ / out};
  }
  /// The last checkpoint's files, one after another.
  std::string final_bits(const std::string& out) const {
    const std::filesystem::path last = checkpoints_of(folder_ / out).back();
    EXPECT_EQ(last.filename(), "step-" + std::to_string(steps));
    std::string all;
    for (const char* name : {"model.safetensors", "optimizer.safetensors", "state.json", "config.json"}) {
      all += content_of(last / name);
    }
    return all;
  }
  TemporaryFolder folder_;
  std::string config_, text_;
};

TEST_F(KillAndResume, EndsWithTheSameBits) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const Ended whole = run_program(arguments("whole"));
  ASSERT_EQ(whole.code, 0) << whole.output;
  const auto duration = std::chrono::duration<double>(Clock::now() - start).count();
  const std::string want = final_bits("whole");

  Values v(2);
  int killed = 0, runs = 0, torn = 0;
  while (killed < kills) {
    const std::string out = "run" + std::to_string(runs++);
    for (bool finished = false; !finished;) {
      Program program(arguments(out));
      if (killed < kills) {
        std::this_thread::sleep_for(std::chrono::duration<double>(v.uniform(0, 0.5 * duration)));
        program.kill();
      }
      const Ended ended = program.wait();
      finished = ended.signal == 0;
      if (finished) {
        ASSERT_EQ(ended.code, 0) << ended.output;
      } else {
        ++killed;
        std::error_code none;  // killed before it made its folder
        for (const auto& entry : std::filesystem::directory_iterator(folder_ / out, none)) {
          torn += entry.path().extension() == ".tmp";
        }
      }
    }
    EXPECT_EQ(final_bits(out), want) << "after " << killed << " kills in all";
    // No step was recorded twice, and none is missing.
    const std::string metrics = content_of(folder_ / (out + "/metrics.jsonl"));
    EXPECT_EQ(std::count(metrics.begin(), metrics.end(), '\n'), steps);
  }
  std::printf("%d kills in %d runs, %d of them while a checkpoint was written\n", killed, runs, torn);
  EXPECT_GT(torn, 0) << "no kill fell into the writing of a checkpoint: the test proves too little";
}

}  // namespace
}  // namespace triptych::testing

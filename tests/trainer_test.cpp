// ctest: timeout=120 labels=sanitize,threads processors=2
// Training steps: the same bits whatever does not matter, no allocation, faults; and whole runs.
#include "train/trainer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <new>
#include <sstream>

#include "expect_error.h"
#include "small_run.h"
#include "temporary_folder.h"
#include "train/checkpoint.h"
#include "train/metrics.h"
#include "train/training_run.h"

namespace {
std::atomic<long> allocations{0};
}

// Everything that allocates in C++ goes through these two, and Eigen and C libraries through malloc,
// which can be counted only where no sanitizer has taken its place.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
extern "C" {
void* __libc_malloc(std::size_t size);
void* malloc(std::size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
}
constexpr bool counts_allocations = true;
#else
constexpr bool counts_allocations = false;
#endif

namespace triptych {
namespace {

using testing::expect_error;
using testing::fp8_config;
using testing::small_config;
using testing::small_options;
using testing::SmallRun;
using testing::state_of;
using testing::TemporaryFolder;

constexpr Precision all_precisions[] = {Precision::f64, Precision::f32, Precision::bf16, Precision::fp8};

ModelConfig config_for(Precision p) { return p == Precision::fp8 ? fp8_config() : small_config(); }

TEST(Trainer, TheLossFallsInEveryPolicy) {
  for (const Precision precision : all_precisions) {
    SmallRun run(config_for(precision), small_options(precision, 30));
    const double before = run->evaluate().bits;
    EXPECT_NEAR(before, 8, 0.2) << name_of(precision) << ": a fresh model knows nothing";
    for (int i = 0; i < 30; ++i) {
      const StepReport& report = run->step();
      EXPECT_EQ(report.step, i + 1);
      EXPECT_GT(report.gradient_norm, 0);
      for (const auto& layer : report.loads) {
        // 4 sequences of 16 tokens, 2 experts each.
        EXPECT_EQ(std::accumulate(layer.begin(), layer.end(), 0), 4 * 16 * 2);
      }
    }
    EXPECT_LT(run->evaluate().bits, before - 2.5) << name_of(precision);
  }
}

TEST(Trainer, OneAndTwoThreadsGiveTheSameBits) {
  for (const Precision precision : all_precisions) {
    SmallRun one(config_for(precision), small_options(precision), 1);
    SmallRun two(config_for(precision), small_options(precision), 2);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(one->step().loss, two->step().loss) << name_of(precision);
    EXPECT_TRUE(state_of(*one) == state_of(*two)) << name_of(precision);
    EXPECT_EQ(one->evaluate().bits, two->evaluate().bits);
  }
}

TEST(Trainer, EvaluationChangesNothing) {
  SmallRun with(small_config(), small_options()), without(small_config(), small_options());
  for (int i = 0; i < 4; ++i) {
    with->evaluate();
    EXPECT_EQ(with->step().loss, without->step().loss);
    EXPECT_EQ(with->evaluate().bits, with->evaluate().bits);
  }
  EXPECT_TRUE(state_of(*with) == state_of(*without));
}

TEST(Trainer, EvaluationIsTheMeanOverItsWindows) {
  // With fewer windows than the batch has rows, each counts equally: 3 windows in rows of 4 are as good
  // as in rows of 1.
  TrainOptions rows_of_one = small_options(Precision::f64);
  rows_of_one.batch = 1;
  SmallRun a(small_config(), small_options(Precision::f64), 1, 3), b(small_config(), rows_of_one, 1, 3);
  EXPECT_EQ(a->evaluated_windows(), b->evaluated_windows());
  EXPECT_EQ(a->evaluated_windows().size(), 3u);
  EXPECT_NEAR(a->evaluate().bits, b->evaluate().bits, 1e-12);
  EXPECT_NEAR(a->evaluate().mtp_bits, b->evaluate().mtp_bits, 1e-12);
  // With more, whole batches only.
  SmallRun c(small_config(), small_options(), 1, 11);
  EXPECT_EQ(c->evaluated_windows().size(), 8u);
}

TEST(Trainer, AccumulationIsALargerBatch) {
  TrainOptions whole = small_options(Precision::f64), parts = whole;
  parts.batch = 1;
  parts.accumulation = 4;
  SmallRun a(small_config(), whole), b(small_config(), parts);
  for (int i = 0; i < 3; ++i) {
    const StepReport &x = a->step(), &y = b->step();
    EXPECT_NEAR(x.loss, y.loss, 1e-11);
    EXPECT_NEAR(x.mtp_loss, y.mtp_loss, 1e-11);
    EXPECT_NEAR(x.balance_loss, y.balance_loss, 1e-13);
    EXPECT_NEAR(x.gradient_norm, y.gradient_norm, 1e-10);
    EXPECT_EQ(x.loads, y.loads);
  }
}

TEST(Trainer, TheSeedDecides) {
  TrainOptions other = small_options();
  other.seed = 2;
  SmallRun a(small_config(), small_options()), b(small_config(), small_options()), c(small_config(), other);
  const double loss = a->step().loss;
  EXPECT_EQ(loss, b->step().loss);
  EXPECT_NE(loss, c->step().loss);
}

TEST(Trainer, ASteadyStepAllocatesNothing) {
  if (!counts_allocations) GTEST_SKIP() << "a sanitizer has its own malloc";
  for (const Precision precision : all_precisions) {
    SmallRun run(config_for(precision), small_options(precision, 20));
    for (int i = 0; i < 3; ++i) run->step();
    const long before = allocations.load();
    for (int i = 0; i < 5; ++i) run->step();
    EXPECT_EQ(allocations.load() - before, 0) << name_of(precision);
  }
  const long before = allocations.load();
  ::operator delete(::operator new(1));  // a new-expression could be optimised away
  EXPECT_EQ(allocations.load() - before, 1) << "the counter counts";
}

TEST(Trainer, FaultsNameTheStep) {
  SmallRun run(small_config(), small_options());
  run->step();
  const Parameter& gate = run->model().parameters().at("model.layers.1.mlp.gate.weight");
  Tier& tier = run->model().tier();
  const auto good = testing::values_of(tier, gate.master);
  auto bad = good;
  bad[5] = std::numeric_limits<double>::quiet_NaN();
  testing::put_values(tier, gate.master, bad);
  expect_error([&] { run->step(); }, ErrorKind::finding, {"step 2", "rout"});
  expect_error([&] { run->evaluate(); }, ErrorKind::finding, {"evaluation", "rout"});

  SmallRun head(small_config(), small_options());
  const Parameter& p = head->model().parameters().at("lm_head.weight");
  auto values = testing::values_of(head->model().tier(), p.master);
  values[0] = std::numeric_limits<double>::infinity();
  testing::put_values(head->model().tier(), p.master, values);
  expect_error([&] { head->step(); }, ErrorKind::finding, {"step 1", "logit"});
}

TEST(LoadShares, LargestAndSmallestOfAllLayers) {
  const LoadShares s = load_shares({{1, 2, 3, 4}, {5, 5, 0, 90}});
  EXPECT_DOUBLE_EQ(s.largest, 0.9);
  EXPECT_DOUBLE_EQ(s.smallest, 0);
}

/// A request for a short run on a synthetic text.
RunRequest request_for(const TemporaryFolder& folder, std::int64_t steps = 10) {
  static std::ostringstream nowhere;
  RunRequest r;
  r.name = "small";
  r.config = small_config();
  r.options = small_options(Precision::f32, steps);
  r.out = folder / "run";
  r.threads = 1;
  r.eval_every = 4;
  r.eval_windows = 8;
  r.checkpoint_every = 4;
  r.sample_bytes = 20;
  r.progress.out = &nowhere;
  return r;
}

TEST(TrainingRun, LeavesEverythingThatItPromises) {
  const TemporaryFolder folder;
  RunRequest request = request_for(folder);
  std::vector<std::string> said;
  request.say = [&](std::string_view line) { said.emplace_back(line); };
  const RunSummary s = run_training(request);
  EXPECT_EQ(s.steps, 10);
  EXPECT_GT(s.bigram_bits, s.entropy_rate);
  EXPECT_GT(s.entropy_rate, 0);
  EXPECT_GT(s.held_out_bits, s.entropy_rate);
  EXPECT_GT(s.shares.largest, 1.0 / 8);
  EXPECT_LT(s.shares.smallest, 1.0 / 8);
  EXPECT_GE(s.sample.size(), 20u);
  EXPECT_GT(s.peak_bytes, 1000000u);
  EXPECT_EQ(s.checkpoint, folder / "run" / "step-10");
  EXPECT_EQ(read_state(s.checkpoint).steps, 10);
  EXPECT_NE(testing::content_of(s.report).find("</html>"), std::string::npos);
  const auto lines = read_metrics(s.metrics);
  ASSERT_EQ(lines.size(), 10u);
  EXPECT_EQ(lines[3].contains("held_out_bits"), true);
  EXPECT_EQ(lines[4].contains("held_out_bits"), false);
  EXPECT_DOUBLE_EQ(lines[9]["held_out_bits"].get<double>(), s.held_out_bits);
  const auto all = to_json(s);
  EXPECT_EQ(all["steps"], 10);
  ASSERT_GE(said.size(), 5u);
  for (const std::string& line : said) EXPECT_EQ(line.find('\n'), std::string::npos) << line;
}

TEST(TrainingRun, ResumeTakesTheCheckpointsOptionsAndRefusesOthers) {
  const TemporaryFolder folder;
  RunRequest first = request_for(folder);
  run_training(first);
  expect_error([&] { run_training(first); }, ErrorKind::usage, {"step-10", "--resume", "--overwrite"});

  RunRequest again = request_for(folder);
  again.resume = true;
  again.options.learning_rate = 7;  // not given, so the checkpoint's counts
  EXPECT_EQ(run_training(again).steps, 10);
  again.given = {"lr"};
  expect_error([&] { run_training(again); }, ErrorKind::usage, {"--lr", "7", "0.01", "--out"});
  again.given = {"config"};
  again.config.n_routed_experts = 16;
  expect_error([&] { run_training(again); }, ErrorKind::usage, {"n_routed_experts", "16", "8"});
  again.given = {"data"};
  again.options.data = "synthetic:6";
  expect_error([&] { run_training(again); }, ErrorKind::usage, {"synthetic:6", "--data"});
  again.given = {"config"};
  again.config.n_routed_experts = 8;
  EXPECT_EQ(run_training(again).steps, 10);

  RunRequest fresh = request_for(folder, 5);
  fresh.overwrite = true;
  EXPECT_EQ(run_training(fresh).steps, 5);
  EXPECT_EQ(checkpoints_of(fresh.out).size(), 2u);
  EXPECT_EQ(read_metrics(fresh.out / "metrics.jsonl").size(), 5u);
}

TEST(TrainingRun, AnInterruptSavesAndAResumeEndsWithTheSameBits) {
  const TemporaryFolder whole, parts;
  run_training(request_for(whole));
  RunRequest request = request_for(parts);
  request.resume = true;
  // The stop is asked for from within the run: by the first line that it says after the start.
  request.say = [](std::string_view line) {
    if (line.find("begins at step 0") != std::string_view::npos) request_stop();
  };
  expect_error([&] { run_training(request); }, ErrorKind::finding, {"after step 1 of 10", "--resume"});
  EXPECT_EQ(run_training(request).steps, 10);
  for (const char* name : {"model.safetensors", "optimizer.safetensors", "state.json"}) {
    EXPECT_TRUE(testing::content_of(whole / "run" / "step-10" / name) ==
                testing::content_of(parts / "run" / "step-10" / name)) << name;
  }
}

TEST(TrainingRun, StartsFromAModelsWeights) {
  const TemporaryFolder folder, second;
  const RunSummary s = run_training(request_for(folder, 20));
  RunRequest request = request_for(second, 1);
  request.init = s.checkpoint;
  request.options.learning_rate = 1e-9;
  EXPECT_NEAR(run_training(request).held_out_bits, s.held_out_bits, 1e-4);
}

TEST(TrainingRun, TextsThatCannotBeTrainedOn) {
  const TemporaryFolder folder;
  const auto refuse = [&](const std::string& data, ErrorKind kind, std::string_view part) {
    RunRequest r = request_for(folder);
    r.options.data = data;
    expect_error([&] { run_training(r); }, kind, {part});
  };
  refuse(folder / "nothing", ErrorKind::usage, "nothing");
  refuse(folder.write("empty", ""), ErrorKind::usage, "empty");
  refuse(folder.write("short", "shorter than a sequence"), ErrorKind::usage, "short");
  // Bytes of any kind are good.
  std::string bytes;
  for (int i = 0; i < 4000; ++i) bytes += static_cast<char>(i * i * 7 + i / 3);
  RunRequest r = request_for(folder, 2);
  r.options.data = folder.write("bytes", bytes);
  EXPECT_EQ(run_training(r).steps, 2);
}

}  // namespace
}  // namespace triptych

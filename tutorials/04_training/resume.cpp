// A run that is killed and goes on, beside the same run left alone; then three ways to resume
// wrongly.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <numbers>
#include <string>

#include "small.h"
#include "train/checkpoint.h"

namespace triptych::tutorial {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t steps = 30, saved_after = 20, watched_step = 22, killed_after = 24;

/// A trainer of this chapter's model on one thread, with its text and tier.
struct Run {
  TrainOptions options = small_options(steps);
  Text text = read_text(options.data);
  std::unique_ptr<Tier> tier = make_tier({.name = "reference", .threads = 1});
  Trainer trainer{*tier, small_model(), options, split_text(text, options.sequence), 32};

  /// Trains from after step `done` to the end. The loss of one step on the way, in bits a byte.
  double train(std::int64_t done) {
    double watched = 0;
    while (done < steps) {
      const double loss = trainer.step().loss / std::numbers::ln2;
      if (++done == watched_step) watched = loss;
    }
    return watched;
  }
  /// All masters and moments, bit by bit.
  std::string bits() {
    std::string all;
    for (const Parameter& p : trainer.model().parameters().all()) {
      for (const Tensor* x : {&p.master, &p.first, &p.second}) {
        std::string bytes(x->bytes(), '\0');
        if (!x->absent()) tier->download(bytes.data(), *x);
        all += bytes;
      }
    }
    return all;
  }
};

/// A process that trains, writes a checkpoint on its way, and is killed without warning later.
void train_and_be_killed(const fs::path& folder) {
  const pid_t child = fork();
  if (child == 0) {
    Run run;
    for (int i = 1; i <= killed_after; ++i) {
      run.trainer.step();
      if (i == saved_after) write_checkpoint(folder, run.trainer, run.text.fingerprint);
    }
    std::raise(SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  fmt::print("a run of {} steps, killed after {} by signal {}\n", steps, killed_after,
             WTERMSIG(status));
}

/// Takes the checkpoint, lets `forget` lose a part of it, trains to the end and compares.
void resume(const char* what, const fs::path& folder, Run& whole,
            const std::function<void(Run&, const TrainState&)>& forget) {
  const fs::path checkpoint = checkpoints_of(folder).back();
  const TrainState state = read_state(checkpoint);
  Run run;
  restore_checkpoint(checkpoint, state, run.trainer);
  forget(run, state);
  const double loss = run.train(state.steps);
  fmt::print("{:28} {:6.3f} {:14.3f}      {}\n", what, loss, run.trainer.evaluate().bits,
             run.bits() == whole.bits() ? "the same bits" : "other bits");
}

void compare(const fs::path& folder) {
  train_and_be_killed(folder);
  Run whole;
  const double loss = whole.train(0);
  fmt::print("                        loss of step {}   held out at {}\n", watched_step, steps);
  fmt::print("{:28} {:6.3f} {:14.3f}\n", "never interrupted", loss, whole.trainer.evaluate().bits);
  resume("resumed", folder, whole, [](Run&, const TrainState&) {});
  resume("  without its place in data", folder, whole, [](Run& run, const TrainState& state) {
    run.trainer.restore(state.steps, {.seed = state.loader.seed});
  });
  resume("  without its moments", folder, whole, [](Run& run, const TrainState&) {
    for (const Parameter& p : run.trainer.model().parameters().all()) {
      if (p.trained()) run.tier->zero(p.first), run.tier->zero(p.second);
    }
  });
  resume("  without its step number", folder, whole,
         [](Run& run, const TrainState& state) { run.trainer.restore(0, state.loader); });
}

}  // namespace
}  // namespace triptych::tutorial

int main() {
  std::string name = (std::filesystem::temp_directory_path() / "triptych-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) return 3;
  triptych::tutorial::compare(name);
  std::filesystem::remove_all(name);
}

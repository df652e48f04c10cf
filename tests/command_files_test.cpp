// ctest: timeout=120 processors=2 needs=triptych
// Files and folders that are not as they should be: the program says so in one line, and loses
// nothing.
#include <gtest/gtest.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <chrono>
#include <thread>

#include "command.h"
#include "small_disk.h"
#include "train/checkpoint.h"
#include "train/metrics.h"

namespace triptych::testing {
namespace {

namespace fs = std::filesystem;

TEST_F(Command, DamagedModels) {
  ASSERT_EQ(run_program(train({})).code, 0);
  const std::filesystem::path model = checkpoints_of(out()).back() / "model.safetensors";
  const std::string whole = content_of(model);
  const auto put = [&](const std::string& content) {
    std::ofstream(model, std::ios::binary) << content;
  };
  const auto generate = [&] {
    return run_program(
        {"generate", "--model", model.parent_path().string(), "--prompt", "x", "--bytes", "4"});
  };
  EXPECT_EQ(generate().code, 0) << generate().output;
  for (const std::string& content :
       {whole.substr(0, whole.size() - 1), whole.substr(0, 100), whole.substr(0, 5),
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

TEST_F(Command, MissingFilesOfACheckpoint) {
  ASSERT_EQ(run_program(train({"--checkpoint-every", "1"})).code, 0);
  const fs::path checkpoint = checkpoints_of(out()).back();
  for (const char* name :
       {"model.safetensors", "optimizer.safetensors", "config.json", "state.json"}) {
    const fs::path aside = folder_ / "aside";
    fs::rename(checkpoint / name, aside);
    expect_refused({"--resume"}, 3, {name, "No such file"});
    ASSERT_EQ(::mkfifo((checkpoint / name).c_str(), 0600), 0);
    expect_refused({"--resume"}, 3, {name, "a pipe", "a regular file"});
    fs::rename(aside, checkpoint / name);
  }
  EXPECT_EQ(run_program(train({"--resume"})).code, 0);
  fs::remove_all(checkpoint);
  EXPECT_EQ(run_program(train({"--resume"})).code, 0) << "the one before it is there";
}

TEST_F(Command, WhatIsNoFile) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  expect_refused({"--data", folder_ / "pipe"}, 2, {"pipe'", "neither a file nor a folder"});
  expect_refused({"--config", folder_ / "pipe"}, 3, {"pipe'", "a regular file"});
  expect_refused({"--config", "/dev/zero"}, 3, {"/dev/zero", "a regular file"});
  expect_refused({"--init", folder_ / "pipe"}, 3, {"pipe'", "model.safetensors"});
  expect_refused({"--out", text_}, 3, {"text'", "Not a directory", "--out"});
  expect_refused({"--out", "/dev/null"}, 3, {"/dev/null", "--out"});
}

TEST_F(Command, DamagedMetrics) {
  ASSERT_EQ(run_program(train({"--steps", "4", "--checkpoint-every", "2"})).code, 0);
  fs::remove_all(checkpoints_of(out()).back());
  const fs::path metrics = fs::path(out()) / "metrics.jsonl";
  const std::string whole = content_of(metrics);
  const std::string first = whole.substr(0, whole.find('\n') + 1);
  const auto put = [&](const std::string& content) {
    std::ofstream(metrics, std::ios::binary) << content;
  };
  for (const char* line :
       {"", "garbage", "{\"step\":2}", "{\"step\":2,\"loads\":[]}", "{\"step\":1}",
        "{\"step\":2,\"loads\":[[1,1,1,1,1,1,1,\"x\"],[1,1,1,1,1,1,1,1]]}"}) {
    put(first + line + "\n");
    expect_refused({"--steps", "4", "--resume"}, 3, {"metrics.jsonl'", "line 2", "mend that line"});
    EXPECT_EQ(content_of(metrics), first + line + "\n");
  }
  fs::remove(metrics);
  EXPECT_EQ(run_program(train({"--steps", "4", "--resume"})).code, 0);
  EXPECT_EQ(read_metrics(metrics).size(), 2u) << "the steps after the checkpoint";
}

TEST_F(Command, OneProcessTrainsInAFolder) {
  Program first(train({"--steps", "100000"}));
  while (!fs::exists(fs::path(out()) / "metrics.jsonl")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  expect_refused({"--overwrite"}, 3, {"another process", "run'", "--out"});
  first.kill();
  first.wait();
}

TEST_F(Command, AFolderWithoutPermission) {
  ASSERT_EQ(run_program(train({})).code, 0);
  // Root may write everywhere; without this bit it may not once the program begins.
  const auto like_others = [] { ::prctl(PR_SET_SECUREBITS, SECBIT_NOROOT, 0, 0, 0); };
  const auto refused = [&](const std::vector<std::string>& more,
                           std::initializer_list<std::string_view> parts) {
    expect_line(run_program(train(more), like_others), 3, parts);
  };
  const fs::path checkpoint = checkpoints_of(out()).back();
  ASSERT_EQ(::chmod(checkpoint.c_str(), 0500), 0);
  refused({"--overwrite"}, {"step-3", "Permission denied", "permissions"});
  EXPECT_EQ(checkpoints_of(out()).back(), checkpoint);
  ASSERT_EQ(::chmod(checkpoint.c_str(), 0), 0);
  refused({"--resume"}, {"step-3/config.json'", "Permission denied", "permissions"});
  refused({"--init", out(), "--out", folder_ / "other"}, {"step-3", "Permission denied"});
  ASSERT_EQ(::chmod(checkpoint.c_str(), 0700), 0);
  ASSERT_EQ(::chmod(out().c_str(), 0500), 0);
  ASSERT_EQ(::chmod((fs::path(out()) / "metrics.jsonl").c_str(), 0400), 0);
  refused({"--resume"}, {"metrics.jsonl'", "Permission denied"});
  refused({"--out", out() + "/inner"}, {"inner'", "Permission denied", "--out"});
  ASSERT_EQ(::chmod(out().c_str(), 0), 0);
  refused({"--config", out()}, {"run", "Permission denied"});
  ASSERT_EQ(::chmod(out().c_str(), 0700), 0);
}

TEST_F(Command, OverwriteKeepsTheOldRunUntilTheNewOneCanBegin) {
  ASSERT_EQ(run_program(train({})).code, 0);
  const auto old = checkpoints_of(out());
  expect_refused({"--overwrite", "--data", folder_ / "missing"}, 2, {"missing"});
  expect_refused({"--overwrite", "--init", folder_ / "missing"}, 3, {"missing"});
  expect_refused({"--overwrite", "--batch", "999999999"}, 3, {"memory"});
  EXPECT_EQ(checkpoints_of(out()), old);
  EXPECT_EQ(run_program(train({"--overwrite", "--init", out()})).code, 0) << "even from itself";
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

TEST_F(Command, ARealFullDisk) {
  TemporaryFolder disk;
  const bool ran = on_a_small_disk(disk.path(), "2500k", [&] {
    const std::string run = disk / "run";
    // A checkpoint of this model takes some 400 kB; two of them and a third in the making, 1.2 MB.
    std::ofstream(disk / "filler") << std::string(1600000, 'x');
    expect_refused({"--out", run, "--checkpoint-every", "1"}, 3,
                   {"step-", "No space left", "free some space"});
    ASSERT_FALSE(checkpoints_of(run).empty());
    EXPECT_TRUE(std::ranges::none_of(
        fs::directory_iterator(run),
        [](const fs::directory_entry& entry) { return entry.path().extension() == ".tmp"; }));
    fs::remove(disk / "filler");
    const Ended resumed = run_program(train({"--out", run, "--resume"}));
    EXPECT_EQ(resumed.code, 0) << resumed.output;
    EXPECT_EQ(read_metrics(fs::path(run) / "metrics.jsonl").size(), 3u);
  });
  if (!ran) GTEST_SKIP() << "this machine lets no test mount a small file system";
}

TEST_F(Command, StandardOutputThatCannotBeWritten) {
  const auto full = [] { ::dup2(::open("/dev/full", O_WRONLY), 1); };
  expect_line(run_program({"info"}, full), 3, {"standard output"});
  expect_line(run_program({"--help"}, full), 3, {"standard output"});
  const auto no_reader = [] {
    int ends[2];
    if (::pipe(ends) != 0) ::_exit(1);
    ::close(ends[0]);
    ::dup2(ends[1], 1);
  };
  expect_line(run_program(train({}), no_reader), 3, {"standard output"});
  EXPECT_FALSE(checkpoints_of(out()).empty()) << "the training does not depend on who listens";
  const auto closed = [] {
    for (int file = 0; file < 3; ++file) ::close(file);
  };
  EXPECT_EQ(run_program(train({"--overwrite"}), closed).code, 0);
  EXPECT_EQ(read_metrics(fs::path(out()) / "metrics.jsonl").size(), 3u)
      << "nothing else was written into it";
}

}  // namespace
}  // namespace triptych::testing

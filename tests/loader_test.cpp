// ctest: timeout=60 labels=sanitize
// Batches: what is in them, that nothing comes twice, and that a resumed stream is the same stream.
#include "train/loader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <new>
#include <nlohmann/json.hpp>
#include <set>

#include "expect_error.h"
#include "train/random.h"

namespace {
std::atomic<long> allocations{0};
}

// Counts every allocation of the program, for the test that next() makes none. Not inlined, since
// the compiler would see malloc's memory freed by delete and warn.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace triptych {
namespace {

using testing::expect_error;

/// A text in which four bytes in a row tell where they stand: place i holds a hash of i.
char byte_at(std::size_t i) { return static_cast<char>(mix_bits(i + 1)); }

TextPart part_of(std::vector<TextBlock> blocks) {
  std::string bytes(blocks.back().end, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = byte_at(i);
  return {std::make_shared<const std::string>(std::move(bytes)), std::move(blocks)};
}

/// A batch's memory.
struct Buffers {
  Buffers(std::int64_t rows, std::int64_t sequence)
      : tokens(static_cast<std::size_t>(rows * sequence)), targets(tokens), targets2(tokens) {}
  WindowBatch batch() { return {tokens, targets, targets2}; }
  bool operator==(const Buffers&) const = default;

  std::vector<std::int32_t> tokens, targets, targets2;
};

/// Where each window of at least 6 bytes of the text begins.
std::map<std::vector<std::int32_t>, std::size_t> places(const TextPart& part,
                                                        std::size_t sequence) {
  std::map<std::vector<std::int32_t>, std::size_t> found;
  for (std::size_t i = 0; i + sequence <= part.bytes->size(); ++i) {
    std::vector<std::int32_t> window;
    for (std::size_t k = 0; k < sequence; ++k) {
      window.push_back(static_cast<unsigned char>((*part.bytes)[i + k]));
    }
    found[window] = i;
  }
  return found;
}

std::vector<std::int32_t> row(const std::vector<std::int32_t>& matrix, std::size_t b,
                              std::size_t s) {
  const auto first = matrix.begin() + static_cast<std::ptrdiff_t>(b * s);
  return {first, first + static_cast<std::ptrdiff_t>(s)};
}

TEST(BatchLoader, TargetsAreTheNextBytesAndTheOnesAfter) {
  const TextPart part = part_of({{0, 400}, {500, 900}});
  BatchLoader loader(part, 7, 3, 1);
  Buffers buffers(3, 7);
  const auto known = places(part, 7);
  for (int n = 0; n < 100; ++n) {
    loader.next(buffers.batch());
    for (std::size_t b = 0; b < 3; ++b) {
      const std::size_t start = known.at(row(buffers.tokens, b, 7));
      for (std::size_t s = 0; s < 7; ++s) {
        EXPECT_EQ(buffers.targets[b * 7 + s], static_cast<unsigned char>(byte_at(start + s + 1)));
        EXPECT_EQ(buffers.targets2[b * 7 + s], static_cast<unsigned char>(byte_at(start + s + 2)));
      }
      const bool in_first = start + 9 <= 400, in_second = start >= 500 && start + 9 <= 900;
      EXPECT_TRUE(in_first || in_second) << "a window crosses a block's boundary at " << start;
    }
  }
}

TEST(BatchLoader, GivesEveryWindowOnceAnEpochAndOtherOnesInTheNext) {
  constexpr std::size_t sequence = 8;
  // Blocks of one window exactly, of one and a bit, of many, and one that is too short for any.
  const TextPart part = part_of({{0, 10}, {20, 33}, {40, 45}, {50, 700}});
  BatchLoader loader(part, sequence, 1, 3);
  Buffers buffers(1, sequence);
  const auto known = places(part, sequence);
  std::set<std::vector<std::size_t>> orders;
  std::set<std::size_t> offsets;
  for (std::int64_t epoch = 0; epoch < 60; ++epoch) {
    std::vector<std::size_t> starts;
    do {
      loader.next(buffers.batch());
      ASSERT_EQ(loader.state().epoch, epoch);
      starts.push_back(known.at(buffers.tokens));
    } while (loader.state().position < loader.windows());
    orders.insert(starts);
    std::sort(starts.begin(), starts.end());
    // The first two blocks give their one window; the third none; the last its 80 or 81.
    ASSERT_EQ(starts[0], 0u);
    ASSERT_TRUE(starts[1] >= 20 && starts[1] <= 23);
    ASSERT_TRUE(starts[2] >= 50 && starts[2] < 50 + sequence);
    offsets.insert(starts[2] - 50);
    for (std::size_t i = 3; i < starts.size(); ++i) ASSERT_EQ(starts[i], starts[i - 1] + sequence);
    ASSERT_TRUE(starts.back() + sequence + 2 <= 700 && starts.back() + 2 * sequence + 2 > 700);
  }
  EXPECT_EQ(orders.size(), 60u);
  EXPECT_EQ(offsets.size(), sequence);  // in 60 epochs, each misses with probability 3·10^-3
}

TEST(BatchLoader, IsAFunctionOfItsSeed) {
  const TextPart part = part_of({{0, 5000}});
  const auto stream = [&](std::uint64_t seed) {
    BatchLoader loader(part, 16, 4, seed);
    Buffers buffers(4, 16);
    std::vector<std::int32_t> all;
    for (int i = 0; i < 200; ++i) {
      loader.next(buffers.batch());
      all.insert(all.end(), buffers.tokens.begin(), buffers.tokens.end());
    }
    return all;
  };
  EXPECT_EQ(stream(1), stream(1));
  EXPECT_NE(stream(1), stream(2));
}

TEST(BatchLoader, ResumesAnywhereInTheSameStream) {
  const TextPart part = part_of({{0, 300}, {300, 611}});
  BatchLoader whole(part, 9, 5, 11);
  Buffers expected(5, 9), got(5, 9);
  for (int step = 0; step < 120; ++step) {
    const nlohmann::json saved = nlohmann::json::parse(nlohmann::json(whole.state()).dump());
    BatchLoader resumed(part, 9, 5, 999);  // its own seed is replaced by the state's
    resumed.restore(saved.get<LoaderState>());
    EXPECT_EQ(resumed.state(), whole.state());
    for (int ahead = 0; ahead < 3; ++ahead) resumed.next(got.batch());
    BatchLoader again(part, 9, 5, 11);
    again.restore(whole.state());
    for (int ahead = 0; ahead < 3; ++ahead) again.next(expected.batch());
    ASSERT_EQ(got, expected);
    whole.next(expected.batch());
    resumed.restore(saved.get<LoaderState>());
    resumed.next(got.batch());
    ASSERT_EQ(got, expected) << "step " << step;
  }
  EXPECT_GT(whole.state().epoch, 5);
}

TEST(BatchLoader, FillsABatchThatIsLargerThanAnEpoch) {
  const TextPart part = part_of({{0, 12}});  // one window of 10 + 2
  BatchLoader loader(part, 10, 7, 1);
  Buffers buffers(7, 10);
  loader.next(buffers.batch());
  for (std::size_t b = 0; b < 7; ++b)
    EXPECT_EQ(row(buffers.tokens, b, 10), row(buffers.tokens, 0, 10));
  EXPECT_EQ(loader.state(), (LoaderState{1, 6, 1}));
}

TEST(BatchLoader, AllocatesNothingAfterConstruction) {
  const TextPart part = part_of({{0, 900}, {900, 2000}});
  BatchLoader loader(part, 16, 4, 1);
  EvaluationLoader evaluation(part, 16, 4, 50);
  Buffers buffers(4, 16);
  const long before = allocations;
  for (int i = 0; i < 500; ++i) {  // many epochs
    loader.next(buffers.batch());
    if (evaluation.next(buffers.batch()) == 0) evaluation.rewind();
  }
  EXPECT_EQ(allocations, before);
  EXPECT_GT(before, 0);  // the counter counts
}

TEST(BatchLoader, RefusesWhatCannotBe) {
  const TextPart part = part_of({{0, 100}});
  expect_error([&] { BatchLoader(part, 0, 1, 1); }, ErrorKind::usage, {"length 0"});
  expect_error([&] { BatchLoader(part, 8, 0, 1); }, ErrorKind::usage, {"0 sequences"});
  expect_error([&] { BatchLoader(part, 99, 1, 1); }, ErrorKind::usage,
               {"101 bytes", "longer text"});
  BatchLoader loader(part, 98, 2, 1);
  Buffers small(1, 98);
  expect_error([&] { loader.next(small.batch()); }, ErrorKind::usage, {"98 elements", "2·98"});
}

TEST(LoaderState, RefusesWhatIsNoState) {
  const TextPart part = part_of({{0, 100}});
  BatchLoader loader(part, 8, 1, 1);
  for (const LoaderState& state :
       {LoaderState{1, -1, 0}, LoaderState{1, 0, -1}, LoaderState{1, 0, 13}}) {
    expect_error([&] { loader.restore(state); }, ErrorKind::environment,
                 {std::to_string(state.position), std::to_string(state.epoch), "resume"});
  }
  for (const auto& [text, field] :
       {std::pair("[]", "seed"), std::pair(R"({"epoch":1,"position":1})", "seed"),
        std::pair(R"({"seed":1,"epoch":-1,"position":1})", "epoch"),
        std::pair(R"({"seed":1,"epoch":1.5,"position":1})", "epoch"),
        std::pair(R"({"seed":1,"epoch":1,"position":"x"})", "position")}) {
    const nlohmann::json json = nlohmann::json::parse(text);
    expect_error([&] { json.get<LoaderState>(); }, ErrorKind::environment, {field, "intact"});
  }
  const LoaderState largest{UINT64_MAX, INT64_MAX, INT64_MAX};
  EXPECT_EQ(nlohmann::json(largest).get<LoaderState>(), largest);
}

TEST(EvaluationLoader, GivesAllWindowsInOrderAndPadsTheLastBatch) {
  const TextPart part = part_of({{10, 45}, {50, 53}, {60, 70}});
  EvaluationLoader loader(part, 8, 4, 1000);
  EXPECT_EQ(loader.windows(), (std::vector<std::size_t>{10, 18, 26, 34, 60}));
  for (int round = 0; round < 2; ++round) {
    Buffers buffers(4, 8);
    ASSERT_EQ(loader.next(buffers.batch()), 4);
    EXPECT_EQ(buffers.tokens[8], static_cast<unsigned char>(byte_at(18)));
    EXPECT_EQ(buffers.targets[8], static_cast<unsigned char>(byte_at(19)));
    EXPECT_EQ(buffers.targets2[31], static_cast<unsigned char>(byte_at(43)));
    ASSERT_EQ(loader.next(buffers.batch()), 1);
    EXPECT_EQ(buffers.targets[7], static_cast<unsigned char>(byte_at(68)));
    for (std::size_t i = 8; i < 32; ++i) {
      EXPECT_EQ(buffers.tokens[i], 0);
      EXPECT_EQ(buffers.targets[i], -1);
      EXPECT_EQ(buffers.targets2[i], -1);
    }
    ASSERT_EQ(loader.next(buffers.batch()), 0);
    ASSERT_EQ(loader.next(buffers.batch()), 0);
    loader.rewind();
  }
}

TEST(EvaluationLoader, SpreadsALimitOverTheWholePart) {
  const TextPart part = part_of({{0, 1002}});  // 100 windows of 10
  for (const std::int64_t limit : {1, 7, 50, 99, 100, 1000}) {
    const auto windows = evaluation_windows(part, 10, limit);
    ASSERT_EQ(windows.size(), static_cast<std::size_t>(std::min<std::int64_t>(limit, 100)));
    for (std::size_t i = 0; i < windows.size(); ++i) {
      EXPECT_EQ(windows[i] % 10, 0u);
      EXPECT_EQ(windows[i], i * 100 / windows.size() * 10);
    }
  }
  expect_error([&] { EvaluationLoader(part, 10, 1, 0); }, ErrorKind::usage, {"0 windows"});
  expect_error([&] { EvaluationLoader(part, 1001, 1, 1); }, ErrorKind::usage, {"1003 bytes"});
}

}  // namespace
}  // namespace triptych

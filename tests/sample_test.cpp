// ctest: timeout=60 labels=sanitize
// Choosing tokens by temperature and top-p, and writing text beyond the cache's capacity.
#include "train/sample.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "expect_error.h"
#include "small_run.h"
#include "train/initialize.h"

namespace triptych {
namespace {

using testing::expect_error;

std::vector<double> shares(const SampleOptions& options, const std::vector<double>& logits, int draws) {
  Sampler sampler(options);
  std::vector<double> counts(logits.size());
  for (int i = 0; i < draws; ++i) ++counts[static_cast<std::size_t>(sampler.next(logits))];
  for (double& count : counts) count /= draws;
  return counts;
}

TEST(Sampler, FollowsTheSoftmaxAtTheTemperature) {
  const std::vector<double> logits = {1, 0, -1, 2.5};
  for (const double temperature : {0.5, 1.0, 3.0}) {
    double total = 0;
    for (const double l : logits) total += std::exp(l / temperature);
    const auto seen = shares({.temperature = temperature, .top_p = 1}, logits, 40000);
    for (std::size_t v = 0; v < logits.size(); ++v) {
      // Five standard deviations of a share of 40,000 draws.
      EXPECT_NEAR(seen[v], std::exp(logits[v] / temperature) / total, 0.0125) << v << " at " << temperature;
    }
  }
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesIt) {
  // Probabilities 0.5, 0.3, 0.15, 0.05.
  const std::vector<double> logits = {std::log(0.15), std::log(0.5), std::log(0.05), std::log(0.3)};
  const auto seen = shares({.temperature = 1, .top_p = 0.75}, logits, 20000);
  EXPECT_NEAR(seen[1], 0.5 / 0.8, 0.02);
  EXPECT_NEAR(seen[3], 0.3 / 0.8, 0.02);
  EXPECT_EQ(seen[0], 0);
  EXPECT_EQ(seen[2], 0);
  EXPECT_EQ(shares({.temperature = 1, .top_p = 1e-9}, logits, 100)[1], 1) << "at least one stays";
  EXPECT_GT(shares({.temperature = 1, .top_p = 0.96}, logits, 2000)[2], 0);
}

TEST(Sampler, TemperatureZeroTakesTheLargestAndOfEqualOnesTheFirst) {
  EXPECT_EQ(shares({.temperature = 0}, {0, 3, 3, -1}, 50)[1], 1);
  EXPECT_EQ(shares({.temperature = 1, .top_p = 1e-9}, {2, 2, 2}, 50)[0], 1);
}

TEST(Sampler, LargeLogitsDoNotOverflow) {
  EXPECT_EQ(shares({.temperature = 0.01, .top_p = 1}, {1e6, -1e6, 0}, 50)[0], 1);
}

TEST(Sampler, TheSameSeedDrawsTheSame) {
  const std::vector<double> logits(256, 0.0);
  Sampler a({.temperature = 1, .top_p = 1, .seed = 9}), b({.temperature = 1, .top_p = 1, .seed = 9}),
      c({.temperature = 1, .top_p = 1, .seed = 10});
  int different = 0;
  for (int i = 0; i < 50; ++i) {
    const auto token = a.next(logits);
    EXPECT_EQ(token, b.next(logits));
    different += token != c.next(logits);
  }
  EXPECT_GT(different, 40);
}

TEST(PromptOf, BeginsAWrittenLineWhereThereIsOne) {
  EXPECT_EQ(prompt_of("ragged end\n  indented\nNext line, and more", 9), "ragged en");
  EXPECT_EQ(prompt_of("// end\n  indented\nNext line, and more", 9), "Next line");
  EXPECT_EQ(prompt_of("// only this", 6), "// onl");
  EXPECT_EQ(prompt_of("short", 40), "short");
}

TEST(Sampler, BadOptionsAndLogits) {
  expect_error([] { Sampler s({.temperature = -1}); }, ErrorKind::usage, {"temperature is -1"});
  expect_error([] { Sampler s({.temperature = std::nan("")}); }, ErrorKind::usage, {"temperature"});
  expect_error([] { Sampler s({.top_p = 0}); }, ErrorKind::usage, {"top-p is 0"});
  expect_error([] { Sampler s({.top_p = 1.5}); }, ErrorKind::usage, {"top-p is 1.5"});
  Sampler s({});
  const std::vector<double> logits = {0, std::numeric_limits<double>::infinity()};
  expect_error([&] { s.next(logits); }, ErrorKind::finding, {"token 1", "inf"});
}

class GenerateText : public ::testing::Test {
 protected:
  GenerateText()
      : tier_(make_tier({"reference", 1})),
        model_(*tier_, testing::small_config(), {.batch = 1, .sequence = 1, .training = false}) {
    initialize_parameters(model_, 3);
  }
  std::string write(std::int64_t capacity, const std::string& prompt, std::int64_t count) {
    Generator generator(model_, capacity);
    Sampler sampler({.temperature = 0});
    std::string text;
    generate_text(generator, sampler, prompt, count, [&](char c) { text += c; });
    return text;
  }
  /// The greedy continuation of `text`, read from position 0.
  char next_after(const std::string& text) { return write(16, text, 1)[0]; }

  std::unique_ptr<Tier> tier_;
  Model model_;
};

TEST_F(GenerateText, EveryByteIsTheModelsNextByteOfAllBefore) {
  const std::string prompt = "ab";
  std::string text = prompt;
  for (const char c : write(16, prompt, 13)) {
    EXPECT_EQ(c, next_after(text)) << text.size();
    text += c;
  }
}

TEST_F(GenerateText, GoesOnBeyondTheCapacityWithTheNewerHalf) {
  const std::string prompt = "x", text = prompt + write(4, prompt, 5);
  ASSERT_EQ(text.size(), 6u);
  // Positions 0 … 3 hold "x" and three bytes; the byte after them still sees all four.
  EXPECT_EQ(text[4], next_after(std::string(text, 0, 4)));
  // Then the last two are read again.
  EXPECT_EQ(text[5], next_after(text.substr(3, 2)));
  EXPECT_EQ(write(4, "x", 40).substr(0, 5), text.substr(1)) << "longer texts begin the same";
  EXPECT_EQ(write(1, "x", 3).size(), 3u) << "a capacity of one works";
}

TEST_F(GenerateText, LongPromptsKeepTheirEndAndEmptyOnesAreANewline) {
  EXPECT_EQ(write(4, std::string("abcdefgh"), 1)[0], next_after("gh"));
  EXPECT_EQ(write(8, "", 3), write(8, "\n", 3));
  EXPECT_EQ(write(8, "abc", 0), "");
}

}  // namespace
}  // namespace triptych

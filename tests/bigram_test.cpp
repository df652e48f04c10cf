// ctest: timeout=60 labels=sanitize
// The bigram baseline against its formula.
#include "train/bigram.h"

#include <gtest/gtest.h>

#include <cmath>

#include "train/loader.h"
#include "train/random.h"

namespace triptych {
namespace {

TextPart part_of(const std::string& text, std::vector<TextBlock> blocks) {
  return {std::make_shared<const std::string>(text), std::move(blocks)};
}

TEST(Bigram, IsTheFormula) {
  // The pairs ab ×2, ba ×1, and, in the second block, ac ×1; "bc" across the boundary does not
  // count.
  const std::string text = "ababcac";
  const BigramModel model(part_of(text, {{0, 4}, {5, 7}}));
  const TextPart all = part_of(text, {{0, 7}});
  const std::vector<std::size_t> starts = {0};
  const auto p = [](double count, double total, double delta) {
    return (count + delta) / (total + 256 * delta);
  };
  for (const double delta : {0.001, 0.5, 3.0}) {
    // S = 2: b after a, a after b. After a came three bytes, after b one.
    const double two = -std::log2(p(2, 3, delta)) - std::log2(p(1, 1, delta));
    EXPECT_NEAR(model.bits_per_byte(all, starts, 2, delta), two / 2, 1e-12);
    // S = 5: then b after a, c after b, which was never seen, and a after c, after which nothing
    // came.
    const double five =
        two - std::log2(p(2, 3, delta)) - std::log2(p(0, 1, delta)) - std::log2(p(0, 0, delta));
    EXPECT_NEAR(model.bits_per_byte(all, starts, 5, delta), five / 5, 1e-12);
  }
}

TEST(Bigram, KnowsNothingOfNothing) {
  // A train part without pairs: every byte is as probable as any other.
  const TextPart train = part_of("a", {{0, 1}});
  const std::string text = "some text";
  EXPECT_NEAR(BigramModel(train).bits_per_byte(part_of(text, {{0, 9}}), std::vector<std::size_t>{0},
                                               7, 0.1),
              8, 1e-12);
}

TEST(Bigram, ApproachesTheEntropyOfABigramSource) {
  // After byte v comes v+1 or v+2 modulo 16 with probabilities 3/4 and 1/4: 0.8113 bits a byte.
  Random random(1);
  std::string text(400000, '\0');
  for (std::size_t i = 1; i < text.size(); ++i) {
    text[i] = static_cast<char>((text[i - 1] + (random.uniform() < 0.75 ? 1 : 2)) % 16);
  }
  const TextPart train = part_of(text, {{0, 300000}}), held_out = part_of(text, {{300000, 400000}});
  const auto windows = evaluation_windows(held_out, 100, 1 << 20);
  const BigramBaseline baseline = bigram_baseline(train, held_out, windows, 100);
  const double entropy = 0.75 * std::log2(4.0 / 3) + 0.25 * 2;
  // The standard deviation of log2 1/p is √(3/16)·log2 3 = 0.686; five standard errors.
  EXPECT_NEAR(baseline.bits_per_byte, entropy, 5 * 0.686 / std::sqrt(99800.0) + 1e-3);
}

TEST(Bigram, TakesTheDeltaThatSuitsTheBaselineBest) {
  const Text text = read_text("synthetic:1", {1 << 20, 20000});
  const TextSplit split = split_text(text, 32);
  const auto windows = evaluation_windows(split.held_out, 32, 40);
  const BigramBaseline best = bigram_baseline(split.train, split.held_out, windows, 32);
  const BigramModel model(split.train);
  EXPECT_EQ(best.bits_per_byte, model.bits_per_byte(split.held_out, windows, 32, best.delta));
  for (int k = -12; k <= 2; ++k) {
    EXPECT_LE(best.bits_per_byte,
              model.bits_per_byte(split.held_out, windows, 32, std::pow(10.0, k / 2.0)));
  }
}

}  // namespace
}  // namespace triptych

// ctest: timeout=30
// The random numbers: the same bits everywhere, and the distributions that they claim.
#include "train/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

namespace triptych {
namespace {

TEST(Random, MixBitsIsSplitMix64) {
  // The first outputs of SplitMix64 from the seed 0, as its authors print them.
  EXPECT_EQ(mix_bits(1 * 0x9E3779B97F4A7C15u), 0xE220A8397B1DCDAFu);
  EXPECT_EQ(mix_bits(2 * 0x9E3779B97F4A7C15u), 0x6E789E6AA1B965F4u);
  EXPECT_EQ(mix_bits(3 * 0x9E3779B97F4A7C15u), 0x06C45D188009454Fu);
}

TEST(Random, HasTheSameBitsOnEveryMachine) {
  Random random(1);
  EXPECT_EQ(random.next(), 0xD39D39DF615E3DE7u);
  EXPECT_EQ(random.next(), 0x4DDCBEDB27B4381Au);
  EXPECT_EQ(random.below(1000), 945u);
  EXPECT_EQ(std::bit_cast<std::uint64_t>(random.uniform()), 0x3FEF2FF50C8C21D9u);
  EXPECT_EQ(std::bit_cast<std::uint64_t>(random.normal()), 0x3FD142D1051EA356u);
  EXPECT_EQ(std::bit_cast<std::uint64_t>(random.normal()), 0x3FED88B6E8E8001Eu);
  // Many deviates, so that all of the logarithm's range is walked through.
  std::uint64_t hash = 0;
  for (int i = 0; i < 100000; ++i) {
    hash = mix_bits(hash ^ std::bit_cast<std::uint64_t>(random.normal()));
  }
  EXPECT_EQ(hash, 0x04D97BD412898151u);
}

TEST(Random, DependsOnSeedAndStreamAlone) {
  EXPECT_EQ(Random(5, 7).next(), Random(5, 7).next());
  std::vector<std::uint64_t> first;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    for (std::uint64_t stream = 0; stream < 30; ++stream)
      first.push_back(Random(seed, stream).next());
  }
  std::sort(first.begin(), first.end());
  EXPECT_EQ(std::adjacent_find(first.begin(), first.end()), first.end());
}

TEST(Random, UniformHasItsMoments) {
  Random random(2);
  constexpr int n = 1000000;
  double sum = 0, squares = 0;
  for (int i = 0; i < n; ++i) {
    const double u = random.uniform();
    ASSERT_TRUE(u >= 0 && u < 1);
    sum += u;
    squares += u * u;
  }
  // Five standard errors of the mean of u (variance 1/12) and of u² (variance 4/45).
  EXPECT_NEAR(sum / n, 0.5, 5 * std::sqrt(1.0 / 12 / n));
  EXPECT_NEAR(squares / n, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / n));
}

TEST(Random, BelowIsUniformAndInRange) {
  Random random(3);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(random.below(1), 0u);
  const std::uint64_t large = (std::uint64_t{1} << 63) + 1;  // refuses nearly half of the words
  for (int i = 0; i < 1000; ++i) EXPECT_LT(random.below(large), large);
  constexpr int n = 700000, cells = 7;
  std::vector<int> counts(cells);
  for (int i = 0; i < n; ++i) ++counts[random.below(cells)];
  for (const int count : counts) {
    EXPECT_NEAR(count, n / cells, 5 * std::sqrt(n * (1.0 / cells) * (1 - 1.0 / cells)));
  }
}

TEST(Random, NormalHasItsMomentsAndTails) {
  Random random(4);
  constexpr int n = 1000000;
  double sum = 0, squares = 0, fourth = 0;
  int beyond_2 = 0, beyond_3 = 0;
  for (int i = 0; i < n; ++i) {
    const double x = random.normal();
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
    beyond_2 += std::fabs(x) > 2;
    beyond_3 += std::fabs(x) > 3;
  }
  // Five standard errors: the variances of x, x², x⁴ are 1, 2, 96.
  EXPECT_NEAR(sum / n, 0, 5 * std::sqrt(1.0 / n));
  EXPECT_NEAR(squares / n, 1, 5 * std::sqrt(2.0 / n));
  EXPECT_NEAR(fourth / n, 3, 5 * std::sqrt(96.0 / n));
  for (const auto& [count, bound] : {std::pair(beyond_2, 2.0), std::pair(beyond_3, 3.0)}) {
    const double p = std::erfc(bound / std::sqrt(2.0));
    EXPECT_NEAR(count, n * p, 5 * std::sqrt(n * p * (1 - p)));
  }
}

TEST(Random, NormalAgreesWithTheCLibrarysLogarithm) {
  Random random(6), words(6);
  for (int i = 0; i < 100000; ++i) {
    double x = 0, y = 0, square = 0;
    do {
      x = 2 * words.uniform() - 1;
      y = 2 * words.uniform() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square == 0);
    const double scale = std::sqrt(-2 * std::log(square) / square);
    // 8 roundings of 2^-53 at most separate the two forms.
    ASSERT_NEAR(random.normal(), x * scale, std::fabs(x * scale) * 0x1p-50);
    ASSERT_NEAR(random.normal(), y * scale, std::fabs(y * scale) * 0x1p-50);
  }
}

TEST(Random, ShuffleGivesEveryOrderEquallyOften) {
  Random random(7);
  constexpr int n = 240000, orders = 24;
  std::map<std::vector<int>, int> counts;
  for (int i = 0; i < n; ++i) {
    std::vector<int> items = {0, 1, 2, 3};
    shuffle(std::span(items), random);
    ++counts[items];
  }
  ASSERT_EQ(counts.size(), orders);
  for (const auto& [order, count] : counts) {
    EXPECT_NEAR(count, n / orders, 5 * std::sqrt(n * (1.0 / orders) * (1 - 1.0 / orders)));
  }
}

TEST(Random, ShuffleKeepsTheItems) {
  Random random(8);
  for (const std::size_t size : {0u, 1u, 2u, 1009u}) {
    std::vector<std::size_t> items(size);
    std::iota(items.begin(), items.end(), 0);
    shuffle(std::span(items), random);
    std::sort(items.begin(), items.end());
    for (std::size_t i = 0; i < size; ++i) EXPECT_EQ(items[i], i);
  }
}

}  // namespace
}  // namespace triptych

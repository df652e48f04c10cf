// ctest: timeout=60
// The synthetic language: its entropy rate against its own text, in two independent ways.
#include "train/synthetic.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "train/bigram.h"
#include "train/loader.h"

namespace triptych {
namespace {

using Successor = SyntheticLanguage::Successor;

/// The words of a text as indices; a cut last word is left out.
std::vector<std::size_t> parse(const SyntheticLanguage& language, const std::string& text) {
  std::map<std::string, std::size_t> index;
  for (std::size_t i = 0; i < language.words().size(); ++i) index[language.words()[i]] = i;
  std::vector<std::size_t> sequence;
  std::string word;
  for (const char c : text) {
    word += c;
    if (c != ' ' && c != '\n') continue;
    sequence.push_back(index.at(word));
    word.clear();
  }
  return sequence;
}

double probability(const SyntheticLanguage& language, std::size_t i, std::size_t j) {
  for (const Successor& next : language.successors()[i]) {
    if (next.word == j) return next.probability;
  }
  return 0;
}

double length_of(const SyntheticLanguage& language, std::size_t i) {
  return static_cast<double>(language.words()[i].size());
}

/// The standard deviation of Σ (log2 1/P(w_k→w_k+1) - h·ℓ(w_k)) over n words is σ·√n.
///
/// f(i,j) = log2 1/P_ij - h·ℓ_i has mean 0 under the stationary chain, by the definition of h. With
/// g(i) = E[f | i] and u = Σ_k P^k g, the solution of (I - P)u = g, the sum is a martingale with
/// steps f(i,j) + u(j) - u(i), plus bounded end terms; so σ² = E[(f(i,j) + u(j) - u(i))²].
double word_deviation(const SyntheticLanguage& language) {
  const std::size_t count = language.words().size();
  const double h = language.entropy_rate();
  const auto f = [&](std::size_t i, const Successor& next) {
    return -std::log2(next.probability) - h * length_of(language, i);
  };
  std::vector<double> term(count), u(count);
  for (std::size_t i = 0; i < count; ++i) {
    for (const Successor& next : language.successors()[i]) {
      term[i] += next.probability * f(i, next);
    }
  }
  for (int k = 0; k < 2000; ++k) {
    std::vector<double> after(count);
    for (std::size_t i = 0; i < count; ++i) {
      u[i] += term[i];
      for (const Successor& next : language.successors()[i]) {
        after[i] += next.probability * term[next.word];
      }
    }
    term.swap(after);
  }
  double variance = 0;
  for (std::size_t i = 0; i < count; ++i) {
    for (const Successor& next : language.successors()[i]) {
      const double step = f(i, next) + u[next.word] - u[i];
      variance += language.stationary()[i] * next.probability * step * step;
    }
  }
  return std::sqrt(variance);
}

TEST(Synthetic, IsAMarkovChainOverWords) {
  for (const std::uint64_t seed : {0u, 1u, 12345u}) {
    const SyntheticLanguage language(seed);
    const std::size_t count = language.words().size();
    EXPECT_EQ(std::set<std::string>(language.words().begin(), language.words().end()).size(),
              count);
    for (const std::string& word : language.words()) {
      EXPECT_GE(word.size(), 3u);
      EXPECT_EQ(word.find_first_of(" .\n"), word.find_last_of("abcdefghijklmnopqrstuvwxyz") + 1);
    }
    std::vector<double> after(count);
    for (std::size_t i = 0; i < count; ++i) {
      double total = 0;
      for (const Successor& next : language.successors()[i]) {
        EXPECT_GT(next.probability, 0);
        total += next.probability;
        after[next.word] += language.stationary()[i] * next.probability;
      }
      EXPECT_NEAR(total, 1, 1e-14);
    }
    for (std::size_t i = 0; i < count; ++i) EXPECT_NEAR(after[i], language.stationary()[i], 1e-14);
    EXPECT_NEAR(std::accumulate(after.begin(), after.end(), 0.0), 1, 1e-13);
  }
}

TEST(Synthetic, DependsOnTheSeedAlone) {
  const SyntheticLanguage language(1);
  const std::string sample = language.sample(10000);
  EXPECT_EQ(sample.size(), 10000u);
  EXPECT_EQ(sample, SyntheticLanguage(1).sample(10000));
  EXPECT_EQ(sample.substr(0, 137), language.sample(137));
  EXPECT_EQ(language.sample(0), "");
  EXPECT_NE(sample, SyntheticLanguage(2).sample(10000));
}

TEST(Synthetic, CrossEntropyOfTheTrueModelIsTheEntropyRate) {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    const SyntheticLanguage language(seed);
    const std::vector<std::size_t> words = parse(language, language.sample(4000000));
    double bits = 0, bytes = 0;
    for (std::size_t k = 0; k + 1 < words.size(); ++k) {
      bits -= std::log2(probability(language, words[k], words[k + 1]));
      bytes += length_of(language, words[k]);
    }
    const double bound =
        5 * word_deviation(language) * std::sqrt(static_cast<double>(words.size())) / bytes;
    EXPECT_LT(bound, 0.01 * language.entropy_rate());  // so the comparison means something
    EXPECT_NEAR(bits / bytes, language.entropy_rate(), bound) << "seed " << seed;
  }
}

// The probability of the bytes themselves, by the forward algorithm over the states (word, bytes of
// it already seen), which knows nothing of how the text is cut in words.
TEST(Synthetic, BytesHaveTheSameEntropyAsWords) {
  const SyntheticLanguage language(4);
  const std::string text = language.sample(300000);
  std::map<std::pair<std::size_t, std::size_t>, double> alive;
  for (std::size_t i = 0; i < language.words().size(); ++i)
    alive[{i, 0}] = language.stationary()[i];
  double bits = 0;
  for (const char c : text) {
    std::map<std::pair<std::size_t, std::size_t>, double> after;
    double total = 0;
    for (const auto& [state, weight] : alive) {
      const auto& [word, seen] = state;
      if (language.words()[word][seen] != c) continue;
      total += weight;
      if (seen + 1 < language.words()[word].size()) {
        after[{word, seen + 1}] += weight;
      } else {
        for (const Successor& next : language.successors()[word]) {
          after[{next.word, 0}] += weight * next.probability;
        }
      }
    }
    bits -= std::log2(total);
    for (auto& [state, weight] : after) weight /= total;
    alive.swap(after);
  }
  const auto bytes = static_cast<double>(text.size());
  double bytes_a_word = 0;
  for (std::size_t i = 0; i < language.words().size(); ++i) {
    bytes_a_word += language.stationary()[i] * length_of(language, i);
  }
  const double words = bytes / bytes_a_word;
  const double bound = 5 * word_deviation(language) * std::sqrt(words) / bytes;
  EXPECT_NEAR(bits / bytes, language.entropy_rate(), bound);
}

TEST(Synthetic, WordsOccurAsOftenAsTheStationaryDistributionSays) {
  const SyntheticLanguage language(5);
  const std::vector<std::size_t> words = parse(language, language.sample(4000000));
  std::vector<double> share(language.words().size());
  for (const std::size_t word : words) share[word] += 1 / static_cast<double>(words.size());
  for (std::size_t i = 0; i < share.size(); ++i) {
    // Five standard errors of independent draws, doubled since a word may favour its own return.
    const double p = language.stationary()[i];
    EXPECT_NEAR(share[i], p, 10 * std::sqrt(p / static_cast<double>(words.size())));
  }
}

TEST(Synthetic, ABigramModelIsFarFromTheEntropyRate) {
  const Text text = read_text("synthetic:6");
  const TextSplit split = split_text(text, 128);
  const auto windows = evaluation_windows(split.held_out, 128, 1 << 20);
  const BigramBaseline baseline = bigram_baseline(split.train, split.held_out, windows, 128);
  EXPECT_GT(baseline.bits_per_byte, 4 * *text.entropy_rate);
}

}  // namespace
}  // namespace triptych

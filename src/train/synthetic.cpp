#include "train/synthetic.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>

#include "train/random.h"

namespace triptych {

namespace {

constexpr std::size_t word_count = 128;
constexpr std::size_t branches = 8;

// Streams of the seed, one a purpose.
enum Stream : std::uint64_t { lexicon_stream, grammar_stream, sample_stream };

char pick(std::string_view letters, Random& random) {
  return letters[random.below(letters.size())];
}

/// One to three syllables of consonant, vowel and, every third time, a closing consonant.
std::string make_word(Random& random) {
  std::string word;
  const std::uint64_t syllables = 1 + random.below(3);
  for (std::uint64_t i = 0; i < syllables; ++i) {
    word += pick("bdfghklmnprstvwz", random);
    word += pick("aeiou", random);
    if (random.below(3) == 0) word += pick("lmnrst", random);
  }
  return word + (random.below(8) == 0 ? ".\n" : " ");
}

std::vector<std::string> make_lexicon(Random random) {
  std::vector<std::string> words;
  std::set<std::string> known;
  while (words.size() < word_count) {
    std::string word = make_word(random);
    if (known.insert(word).second) words.push_back(std::move(word));
  }
  return words;
}

/// Word i is always followed, among others, by word i+1 (the last by the first): so every word is
/// reached from every other, and there is one stationary distribution.
std::vector<std::vector<SyntheticLanguage::Successor>> make_grammar(Random random) {
  std::vector<std::vector<SyntheticLanguage::Successor>> grammar(word_count);
  for (std::size_t i = 0; i < word_count; ++i) {
    std::set<std::size_t> followers = {(i + 1) % word_count};
    while (followers.size() < branches) followers.insert(random.below(word_count));
    double total = 0;
    for (const std::size_t j : followers) {
      const double u = random.uniform();
      const double weight = 0.02 + u * u * u;  // skewed: some successors are common, some rare
      grammar[i].push_back({j, weight});
      total += weight;
    }
    for (auto& successor : grammar[i]) successor.probability /= total;
  }
  return grammar;
}

}  // namespace

SyntheticLanguage::SyntheticLanguage(std::uint64_t seed)
    : seed_(seed),
      words_(make_lexicon(Random(seed, lexicon_stream))),
      successors_(make_grammar(Random(seed, grammar_stream))) {
  solve_stationary();
  double bits = 0, bytes = 0;
  for (std::size_t i = 0; i < word_count; ++i) {
    for (const Successor& next : successors_[i]) {
      bits -= stationary_[i] * next.probability * std::log2(next.probability);
    }
    bytes += stationary_[i] * static_cast<double>(words_[i].size());
  }
  entropy_rate_ = bits / bytes;
}

void SyntheticLanguage::solve_stationary() {
  // The chain that stays put with probability ½ has the same π and no period, so iteration
  // converges.
  stationary_.assign(word_count, 1.0 / word_count);
  std::vector<double> after(word_count);
  for (int round = 0; round < 10000; ++round) {
    for (std::size_t i = 0; i < word_count; ++i) after[i] = stationary_[i] / 2;
    for (std::size_t i = 0; i < word_count; ++i) {
      for (const Successor& next : successors_[i]) {
        after[next.word] += stationary_[i] / 2 * next.probability;
      }
    }
    double total = 0, change = 0;
    for (const double p : after) total += p;
    for (std::size_t i = 0; i < word_count; ++i) {
      after[i] /= total;
      change += std::fabs(after[i] - stationary_[i]);
    }
    stationary_.swap(after);
    if (change < 1e-15) break;
  }
}

std::string SyntheticLanguage::sample(std::size_t length) const {
  Random random(seed_, sample_stream);
  double u = random.uniform();
  std::size_t word = 0;
  while (word + 1 < word_count && u >= stationary_[word]) u -= stationary_[word++];
  std::string text;
  text.reserve(length + 16);
  for (;;) {
    text += words_[word];
    if (text.size() >= length) break;
    u = random.uniform();
    const std::vector<Successor>& next = successors_[word];
    std::size_t k = 0;
    while (k + 1 < next.size() && u >= next[k].probability) u -= next[k++].probability;
    word = next[k].word;
  }
  text.resize(length);
  return text;
}

}  // namespace triptych

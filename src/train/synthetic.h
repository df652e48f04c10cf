/// \file
/// A generated language whose entropy is known: what a perfect model's loss would be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace triptych {

/// A first-order Markov chain over words, drawn from a seed.
///
/// 128 distinct pronounceable words of 2 … 9 letters, each ended by a space or, for one in eight,
/// by a full stop and a newline. After a word come at most 8 others, with probabilities of their
/// own. To predict the next byte well, a model must know the letters since the word's beginning and
/// the word before it, which a bigram model does not see.
///
/// Words end where their letters end, so bytes and words determine each other, and the chain's
/// entropy is the text's. With transition probabilities P, stationary distribution π = πP and the
/// word's length ℓ in bytes, the entropy rate in bits a byte is
///
///   h = Σ_i π_i Σ_j P_ij log2(1/P_ij)  /  Σ_i π_i ℓ_i
///
/// (the entropy a word over the mean bytes a word; Cover and Thomas, "Elements of information
/// theory", theorem 4.2.4). π comes from power iteration in f64. A model that sees only a window of
/// S bytes does a little worse than h, since a window's first bytes come without the word before.
class SyntheticLanguage {
 public:
  /// A word that may follow another, and how probable that is.
  struct Successor {
    std::size_t word = 0;
    double probability = 0;
  };

  explicit SyntheticLanguage(std::uint64_t seed);

  /// The language's first `length` bytes: the same for the same seed, and a longer sample begins
  /// with the shorter one. The first word is drawn from π, so the sample is stationary.
  std::string sample(std::size_t length) const;

  /// h, in bits a byte.
  double entropy_rate() const { return entropy_rate_; }
  /// The words with their endings, pairwise different.
  const std::vector<std::string>& words() const { return words_; }
  /// successors()[i]: the words that may follow word i; their probabilities sum to 1.
  const std::vector<std::vector<Successor>>& successors() const { return successors_; }
  /// π: stationary()[i] is the share of word i among the words of a long text.
  const std::vector<double>& stationary() const { return stationary_; }

 private:
  void solve_stationary();

  std::uint64_t seed_;
  std::vector<std::string> words_;
  std::vector<std::vector<Successor>> successors_;
  std::vector<double> stationary_;
  double entropy_rate_ = 0;
};

}  // namespace triptych

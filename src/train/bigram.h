/// \file
/// The baseline that a trained model has to beat: a bigram model of the same text.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/text.h"

namespace triptych {

/// The add-δ bigram model over V = 256 bytes, fitted on a part of a text:
///
///   P(b | a) = (count(a,b) + δ) / (Σ_b' count(a,b') + V·δ)
///
/// with counts of neighbours inside of the part's blocks.
class BigramModel {
 public:
  explicit BigramModel(const TextPart& train);

  /// The cross-entropy in bits a byte on the next-byte targets of windows of `part`: byte s+1 given
  /// byte s, for s in 0 … S-1 of each window, exactly the targets that the model is evaluated on.
  /// `starts` are the windows' first bytes (EvaluationLoader::windows).
  /// REQUIRES: delta > 0, at least one window.
  double bits_per_byte(const TextPart& part, std::span<const std::size_t> starts,
                       std::int64_t sequence, double delta) const;

 private:
  std::vector<std::int64_t> pairs_;   // [V,V] count(a,b)
  std::vector<std::int64_t> totals_;  // [V] Σ_b count(a,b)
};

/// A baseline's loss and the δ that reached it.
struct BigramBaseline {
  double bits_per_byte = 0;
  double delta = 0;
};

/// The smallest cross-entropy on those targets over δ = 10^-6, 10^-5.5, …, 10^1. The choice of δ
/// sees the held-out part, which favours the baseline; the model that is compared with it has no
/// such help.
BigramBaseline bigram_baseline(const TextPart& train, const TextPart& held_out,
                               std::span<const std::size_t> starts, std::int64_t sequence);

}  // namespace triptych

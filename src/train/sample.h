/// \file
/// Choosing the next token, and writing text with a model.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/generator.h"
#include "train/random.h"

namespace triptych {

/// How the next token is chosen.
struct SampleOptions {
  double temperature = 0.8;  ///< divides the logits, ≥ 0; 0: always the largest
  double top_p = 0.95;       ///< 0 < p ≤ 1: only the smallest set of likeliest tokens that reaches p
  std::uint64_t seed = 1;    ///< of the draws

  /// Raises a usage_error that names the field, its value and its range.
  void validate() const;
};

/// Draws tokens: p = softmax(logits / temperature); the likeliest tokens whose probabilities sum to
/// top_p or more stay (at least one; of equal ones the lower index first); one of them is drawn in
/// proportion. Source of the cut: Holtzman et al., arXiv 1904.09751.
class Sampler {
 public:
  explicit Sampler(const SampleOptions& options);

  /// The next token. Logits that are not finite raise a finding.
  std::int32_t next(std::span<const double> logits);

 private:
  SampleOptions options_;
  Random random_;
  std::vector<std::int32_t> order_;  // tokens, the likeliest first
  std::vector<double> weight_;       // e^{(logit - max) / temperature}
};

/// Writes `count` bytes after `prompt`, and hands each to `sink` as soon as it is there.
///
/// The generator's latents hold the last tokens; when its capacity is used up, the newer half of the
/// text is read again from position 0, so text of any length can be written. An empty prompt stands for
/// one newline. REQUIRES: a byte vocabulary, V = 256; count ≥ 0.
void generate_text(Generator& generator, Sampler& sampler, std::string_view prompt, std::int64_t count,
                   const std::function<void(char)>& sink);

/// A prompt out of a text: its first `count` bytes from the beginning of a line that begins with a
/// letter, or from its first byte where there is none. REQUIRES: count ≥ 1.
std::string_view prompt_of(std::string_view text, std::size_t count);

}  // namespace triptych

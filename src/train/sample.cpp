#include "train/sample.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "triptych/error.h"

namespace triptych {

void SampleOptions::validate() const {
  if (!(temperature >= 0) || !std::isfinite(temperature)) {
    throw usage_error(fmt::format("sample: temperature is {}; wanted 0 or more", temperature));
  }
  if (!(top_p > 0 && top_p <= 1)) {
    throw usage_error(fmt::format("sample: top-p is {}; wanted 0 < top-p ≤ 1", top_p));
  }
}

Sampler::Sampler(const SampleOptions& options) : options_(options), random_(options.seed) {
  options.validate();
}

std::int32_t Sampler::next(std::span<const double> logits) {
  for (std::size_t v = 0; v < logits.size(); ++v) {
    if (!std::isfinite(logits[v])) {
      throw finding(fmt::format("sample: the logit of token {} is {}; the model's parameters are damaged "
                                "or it diverged", v, logits[v]));
    }
  }
  order_.resize(logits.size());
  std::iota(order_.begin(), order_.end(), 0);
  const auto logit = [&](std::int32_t v) { return logits[static_cast<std::size_t>(v)]; };
  std::stable_sort(order_.begin(), order_.end(),
                   [&](std::int32_t a, std::int32_t b) { return logit(a) > logit(b); });
  if (options_.temperature == 0) return order_.front();

  weight_.resize(logits.size());
  double total = 0;
  for (std::size_t i = 0; i < order_.size(); ++i) {
    weight_[i] = std::exp((logit(order_[i]) - logit(order_.front())) / options_.temperature);
    total += weight_[i];
  }
  // The kept tokens are a prefix of the order.
  std::size_t kept = 0;
  double sum = 0;
  while (kept < order_.size() && (kept == 0 || sum < options_.top_p * total)) sum += weight_[kept++];
  double left = random_.uniform() * sum;
  for (std::size_t i = 0; i + 1 < kept; ++i) {
    left -= weight_[i];
    if (left < 0) return order_[i];
  }
  return order_[kept - 1];
}

void generate_text(Generator& generator, Sampler& sampler, std::string_view prompt, std::int64_t count,
                   const std::function<void(char)>& sink) {
  std::string text(prompt.empty() ? std::string_view("\n") : prompt);
  const auto capacity = static_cast<std::size_t>(generator.capacity());
  const auto token = [&](std::size_t i) {
    return static_cast<std::int32_t>(static_cast<unsigned char>(text[i]));
  };
  // Reads text from `begin` on; of a text that does not fit, the last half of the capacity.
  std::span<const double> logits;
  const auto read = [&](std::size_t begin) {
    for (std::size_t i = begin; i < text.size(); ++i) logits = generator.append(token(i));
  };
  generator.reset();
  read(text.size() < capacity ? 0 : text.size() - (capacity + 1) / 2);
  for (std::int64_t written = 0; written < count; ++written) {
    const auto byte = static_cast<char>(static_cast<unsigned char>(sampler.next(logits)));
    text.push_back(byte);
    sink(byte);
    if (written + 1 == count) break;
    if (generator.position() < generator.capacity()) {
      read(text.size() - 1);
    } else {
      generator.reset();
      read(text.size() - std::min(text.size(), (capacity + 1) / 2));
    }
  }
}

std::string_view prompt_of(std::string_view text, std::size_t count) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  for (std::size_t i = 0; i + count < text.size(); ++i) {
    if (letter(text[i]) && (i == 0 || text[i - 1] == '\n')) return text.substr(i, count);
  }
  return text.substr(0, count);
}

}  // namespace triptych

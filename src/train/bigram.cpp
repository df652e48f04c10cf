#include "train/bigram.h"

#include <cmath>
#include <limits>

namespace triptych {

namespace {

constexpr std::size_t vocabulary = 256;

std::size_t byte_at(const std::string& bytes, std::size_t i) {
  return static_cast<unsigned char>(bytes[i]);
}

}  // namespace

BigramModel::BigramModel(const TextPart& train)
    : pairs_(vocabulary * vocabulary), totals_(vocabulary) {
  for (const TextBlock& block : train.blocks) {
    for (std::size_t i = block.begin; i + 1 < block.end; ++i) {
      const std::size_t a = byte_at(*train.bytes, i), b = byte_at(*train.bytes, i + 1);
      ++pairs_[a * vocabulary + b];
      ++totals_[a];
    }
  }
}

double BigramModel::bits_per_byte(const TextPart& part, std::span<const std::size_t> starts,
                                  std::int64_t sequence, double delta) const {
  double bits = 0;
  for (const std::size_t start : starts) {
    for (std::size_t i = start; i < start + static_cast<std::size_t>(sequence); ++i) {
      const std::size_t a = byte_at(*part.bytes, i), b = byte_at(*part.bytes, i + 1);
      bits += std::log2((static_cast<double>(totals_[a]) + vocabulary * delta) /
                        (static_cast<double>(pairs_[a * vocabulary + b]) + delta));
    }
  }
  return bits / (static_cast<double>(starts.size()) * static_cast<double>(sequence));
}

BigramBaseline bigram_baseline(const TextPart& train, const TextPart& held_out,
                               std::span<const std::size_t> starts, std::int64_t sequence) {
  const BigramModel model(train);
  BigramBaseline best{std::numeric_limits<double>::infinity(), 0};
  for (int half_decade = -12; half_decade <= 2; ++half_decade) {
    const double delta = std::pow(10.0, half_decade / 2.0);
    const double bits = model.bits_per_byte(held_out, starts, sequence, delta);
    if (bits < best.bits_per_byte) best = {bits, delta};
  }
  return best;
}

}  // namespace triptych

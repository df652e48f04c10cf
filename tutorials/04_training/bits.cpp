// Losses in bits a byte that need no training: what guessing, counting and knowing are worth.
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "train/bigram.h"
#include "train/loader.h"
#include "train/text.h"

namespace triptych::tutorial {
namespace {

constexpr std::int64_t sequence = 64, windows = 64;

unsigned char byte_at(const TextPart& part, std::size_t i) {
  return static_cast<unsigned char>((*part.bytes)[i]);
}

/// The loss of a model that knows how often each byte occurs in the training part, and nothing
/// else: the mean over the held-out targets of log2(1 / P(byte)), with 1 added to every count.
double unigram_bits(const TextSplit& split, const std::vector<std::size_t>& starts) {
  std::array<double, 256> count;
  count.fill(1);
  double total = 256, bits = 0;
  for (const TextBlock& block : split.train.blocks) {
    for (std::size_t i = block.begin; i < block.end; ++i) ++count[byte_at(split.train, i)], ++total;
  }
  for (const std::size_t start : starts) {
    for (std::size_t i = start + 1; i <= start + sequence; ++i) {
      bits += std::log2(total / count[byte_at(split.held_out, i)]);
    }
  }
  return bits / static_cast<double>(starts.size() * sequence);
}

void print_line(const char* model, double bits) {
  fmt::print("  {:14} {:6.3f} {:12.1f} {:12.0f} %\n", model, bits, std::exp2(bits), 100 * bits / 8);
}

void measure(const std::string& source) {
  const Text text = read_text(source);
  const TextSplit split = split_text(text, sequence);
  const std::vector<std::size_t> starts = evaluation_windows(split.held_out, sequence, windows);
  fmt::print("{:17} bits a byte   as unsure as   packed size\n", source);
  print_line("uniform", 8);
  print_line("unigram", unigram_bits(split, starts));
  print_line("bigram",
             bigram_baseline(split.train, split.held_out, starts, sequence).bits_per_byte);
  if (text.entropy_rate) print_line("entropy rate", *text.entropy_rate);
}

}  // namespace
}  // namespace triptych::tutorial

int main() {
  triptych::tutorial::measure("synthetic:7");
  triptych::tutorial::measure("data");
}

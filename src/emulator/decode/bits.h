/// \file
/// Sets of small numbers.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace triptych::emulator {

/// A set of the numbers below a size.
class Bits {
 public:
  explicit Bits(std::size_t size) : words_((size + 63) / 64) {}
  bool test(std::size_t i) const { return (words_[i / 64] >> i % 64 & 1) != 0; }
  void set(std::size_t i) { words_[i / 64] |= std::uint64_t{1} << i % 64; }
  /// *this |= other & ~without; whether anything was added.
  bool add(const Bits& other, const Bits* without) {
    std::uint64_t fresh = 0;
    for (std::size_t w = 0; w < words_.size(); ++w) {
      const std::uint64_t more = other.words_[w] & ~(without == nullptr ? 0 : without->words_[w]);
      fresh |= more & ~words_[w];
      words_[w] |= more;
    }
    return fresh != 0;
  }
  template <class F>
  void each(const F& visit) const {
    for (std::size_t w = 0; w < words_.size(); ++w) {
      for (std::uint64_t left = words_[w]; left != 0; left &= left - 1) {
        visit(w * 64 + static_cast<std::size_t>(std::countr_zero(left)));
      }
    }
  }

 private:
  std::vector<std::uint64_t> words_;
};

}  // namespace triptych::emulator

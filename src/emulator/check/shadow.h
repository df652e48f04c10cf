/// \file
/// Shadow memory: who touched which bytes last, and which bytes have been written at all.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "emulator/check/clock.h"
#include "emulator/machine/warp.h"

namespace triptych::emulator {

/// An instruction of a kernel: an index among those that a checker has seen.
using SiteId = std::uint32_t;

/// One access: whose, when, and of which kind, in 64 bits. Zero: none.
class Stamp {
 public:
  enum Kind : std::uint8_t { weak = 0, strong = 4, async = 8, coherent_not = 16, is_atomic = 32 };

  constexpr Stamp() = default;
  constexpr Stamp(Agent agent, int lane, Epoch epoch, std::uint8_t kind, Scope scope)
      : bits_(std::uint64_t{agent} << 40 | std::uint64_t{epoch & 0xFFFFFFF} << 12 | static_cast<std::uint64_t>(lane) << 7 |
              (kind & 0x3Fu) << 1 | static_cast<std::uint64_t>(scope) << 1) {}
  constexpr bool none() const { return bits_ == 0; }
  constexpr Agent agent() const { return static_cast<Agent>(bits_ >> 40); }
  constexpr Epoch epoch() const { return static_cast<Epoch>(bits_ >> 12 & 0xFFFFFFF); }
  constexpr int lane() const { return static_cast<int>(bits_ >> 7 & 31); }
  constexpr bool has(Kind kind) const { return (bits_ >> 1 & kind) != 0; }
  constexpr Scope scope() const { return static_cast<Scope>(bits_ >> 1 & 3); }
  constexpr bool operator==(const Stamp&) const = default;
  constexpr std::uint64_t bits() const { return bits_; }
  /// Whether the same lane of the same agent made both.
  constexpr bool same_thread(Stamp other) const { return ((bits_ ^ other.bits_) & same_thread_bits) == 0; }
  /// The same access by another lane.
  constexpr Stamp of_lane(int lane) const {
    Stamp s;
    s.bits_ = (bits_ & ~(std::uint64_t{31} << 7)) | static_cast<std::uint64_t>(lane) << 7;
    return s;
  }

 private:
  static constexpr std::uint64_t same_thread_bits = std::uint64_t{0xFFFFFF} << 40 | std::uint64_t{31} << 7;
  std::uint64_t bits_ = 0;   // agent 24 | epoch 28 | lane 5 | kind and scope 6 | 0
};

/// Lanes of a warp that have read a granule in one epoch.
struct Reader {
  Stamp stamp;      ///< its lane means nothing
  Mask lanes = 0;
  SiteId site = 0;
};

/// Readers of granules that have several: a chain of blocks for each.
class ReaderChains {
 public:
  using Chain = std::uint32_t;   ///< 0: empty
  ReaderChains() { clear(); }
  void clear() {
    blocks_.assign(1, {});
    free_ = 0;
  }
  void push(Chain& chain, const Reader& reader);
  void release(Chain& chain);
  Chain copy(Chain chain);
  /// Calls f(reader) for each until it returns true; whether it did.
  template <class F>
  bool any(Chain chain, F&& f) {
    for (; chain != 0; chain = blocks_[chain].next) {
      Block& b = blocks_[chain];
      for (std::uint32_t r = 0; r < b.count; ++r) {
        if (f(b.readers[r])) return true;
      }
    }
    return false;
  }
  std::size_t size(Chain chain) const {
    std::size_t n = 0;
    for (; chain != 0; chain = blocks_[chain].next) n += blocks_[chain].count;
    return n;
  }

 private:
  struct Block {
    std::array<Reader, 4> readers{};
    std::uint32_t count = 0;
    Chain next = 0;
  };
  std::vector<Block> blocks_;
  Chain free_ = 0;
};

/// What is known of the bytes of one granule.
struct Cell {
  Stamp write;
  Stamp read;                  ///< the only reader, if `readers` is 0
  SiteId write_site = 0, read_site = 0;
  ReaderChains::Chain readers = 0;
};

/// A stretch of memory. It is cut into granules of 16 bytes, and finer when a smaller access comes.
class ShadowPage {
 public:
  static constexpr std::uint32_t bytes = 4096;
  std::uint32_t era = 0;
  bool tracked = false;        ///< whether bytes can be unwritten
  std::uint32_t shift = 4;     ///< log2 of a granule's bytes

  /// Makes granules of at most 2^`to` bytes.
  void refine(std::uint32_t to, ReaderChains& chains);
  void forget() { cells_.clear(); }
  Cell* cells() {
    if (cells_.empty()) cells_.resize(bytes >> shift);
    return cells_.data();
  }
  void set_written(std::uint32_t offset, std::uint32_t count) { mark(offset, count, true); }
  void clear_written(std::uint32_t offset, std::uint32_t count) { mark(offset, count, false); }
  /// Forgets the accesses to a range.
  void forget_range(std::uint32_t offset, std::uint32_t count, ReaderChains& chains);
  /// Whether all of a range that lies within 64 aligned bytes was written.
  bool is_written(std::uint32_t offset, std::uint32_t count) const {
    const std::uint64_t wanted = (count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1) << offset % 64;
    return (written_[offset / 64] & wanted) == wanted;
  }
  /// Offset of the first byte of the range that was not written; `offset + count` if there is none.
  std::uint32_t first_unwritten(std::uint32_t offset, std::uint32_t count) const;

 private:
  void mark(std::uint32_t offset, std::uint32_t count, bool written);
  std::vector<Cell> cells_;
  std::array<std::uint64_t, bytes / 64> written_{};
};

/// Pages by address. Shared memory of a CTA is entered with its host addresses, as all memory is.
class Shadow {
 public:
  /// The page of a host address; made if need be.
  ShadowPage& page(std::uint64_t address) {
    const std::uint64_t number = address / ShadowPage::bytes;
    Recent& r = recent_[number % recent_.size()];
    if (r.number != number) {
      auto& found = pages_[number];
      if (found == nullptr) found = std::make_unique<ShadowPage>();
      r = {number, found.get()};
    }
    if (r.page->era != era_) renew(*r.page);
    return *r.page;
  }
  /// All accesses so far happened before all that come.
  void new_era() {
    ++era_;
    chains_.clear();
  }
  ReaderChains& chains() { return chains_; }
  /// Bytes of the range count as unwritten until somebody writes them.
  void begin(std::uint64_t address, std::uint64_t bytes);
  void end(std::uint64_t address, std::uint64_t bytes);
  void set_written(std::uint64_t address, std::uint64_t bytes);

 private:
  struct Recent {
    std::uint64_t number = ~std::uint64_t{0};
    ShadowPage* page = nullptr;
  };
  void renew(ShadowPage& page);
  std::unordered_map<std::uint64_t, std::unique_ptr<ShadowPage>> pages_;
  std::array<Recent, 1024> recent_{};
  std::uint32_t era_ = 1;
  ReaderChains chains_;
};

}  // namespace triptych::emulator

#include "emulator/check/shadow.h"

#include <algorithm>
#include <bit>

namespace triptych::emulator {

void ReaderChains::push(Chain& chain, const Reader& reader) {
  if (chain == 0 || blocks_[chain].count == blocks_[chain].readers.size()) {
    Chain block = free_;
    if (block != 0) {
      free_ = blocks_[block].next;
      blocks_[block] = {};
    } else {
      block = static_cast<Chain>(blocks_.size());
      blocks_.emplace_back();
    }
    blocks_[block].next = chain;
    chain = block;
  }
  Block& b = blocks_[chain];
  b.readers[b.count++] = reader;
}

void ReaderChains::release(Chain& chain) {
  while (chain != 0) {
    const Chain next = blocks_[chain].next;
    blocks_[chain].next = free_;
    free_ = chain;
    chain = next;
  }
}

ReaderChains::Chain ReaderChains::copy(Chain chain) {
  std::vector<Reader> all;
  any(chain, [&](const Reader& r) {
    all.push_back(r);
    return false;
  });
  Chain other = 0;
  for (const Reader& r : all) push(other, r);
  return other;
}

void ShadowPage::refine(std::uint32_t to, ReaderChains& chains) {
  if (to >= shift) return;
  if (!cells_.empty()) {
    const std::size_t parts = std::size_t{1} << (shift - to);
    std::vector<Cell> finer;
    finer.reserve(cells_.size() * parts);
    for (const Cell& c : cells_) {
      for (std::size_t part = 0; part < parts; ++part) {
        finer.push_back(c);
        if (part > 0) finer.back().readers = chains.copy(c.readers);
      }
    }
    cells_ = std::move(finer);
  }
  shift = to;
}

void ShadowPage::forget_range(std::uint32_t offset, std::uint32_t count, ReaderChains& chains) {
  if (cells_.empty()) return;
  for (std::uint32_t c = offset >> shift; c <= (offset + count - 1) >> shift; ++c) {
    chains.release(cells_[c].readers);
    cells_[c] = {};
  }
}

void ShadowPage::mark(std::uint32_t offset, std::uint32_t count, bool written) {
  while (count > 0) {
    const std::uint32_t first = offset % 64, n = std::min(count, 64 - first);
    const std::uint64_t bits = (n == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1) << first;
    std::uint64_t& word = written_[offset / 64];
    word = written ? word | bits : word & ~bits;
    offset += n;
    count -= n;
  }
}

std::uint32_t ShadowPage::first_unwritten(std::uint32_t offset, std::uint32_t count) const {
  const std::uint32_t end = offset + count;
  while (offset < end) {
    const std::uint32_t first = offset % 64, n = std::min(end - offset, 64 - first);
    const std::uint64_t wanted = (n == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1) << first;
    const std::uint64_t missing = wanted & ~written_[offset / 64];
    if (missing != 0) return offset / 64 * 64 + static_cast<std::uint32_t>(std::countr_zero(missing));
    offset += n;
  }
  return end;
}

void Shadow::renew(ShadowPage& page) {
  page.forget();
  page.era = era_;
}

void Shadow::begin(std::uint64_t address, std::uint64_t bytes) {
  const std::uint64_t end = address + bytes;
  for (std::uint64_t at = address / ShadowPage::bytes * ShadowPage::bytes; at < end; at += ShadowPage::bytes) {
    ShadowPage& p = page(at);
    if (!p.tracked) {
      // What else lies on the page is not ours to say anything of.
      p.set_written(0, ShadowPage::bytes);
      p.tracked = true;
    }
    p.clear_written(static_cast<std::uint32_t>(std::max(at, address) - at),
                    static_cast<std::uint32_t>(std::min(at + ShadowPage::bytes, end) - std::max(at, address)));
  }
}

void Shadow::end(std::uint64_t address, std::uint64_t bytes) {
  for (std::uint64_t at = address; at < address + bytes; at = at / ShadowPage::bytes * ShadowPage::bytes + ShadowPage::bytes) {
    ShadowPage& p = page(at);
    const auto offset = static_cast<std::uint32_t>(at % ShadowPage::bytes);
    const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(ShadowPage::bytes - offset, address + bytes - at));
    p.set_written(offset, count);
    p.forget_range(offset, count, chains_);
  }
}

void Shadow::set_written(std::uint64_t address, std::uint64_t bytes) {
  for (std::uint64_t at = address; at < address + bytes; at = at / ShadowPage::bytes * ShadowPage::bytes + ShadowPage::bytes) {
    const auto offset = static_cast<std::uint32_t>(at % ShadowPage::bytes);
    page(at).set_written(offset, static_cast<std::uint32_t>(std::min<std::uint64_t>(ShadowPage::bytes - offset, address + bytes - at)));
  }
}

}  // namespace triptych::emulator

#include "emulator/instrument/profile.h"

#include <algorithm>
#include <bit>

#include "emulator/instruction/form.h"
#include "emulator/instrument/issue.h"

namespace triptych::emulator {
namespace {

constexpr std::uint32_t sector_bytes = 32, banks = 32, word_bytes = 4;

/// Of the form with this index: its family.
const std::vector<std::string_view>& families() {
  static const std::vector<std::string_view> all = [] {
    const std::pair<std::string_view, std::span<const Form>> named[] = {
        {"integer", integer_forms()}, {"logic", logic_forms()},     {"float", float_forms()},
        {"half", half_forms()},       {"convert", convert_forms()}, {"memory", memory_forms()},
        {"atomic", atomic_forms()},   {"warp", warp_forms()},       {"control", control_forms()},
        {"matrix", matrix_forms()},   {"async", async_forms()},     {"mbarrier", mbarrier_forms()},
        {"wgmma", wgmma_forms()}};
    std::unordered_map<const Form*, std::string_view> family;
    for (const auto& [name, forms] : named) {
      for (const Form& form : forms) family.emplace(&form, name);
    }
    std::vector<std::string_view> found;
    for (const Form* form : all_forms()) found.push_back(family.at(form));
    return found;
  }();
  return all;
}

}  // namespace

Tally& Tally::operator+=(const Tally& o) {
  warps += o.warps, threads += o.threads, divergent += o.divergent;
  requests += o.requests, sectors += o.sectors, ideal_sectors += o.ideal_sectors,
      global_bytes += o.global_bytes;
  shared_requests += o.shared_requests, wavefronts += o.wavefronts,
      ideal_wavefronts += o.ideal_wavefronts;
  shared_bytes += o.shared_bytes, local_requests += o.local_requests;
  async_read += o.async_read, async_written += o.async_written;
  return *this;
}

std::string_view family_of(const Instr& instr) {
  return instr.form == Instr::no_form ? "added moves" : families()[instr.form];
}

std::pair<std::uint64_t, std::uint64_t> sectors_of(const Lanes<std::uint64_t>& addresses,
                                                   Mask lanes, std::uint32_t bytes) {
  // Addresses are aligned to what is accessed, which divides a sector: a lane touches one.
  std::array<std::pair<std::uint64_t, std::uint32_t>, warp_size>
      touched;  // sectors, and which of their bytes
  std::size_t count = 0;
  const std::uint32_t ones = bytes >= sector_bytes ? ~0u : (1u << bytes) - 1;
  for (Mask left = lanes; left != 0; left &= left - 1) {
    const std::uint64_t address = addresses[std::countr_zero(left)],
                        sector = address / sector_bytes;
    const auto end = touched.begin() + static_cast<std::ptrdiff_t>(count);
    auto found =
        std::find_if(touched.begin(), end, [&](const auto& t) { return t.first == sector; });
    if (found == end) *found = {sector, 0}, ++count;
    found->second |= ones << address % sector_bytes;
  }
  std::uint64_t distinct = 0;
  for (std::size_t i = 0; i < count; ++i)
    distinct += static_cast<std::uint64_t>(std::popcount(touched[i].second));
  return {count, (distinct + sector_bytes - 1) / sector_bytes};
}

std::pair<std::uint64_t, std::uint64_t> wavefronts_of(const Lanes<std::uint64_t>& addresses,
                                                      Mask lanes, std::uint32_t bytes) {
  const std::uint32_t words = std::max(1u, bytes / word_bytes);
  const int group =
      warp_size / static_cast<int>(std::min(words, 4u));  // lanes that take a turn together
  std::uint64_t turns = 0, ideal = 0;
  for (int first = 0; first < warp_size; first += group) {
    std::array<std::uint64_t, warp_size * 4> seen;
    std::size_t count = 0;
    for (int l = first; l < first + group; ++l) {
      if ((lanes >> l & 1) == 0) continue;
      for (std::uint32_t w = 0; w < words && count < seen.size(); ++w)
        seen[count++] = addresses[l] / word_bytes + w;
    }
    if (count == 0) continue;
    const auto end = seen.begin() + static_cast<std::ptrdiff_t>(count);
    std::sort(seen.begin(), end);
    std::array<std::uint64_t, banks> in_bank{};
    std::for_each(seen.begin(), std::unique(seen.begin(), end),
                  [&](std::uint64_t word) { ++in_bank[word % banks]; });
    turns += *std::max_element(in_bank.begin(), in_bank.end());
    ++ideal;
  }
  return {turns, ideal};
}

Tally& Profile::at(const FunctionCode& code, std::uint32_t pc) {
  if (&code != last_code_) {
    last_code_ = &code;
    last_ = &tallies_[&code];
    last_->resize(code.instrs.size());
  }
  return (*last_)[pc];
}

void Profile::settle() {
  if (pending_at_ != nullptr) *pending_at_ += pending_;
  pending_at_ = nullptr;
  pending_ = {};
}

void Profile::instruction(Warp& warp, const Instr& instr) {
  settle();
  pending_at_ = &at(warp.code(), warp.pc());
  pending_.warps = 1;
  pending_.threads = static_cast<std::uint64_t>(std::popcount(warp.exec()));
  const Instruction* source = warp.code().sites[warp.pc()].source;
  pending_.divergent = warp.exec() != warp.active() && (instr.flags & Instr::control) != 0 &&
                               source != nullptr && (source->root == "bra" || source->root == "brx")
                           ? 1
                           : 0;
}

void Profile::waits(Warp&, const Split& split) {
  if (split.wait.kind == Wait::Kind::poll) return;  // the branch that closes the loop was executed
  pending_ = {};
  pending_at_ = nullptr;
}

void Profile::access(const AccessEvent& e) {
  const auto bytes = static_cast<std::uint64_t>(std::popcount(e.lanes)) * e.bytes;
  if (e.space == Space::global) {
    const auto [sectors, ideal] = sectors_of(e.addresses, e.lanes, e.bytes);
    pending_.requests += 1, pending_.sectors += sectors, pending_.ideal_sectors += ideal,
        pending_.global_bytes += bytes;
  } else if (e.space == Space::shared) {
    const auto [turns, ideal] = wavefronts_of(e.addresses, e.lanes, e.bytes);
    pending_.shared_requests += 1, pending_.wavefronts += turns, pending_.ideal_wavefronts += ideal;
    pending_.shared_bytes += bytes;
  } else if (e.space == Space::local) {
    pending_.local_requests += 1;
  }
}

void Profile::async_issued(Warp& warp, const Instr& instr, AsyncKind, std::uint64_t token,
                           const std::uint8_t*) {
  issued_.try_emplace(token, &warp.code(), issue_pc(warp, instr));
}

void Profile::async_touches(std::uint64_t token, const AsyncRange& range) {
  const auto found = issued_.find(token);
  if (found == issued_.end()) return;
  Tally& tally = tallies_[found->second.first][found->second.second];
  // What it moves counts once, where it was issued.
  (range.written ? tally.async_written : tally.async_read) += range.bytes;
}

Tally Profile::total() const {
  Tally sum;
  for (const auto& [code, tallies] : tallies_) {
    for (const Tally& t : tallies) sum += t;
  }
  return sum;
}

std::map<Profile::Line, Tally> Profile::by_line() const {
  std::map<Line, Tally> lines;
  for (const auto& [code, tallies] : tallies_) {
    for (std::size_t pc = 0; pc < tallies.size(); ++pc) {
      const Instruction* source = code->sites[pc].source;
      if (tallies[pc].warps == 0 || source == nullptr) continue;
      Tally tally = tallies[pc];
      // The line's instructions count, and not the moves beside them; traffic counts wherever it
      // was.
      if ((code->instrs[pc].flags & Instr::added) != 0) tally.warps = tally.threads = 0;
      lines[{source->at.file, source->at.line}] += tally;
    }
  }
  return lines;
}

std::map<std::string_view, Tally> Profile::by_family() const {
  std::map<std::string_view, Tally> families;
  for (const auto& [code, tallies] : tallies_) {
    for (std::size_t pc = 0; pc < tallies.size(); ++pc) {
      if (tallies[pc].warps == 0) continue;
      const bool added = (code->instrs[pc].flags & Instr::added) != 0;
      families[added ? "added moves" : family_of(code->instrs[pc])] += tallies[pc];
    }
  }
  return families;
}

}  // namespace triptych::emulator

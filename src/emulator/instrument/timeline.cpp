#include "emulator/instrument/timeline.h"

#include <algorithm>

#include "emulator/instrument/issue.h"
#include "emulator/machine/report.h"

namespace triptych::emulator {

std::string_view name_of(AsyncKind kind) {
  switch (kind) {
    case AsyncKind::cp_async:
      return "cp.async";
    case AsyncKind::bulk:
      return "cp.async.bulk";
    case AsyncKind::tensor:
      return "cp.async.bulk.tensor";
    case AsyncKind::wgmma:
      return "wgmma";
    case AsyncKind::st_async:
      return "st.async";
    default:
      return "red.async";
  }
}

std::uint64_t Timeline::now(Warp& warp) {
  Clock& clock = clocks_[&warp.sm()];
  if (clock.warp != &warp || clock.base != warp.sm().clock()) clock = {&warp, warp.sm().clock(), 0};
  return clock.base + clock.extra;
}

std::size_t Timeline::add(WarpSlice slice) {
  if (slices_.size() >= most_) {
    ++dropped_;
    return none;
  }
  slices_.push_back(std::move(slice));
  return slices_.size() - 1;
}

void Timeline::cta_begins(Cta& cta) {
  std::vector<bool>& taken = slots_[&cta.sm()];
  const auto slot =
      static_cast<std::size_t>(std::find(taken.begin(), taken.end(), false) - taken.begin());
  if (slot == taken.size()) taken.push_back(false);
  taken[slot] = true;
  const std::uint64_t at = cta.sm().clock();
  cta_[&cta] = ctas_.size();
  ctas_.push_back({cta.sm().device(), cta.sm().index(), static_cast<int>(slot), at, at,
                   extent_text(cta.position()), std::string(cta.launch().function->source->name),
                   cta.warps().size()});
}

void Timeline::cta_ends(Cta& cta) {
  const auto found = cta_.find(&cta);
  if (found == cta_.end()) return;
  CtaSlice& slice = ctas_[found->second];
  if (cta.alive_threads != 0) slice.end = cta.sm().clock();  // the launch failed
  slots_[&cta.sm()][static_cast<std::size_t>(slice.slot)] = false;
  for (const auto& warp : cta.warps()) {
    const auto track = tracks_.find(warp.get());
    if (track == tracks_.end()) continue;
    for (const Waiting& w : track->second.waiting) {  // it was never over: the launch failed
      if (w.slice != none) slices_[w.slice].end = slice.end;
    }
    tracks_.erase(track);
  }
  cta_.erase(found);
}

void Timeline::lanes_exit(Warp& warp, Mask) {
  CtaSlice& slice = ctas_[cta_[&warp.cta()]];
  slice.end = std::max(slice.end, now(warp));
}

void Timeline::instruction(Warp& warp, const Instr& instr) {
  const std::uint64_t begin = now(warp);
  Track& track = tracks_[&warp];
  std::erase_if(track.waiting, [&](const Waiting& w) {
    if (w.code != &warp.code() || w.pc != warp.pc() || (w.lanes & warp.active()) == 0) return false;
    if (w.slice != none) slices_[w.slice].end = begin;
    return true;
  });
  clocks_[&warp.sm()].extra += instr.ticks;
  const std::uint64_t end = begin + instr.ticks;
  // Instructions whose guards no lane passes are not told: a gap of a few ticks is no wait.
  constexpr std::uint64_t gap = 4;
  if (track.running != none && slices_[track.running].end + gap >= begin) {
    slices_[track.running].end = end;
    return;
  }
  track.running = add({cta_[&warp.cta()], warp.index(), begin, end, Wait::Kind::none, warp.active(),
                       true, "", warp.code().sites[warp.pc()].source});
}

void Timeline::waits(Warp& warp, const Split& split) {
  const std::uint64_t at = now(warp);
  Track& track = tracks_[&warp];
  // An instruction that is tried again and waits on goes on with its slice.
  const Instruction* source = split.frame->code->sites[split.pc].source;
  const std::size_t cta = cta_[&warp.cta()];
  for (std::size_t i = slices_.size(), looked = 0; i-- > 0 && looked < 64; ++looked) {
    WarpSlice& s = slices_[i];
    if (s.cta != cta || s.warp != warp.index() || s.kind != split.wait.kind || s.at != source ||
        s.lanes != split.lanes)
      continue;
    if (s.end + 64 < at) break;
    track.waiting.push_back({split.frame->code, split.pc, split.lanes, i});
    return;
  }
  track.waiting.push_back({split.frame->code, split.pc, split.lanes,
                           add({cta, warp.index(), at, at, split.wait.kind, split.lanes,
                                split.lanes == warp.alive(), wait_text(split.wait), source})});
}

void Timeline::async_issued(Warp& warp, const Instr& instr, AsyncKind kind, std::uint64_t token,
                            const std::uint8_t*) {
  if (flying_.contains(token)) return;  // of a warpgroup: the other warps
  if (work_.size() >= most_) {
    ++dropped_;
    return;
  }
  const std::uint64_t at = now(warp);
  flying_[token] = {work_.size(), &warp.sm()};
  work_.push_back({cta_[&warp.cta()], warp.index(), at, at, token, 0, kind,
                   warp.code().sites[issue_pc(warp, instr)].source});
}

void Timeline::async_touches(std::uint64_t token, const AsyncRange& range) {
  const auto found = flying_.find(token);
  if (found == flying_.end()) return;
  AsyncSlice& slice = work_[found->second.slice];
  if (range.written != (slice.kind == AsyncKind::wgmma)) slice.bytes += range.bytes;
}

void Timeline::async_completed(std::uint64_t token, const std::uint8_t*) {
  const auto found = flying_.find(token);
  if (found == flying_.end()) return;
  AsyncSlice& slice = work_[found->second.slice];
  slice.end = std::max(slice.begin, found->second.sm->clock());
  ctas_[slice.cta].end = std::max(ctas_[slice.cta].end, slice.end);
  flying_.erase(found);
}

std::uint64_t Timeline::end() const {
  std::uint64_t last = 0;
  for (const CtaSlice& c : ctas_) last = std::max(last, c.end);
  for (const AsyncSlice& a : work_) last = std::max(last, a.end);
  return last;
}

}  // namespace triptych::emulator

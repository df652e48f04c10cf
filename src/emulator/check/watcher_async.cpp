// Work that goes on without its warp, and registers in its hands.
#include <algorithm>
#include <bit>

#include "emulator/check/watcher.h"
#include "emulator/machine/report.h"

namespace triptych::emulator {

Epoch Commits::complete_when(int lane, std::uint32_t newest) const {
  std::uint32_t seen = 0;
  for (std::size_t n = all_.size(); n-- > 0;) {
    if ((all_[n].lanes >> lane & 1) != 0 && seen++ == newest) return all_[n].issued;
  }
  return 0;
}

RegisterCheck::Report Watcher::register_report(Warp& warp) {
  return [this, &warp](const std::string& what, SiteId other) { find_at(Check::async, warp, warp.exec(), what, other); };
}

void Watcher::instruction(Warp& warp, const Instr& instr) {
  const Role role = role_of(instr);
  WarpState& s = state(warp);
  if (role == Role::copies_commit) s.copies.commit(warp.exec(), s.clock.copies_issued());
  if (role == Role::bulk_commit) s.bulk.commit(warp.exec(), s.bulk_issued);
  if ((checks_ & (bit(Check::async) | bit(Check::race))) == 0 || !rows_.has_wgmma(warp.code())) return;
  // An instruction that waits for more lanes comes again when they are there.
  if (role != Role::other && warp.exec() != warp.alive()) return;
  const std::uint32_t pc = static_cast<std::uint32_t>(&instr - warp.code().instrs.data());
  s.registers.instruction(warp.code(), pc, role, rows_.of(warp.code())[pc], role == Role::wgmma ? actors_.site(warp, instr) : 0, register_report(warp));
}

void Watcher::lanes_exit(Warp& warp, Mask lanes) {
  WarpState& s = state(warp);
  s.clock.lanes_exit(lanes);
  for (const Split& split : warp.splits()) {
    if (split.wait.kind != Wait::Kind::lanes || (split.wait.seen & lanes) == 0) continue;
    find_at(Check::aligned, warp, lanes, "these lanes exit; lanes " + numbers_text(split.lanes) + " wait for them at",
            actors_.site(warp, split.frame->code->instrs[split.pc], *split.frame->code));
  }
  if ((warp.alive() & ~lanes) != 0) return;
  s.registers.exits(register_report(warp));
  if (s.bulk_read < s.bulk_issued) {
    find_at(Check::async, warp, lanes, "the warp exits while a bulk copy reads its shared memory; cp.async.bulk.wait_group.read has to come first");
  }
  Cta& cta = warp.cta();
  if (cta.alive_threads != static_cast<std::uint32_t>(std::popcount(lanes))) return;
  for (const auto& [token, work] : works_) {
    if (work.waits_on_mbarrier != &cta) continue;
    find_at(Check::async, warp, lanes, "the CTA exits while a copy into shared memory is under way, issued by", work.site);
    break;
  }
}

void Watcher::async_issued(Warp& warp, const Instr& instr, AsyncKind kind, std::uint64_t token, const std::uint8_t* mbarrier) {
  WarpState& s = state(warp);
  Work& w = works_[token];
  const bool again = w.site != 0;   // wgmma: the other warps of the group
  const Mask lanes = kind == AsyncKind::wgmma ? warp.alive() : warp.exec();
  Gift gift;
  s.clock.give(lanes, gift);
  w.known.push_back(gift.known());
  s.clock.advance();
  if (again) return;
  w.kind = kind;
  w.info = s.info;
  w.site = actors_.site(warp, instr);
  w.lane = lanes == 0 ? 0 : std::countr_zero(lanes);   // a warp may have exited before the last of its group issued
  if (role_of(instr) == Role::reduction) {
    w.write = Access::atomic;
    w.kind_bits |= Stamp::strong;
  }
  switch (kind) {
    case AsyncKind::cp_async:
      w.reader = w.writer = s.clock.agent(WarpClock::copies);
      w.epoch = s.clock.issue_copy();
      w.kind_bits = Stamp::weak;
      break;
    case AsyncKind::wgmma: {
      // All four warps have issued it: the first of them stands for the group.
      w.reader = w.writer = s.clock.agent(WarpClock::wgmma);
      w.epoch = ++s.products;
      break;
    }
    default:
      if (BarrierObject* object = mbarrier != nullptr ? mbarriers_.find(mbarrier) : nullptr) {
        w.reader = w.writer = object->agent;
        w.epoch = ++object->copies;
        w.waits_on_mbarrier = &warp.cta();
      } else {
        w.reader = s.clock.agent(WarpClock::bulk_reads);
        w.writer = s.clock.agent(WarpClock::bulk_writes);
        w.epoch = ++s.bulk_issued;
      }
  }
}

void Watcher::async_touches(std::uint64_t token, const AsyncRange& range) {
  const auto at = works_.find(token);
  if (at == works_.end() || range.bytes == 0 || actors_.full()) return;
  const Work& w = at->second;
  if (mbarriers_.any() && range.written && range.space == Space::shared && mbarriers_.overlapping(range.host, range.bytes) != nullptr) {
    find(Check::barrier, w.site, 0, "an asynchronous copy writes over an mbarrier " + actors_.who(w.info, 0));
  }
  Accessor who;
  who.known = w.known;
  who.work = token + 1;
  who.info = &w.info;
  who.agent = range.written ? w.writer : w.reader;
  who.epoch = w.epoch;
  who.kind = w.kind_bits;
  who.scope = Scope::gpu;
  who.site = w.site;
  const int lane = w.kind == AsyncKind::cp_async ? range.lane : w.lane;
  // Offsets within a CTA's shared memory are not at hand here; host addresses tell accesses apart as well.
  for (std::uint64_t done = 0; done < range.bytes;) {
    const auto part = static_cast<std::uint32_t>(std::min<std::uint64_t>(range.bytes - done, 1u << 30));
    races_.touch(who, Mask{1} << lane, range.space, reinterpret_cast<std::uint64_t>(range.host) + done,
                 reinterpret_cast<std::uint64_t>(range.host) + done, part, range.written ? w.write : Access::read);
    done += part;
  }
}

void Watcher::async_completed(std::uint64_t token, const std::uint8_t* mbarrier) {
  const auto at = works_.find(token);
  if (at == works_.end()) return;
  const Work& w = at->second;
  if (BarrierObject* object = mbarrier != nullptr ? mbarriers_.find(mbarrier) : nullptr) {
    object->filling->all().note(w.writer, w.epoch);
  }
  works_.erase(at);
}

void Watcher::group_waited(Warp& warp, AsyncKind kind, std::uint64_t newest, bool read_only) {
  WarpState& s = state(warp);
  const auto n = static_cast<std::uint32_t>(newest);
  if (kind == AsyncKind::wgmma) return leave_wgmma(warp, s, n);
  const bool all = kind == AsyncKind::cp_async && role_of(warp.code().instrs[warp.pc()]) == Role::copies_wait_all;
  LaneEpochs done{};
  for (Mask left = warp.exec(); left != 0; left &= left - 1) {
    const int l = std::countr_zero(left);
    if (kind == AsyncKind::cp_async) {
      s.clock.copies_waited(l, all ? s.clock.copies_issued() : s.copies.complete_when(l, n));
    } else {
      done[static_cast<std::size_t>(l)] = s.bulk.complete_when(l, n);
      s.bulk_read = std::max(s.bulk_read, done[static_cast<std::size_t>(l)]);
    }
  }
  if (kind == AsyncKind::cp_async) return;
  auto learnt = std::make_shared<VectorClock>();
  learnt->note(s.clock.agent(WarpClock::bulk_reads), done);
  if (!read_only) learnt->note(s.clock.agent(WarpClock::bulk_writes), done);
  s.clock.take(warp.exec(), {learnt, nullptr});
}

void Watcher::leave_wgmma(Warp& warp, WarpState& s, std::uint32_t newest) {
  const Epoch done = s.registers.complete_when(newest);
  s.registers.waited(newest);
  const auto first = static_cast<std::size_t>(warp.index() / warpgroup_warps * warpgroup_warps);
  auto learnt = std::make_shared<VectorClock>();
  learnt->note(state(*warp.cta().warps()[first]).clock.agent(WarpClock::wgmma), done);
  state(warp).clock.take(warp.alive(), {learnt, nullptr});
}

}  // namespace triptych::emulator

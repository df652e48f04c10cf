// cp.async: each lane copies 4, 8 or 16 bytes from global to shared memory, some time later.
#include <bit>

#include "emulator/instruction/access.h"
#include "emulator/instruction/bulk.h"
#include "emulator/instruction/lanes.h"
#include "emulator/machine/machine.h"
#include "emulator/machine/mbarrier.h"
#include "emulator/machine/observer.h"

namespace triptych::emulator {
namespace {

constexpr std::uint64_t latency = 400, bytes_a_tick = 32;

// Instr::extra: bytes to write in the lower 8 bits.
constexpr std::uint32_t has_source_size = 1 << 8, has_ignore = 1 << 9;

/// What one instruction copies, for all its lanes.
struct Copy {
  Lanes<std::uint8_t*> to, from;
  Lanes<std::uint32_t> bytes;    ///< that are read; the rest is zero
  Mask lanes;
  std::uint32_t written;
};

void copy(Warp& w, const Instr& i) {
  const std::uint32_t bytes = i.extra & 0xFF;
  Lanes<std::uint64_t> addresses;
  auto work = std::make_shared<Copy>();
  work->lanes = w.exec();
  work->written = bytes;
  w.addresses(i.op[0], false, i.imm, addresses);
  w.resolve(Space::shared, addresses, bytes, Access::write, {Order::weak, Scope::cta, Proxy::async, false}, i, work->to);
  // A lane that reads nothing need not have an address that can be read.
  Mask reads = 0;
  const std::uint32_t* size = (i.extra & has_source_size) != 0 ? w.in<std::uint32_t>(i.op[2]) : nullptr;
  const Mask ignored = (i.extra & has_ignore) != 0 ? w.predicate(i.op[2]) : 0;
  for (int l = 0; l < warp_size; ++l) {
    work->bytes[l] = (ignored >> l & 1) != 0 ? 0 : size != nullptr ? size[l] : bytes;
    if ((w.exec() >> l & 1) != 0 && work->bytes[l] > bytes) {
      throw KernelFault{FaultKind::protocol, "cp.async with a source of " + std::to_string(work->bytes[l]) +
                                                 " bytes for a destination of " + std::to_string(bytes), Mask{1} << l};
    }
    reads |= static_cast<Mask>((w.exec() >> l & 1) != 0 && work->bytes[l] > 0) << l;
  }
  w.addresses(i.op[1], true, 0, addresses);
  w.resolve_lanes(reads, Space::global, addresses, bytes, Access::read, {Order::weak, Scope::cta, Proxy::generic, false}, i,
                  work->from);
  const std::shared_ptr<AsyncGroup> group = w.cp_async_groups().open(w.exec());
  ++group->pending;
  Observer* observer = w.observer();
  const auto token = std::make_shared<std::uint64_t>(0);
  *token = w.sm().later(w.cta(), latency + bytes * warp_size / bytes_a_tick, [work, group, observer, token] {
    for (Mask left = work->lanes; left != 0; left &= left - 1) {
      const int l = std::countr_zero(left);
      if (work->bytes[l] != 0) std::memcpy(work->to[l], work->from[l], work->bytes[l]);
      std::memset(work->to[l] + work->bytes[l], 0, work->written - work->bytes[l]);
      if (observer != nullptr) {
        observer->async_touches(*token, {Space::global, work->from[l], work->bytes[l], false, l});
        observer->async_touches(*token, {Space::shared, work->to[l], work->written, true, l});
      }
    }
    --group->pending;
    if (observer != nullptr) observer->async_completed(*token, nullptr);
  });
  if (observer != nullptr) observer->async_issued(w, i, AsyncKind::cp_async, *token, nullptr);
  w.note_effect();
}

void commit(Warp& w, const Instr&) {
  w.cp_async_groups().commit(w.exec());
  w.note_effect();
}

void wait_group(Warp& w, const Instr& i) {
  if (!group_complete(w, w.cp_async_groups().waits_for(w.exec(), i.extra, false), false)) return;
  if (w.observer() != nullptr) w.observer()->group_waited(w, AsyncKind::cp_async, i.extra, false);
}

void wait_all(Warp& w, const Instr&) {
  if (!group_complete(w, w.cp_async_groups().waits_for_all(w.exec()), false)) return;
  if (w.observer() != nullptr) w.observer()->group_waited(w, AsyncKind::cp_async, 0, false);
}

/// Arrives on the lanes' mbarriers when everything that they have issued so far is complete.
void arrive_when_complete(Sm& sm, Cta& cta, Mask lanes, std::shared_ptr<Lanes<std::uint8_t*>> hosts,
                          std::vector<std::shared_ptr<const AsyncGroup>> groups) {
  sm.later(cta, 1, [&sm, &cta, lanes, hosts = std::move(hosts), groups = std::move(groups)]() mutable {
    for (const auto& g : groups) {
      if (g->pending.load() != 0) return arrive_when_complete(sm, cta, lanes, std::move(hosts), std::move(groups));
    }
    for (Mask left = lanes; left != 0; left &= left - 1) {
      mbarrier::arrive((*hosts)[std::countr_zero(left)], 1, 0, false, false);
    }
  });
}

/// extra: 1 with .noinc.
void mbarrier_arrive(Warp& w, const Instr& i) {
  const AccessCode code(i.extra);
  Lanes<std::uint64_t> addresses;
  auto hosts = std::make_shared<Lanes<std::uint8_t*>>();
  w.addresses(i.op[0], code.wide(), i.imm, addresses);
  w.resolve(code.space(), addresses, 8, Access::atomic, {Order::relaxed, Scope::cta, Proxy::generic, false}, i, *hosts);
  const bool increments = (i.extra >> 16 & 1) == 0;
  for (Mask left = w.exec(); left != 0; left &= left - 1) {
    const int l = std::countr_zero(left);
    if (increments) mbarrier::increment_pending((*hosts)[l]);
    if (w.observer() != nullptr) w.observer()->copies_arrive(w, (*hosts)[l], Mask{1} << l);
  }
  arrive_when_complete(w.sm(), w.cta(), w.exec(), std::move(hosts), w.cp_async_groups().pending(w.exec()));
  w.note_effect();
}

Run choose_mbarrier(Choice& c) {
  c.extra = AccessCode::of(c).bits() | (c.has("noinc") ? 1u << 16 : 0u);
  return mbarrier_arrive;
}

template <std::uint32_t flags>
Run choose(Choice& c) {
  if (c.imm.empty()) return copy;
  const std::int64_t bytes = c.imm[0];
  if (bytes != 16 && (c.has("cg") || (bytes != 4 && bytes != 8))) return nullptr;
  c.extra = static_cast<std::uint32_t>(bytes) | flags;
  c.ticks = 4;
  return copy;
}

Run choose_wait(Choice& c) {
  if (!c.imm.empty()) c.extra = static_cast<std::uint32_t>(c.imm[0]);
  return c.imm.empty() || c.imm[0] >= 0 ? Run(wait_group) : nullptr;
}

constexpr std::uint8_t m = Instr::memory, k = Instr::control;
#define CP "cp.async.<C: ca cg>.<D: shared shared::cta>.global{.L2::cache_hint}{.<P: L2::64B L2::128B L2::256B>}"
const Form table[] = {
    {CP, "[D], [global], imm, u64?.L2::cache_hint", choose<0>, m, 70, 80, false, "cp_async"},
    {CP, "[D], [global], imm, u32, u64?.L2::cache_hint", choose<has_source_size>, m, 70, 80, false, "cp_async"},
    {CP, "[D], [global], imm, pred, u64?.L2::cache_hint", choose<has_ignore>, m, 75, 80, false, "cp_async"},
    {"cp.async.commit_group", "", [](Choice&) { return Run(commit); }, 0, 70, 80, false, "cp_async"},
    {"cp.async.wait_group", "imm", choose_wait, k, 70, 80, false, "cp_async"},
    {"cp.async.wait_all", "", [](Choice&) { return Run(wait_all); }, k, 70, 80, false, "cp_async"},
    {"cp.async.mbarrier.arrive{.noinc}{.<S: shared shared::cta>}.b64", "[S]", choose_mbarrier, m, 70, 80, false, "cp_async"},
};

}  // namespace

bool group_complete(Warp& w, const std::shared_ptr<const AsyncGroup>& group, bool read) {
  if (group == nullptr) return true;
  const std::atomic<std::uint64_t>& word = read ? group->reading : group->pending;
  w.suspend({.kind = Wait::Kind::async_group, .word = &word, .seen = word.load(), .keep = group});
  return false;
}

std::uint64_t copy_ticks(std::uint64_t bytes) { return latency + bytes / bytes_a_tick; }

std::span<const Form> cp_async_forms() { return table; }

}  // namespace triptych::emulator

// mbarrier.*: lanes take their turns in order. Clusters, grids and register pools are in cluster.cpp.
#include <bit>
#include <vector>

#include "emulator/instruction/access.h"
#include "emulator/instruction/cluster.h"
#include "emulator/instruction/lanes.h"
#include "emulator/machine/machine.h"
#include "emulator/machine/mbarrier.h"
#include "emulator/machine/observer.h"

namespace triptych::emulator {
namespace {

// Instr::extra above the AccessCode.
constexpr std::uint32_t drop = 1 << 16, with_bytes = 1 << 17, no_complete = 1 << 18, counted = 1 << 19,
                        parity = 1 << 20, timed = 1 << 21;

/// Where the lanes' objects lie.
struct Objects {
  Lanes<std::uint64_t> addresses;
  Lanes<std::uint8_t*> hosts;
};

/// The addresses in op[at], to be in shared memory: generic ones must point there.
void find(Warp& w, const Instr& i, std::size_t at, Access access, Objects& o) {
  const AccessCode code(i.extra);
  w.addresses(i.op[at], code.wide(), i.imm, o.addresses);
  if (code.space() == Space::generic) {
    for (Mask left = w.exec(); left != 0; left &= left - 1) {
      const int l = std::countr_zero(left);
      if (window::of(o.addresses[l]) != window::shared) {
        throw KernelFault{FaultKind::invalid_address_space, "an mbarrier that is not in shared memory", Mask{1} << l};
      }
      o.addresses[l] = window::offset(o.addresses[l]);
    }
  }
  Semantics s = code.semantics();
  if (s.order == Order::weak) s.order = Order::relaxed;
  w.resolve(Space::shared, o.addresses, 8, access, s, i, o.hosts);
}

/// Calls f(host, lanes) for the lanes of `left` that have the same object, object by object.
template <class F>
void each_object(const Objects& o, Mask left, F&& f) {
  while (left != 0) {
    const std::uint8_t* host = o.hosts[std::countr_zero(left)];
    const Mask same = left & lanes_where([&](int l) { return (left >> l & 1) != 0 && o.hosts[l] == host; });
    f(host, same);
    left &= ~same;
  }
}

/// Calls f(lane, host) for each executing lane.
template <class F>
void each(Warp& w, const Objects& o, F&& f) {
  for (Mask left = w.exec(); left != 0; left &= left - 1) {
    const int l = std::countr_zero(left);
    f(l, o.hosts[l]);
  }
}

void init(Warp& w, const Instr& i) {
  Objects o;
  find(w, i, 0, Access::write, o);
  const auto* count = w.in<std::uint32_t>(i.op[1]);
  each(w, o, [&](int l, std::uint8_t* host) {
    mbarrier::init(host, count[l]);
    if (w.observer() != nullptr) w.observer()->mbarrier_initialised(w, host, count[l]);
  });
  w.note_effect();
}

void inval(Warp& w, const Instr& i) {
  Objects o;
  find(w, i, 0, Access::write, o);
  each(w, o, [&](int, std::uint8_t* host) {
    if (w.observer() != nullptr) w.observer()->mbarrier_invalidated(w, host);
    mbarrier::invalidate(host);
  });
  w.note_effect();
}

template <bool expects>
void bytes(Warp& w, const Instr& i) {
  Objects o;
  find(w, i, 0, Access::atomic, o);
  const auto* count = w.in<std::uint32_t>(i.op[1]);
  each(w, o, [&](int l, std::uint8_t* host) {
    (expects ? mbarrier::expect_bytes : mbarrier::complete_bytes)(host, static_cast<std::int32_t>(count[l]));
  });
  w.note_effect();
}

/// Operands: state, [address], then a count or bytes. `sink`: the state is _ and has no slot.
template <bool sink>
void arrive(Warp& w, const Instr& i) {
  constexpr std::size_t at = sink ? 0 : 1;
  Objects o;
  find(w, i, at, Access::atomic, o);
  const std::uint32_t* number = (i.extra & (counted | with_bytes)) != 0 ? w.in<std::uint32_t>(i.op[at + 1]) : nullptr;
  const Semantics s = AccessCode(i.extra).semantics();
  if (w.observer() != nullptr) {
    // What others see after the arrival has happened before it.
    each_object(o, w.exec(), [&](const std::uint8_t* host, Mask lanes) { w.observer()->mbarrier_arrives(w, host, lanes, s.order, s.scope); });
  }
  each(w, o, [&](int l, std::uint8_t* host) {
    const std::uint32_t count = (i.extra & counted) != 0 ? number[l] : 1;
    const std::int32_t tx = (i.extra & with_bytes) != 0 ? static_cast<std::int32_t>(number[l]) : 0;
    const std::uint64_t before = mbarrier::arrive(host, count, tx, (i.extra & drop) != 0, (i.extra & no_complete) != 0);
    if constexpr (!sink) w.out<std::uint64_t>(i.op[0])[l] = before;
  });
  w.note_effect();
}

/// The lanes whose phase is complete.
Mask complete_lanes(Warp& w, const Instr& i, const Objects& o) {
  Mask done = 0;
  each(w, o, [&](int l, const std::uint8_t* host) {
    const bool phase = (i.extra & parity) != 0 ? (w.in<std::uint32_t>(i.op[2])[l] & 1) != 0
                                               : mbarrier::phase_of(w.in<std::uint64_t>(i.op[2])[l]);
    done |= static_cast<Mask>(mbarrier::complete(host, phase)) << l;
  });
  return done;
}

void finish_wait(Warp& w, const Instr& i, const Objects& o, Mask done) {
  w.set_predicate(i.op[0], done);
  const Semantics s = AccessCode(i.extra).semantics();
  each(w, o, [&](int l, const std::uint8_t* host) {
    if ((done >> l & 1) != 0) return;
    std::uint64_t value;
    std::memcpy(&value, host, 8);
    w.note_poll(host, 8, value);
  });
  if (w.observer() == nullptr) return;
  each_object(o, done & w.exec(), [&](const std::uint8_t* host, Mask lanes) { w.observer()->mbarrier_passes(w, host, lanes, s.order, s.scope); });
}

void test_wait(Warp& w, const Instr& i) {
  Objects o;
  find(w, i, 1, Access::read, o);
  finish_wait(w, i, o, complete_lanes(w, i, o));
}

/// Waits until all lanes' phases are complete, until the time that was given, or until nothing else in the
/// machine can go on (Machine::step gives up all such waits then).
void try_wait(Warp& w, const Instr& i) {
  Objects o;
  find(w, i, 1, Access::read, o);
  const Mask done = complete_lanes(w, i, o), missing = w.exec() & ~done;
  std::uint64_t& until = w.ticket();
  const std::uint64_t clock = w.sm().clock();
  if (until == 0) {
    std::uint64_t limit = Wait::never;
    if ((i.extra & timed) != 0) limit = clock + w.in<std::uint32_t>(i.op[3])[std::countr_zero(w.exec())] + 1;
    if (missing != 0) until = limit;
  }
  if (missing == 0 || until == Wait::give_up || clock >= until) {
    until = 0;
    return finish_wait(w, i, o, done);
  }
  const int l = std::countr_zero(missing);
  const auto* word = reinterpret_cast<const std::atomic<std::uint64_t>*>(o.hosts[l]);
  const std::uint64_t limit = until;
  w.suspend({.kind = Wait::Kind::mbarrier, .word = word, .seen = word->load(),
             .deadline = limit == Wait::never ? 0 : limit, .id = static_cast<std::uint32_t>(o.addresses[l])});
  w.ticket() = limit;
}

void pending_count(Warp& w, const Instr& i) {
  const auto* token = w.in<std::uint64_t>(i.op[1]);
  for_lanes(w, w.out<std::uint32_t>(i.op[0]), [=](int l) { return mbarrier::pending_of(token[l]); });
}

template <Run run, std::uint32_t flags>
Run make(Choice& c) {
  c.extra = AccessCode::of(c).bits() | flags | (c.has("parity") ? parity : 0) |
            (c.has("expect_tx") ? with_bytes : 0) | (c.has("noComplete") ? no_complete : 0);
  c.ticks = 8;
  return run;
}

constexpr std::uint8_t m = Instr::memory, mc = Instr::memory | Instr::control;
#define OWN "{.<S: shared shared::cta>}"
#define ANY "{.<S: shared shared::cta shared::cluster>}"
#define RELEASE "{.<M: release relaxed>.<O: cta cluster>}"
#define ACQUIRE "{.<M: acquire relaxed>.<O: cta cluster>}"

const Form table[] = {
    {"mbarrier.init" OWN ".b64", "[S], u32", make<init, 0>, m, 70, 80, false, "mbarrier"},
    {"mbarrier.inval" OWN ".b64", "[S]", make<inval, 0>, m, 70, 80, false, "mbarrier"},
    {"mbarrier.expect_tx{.<M: relaxed>.<O: cta cluster>}" ANY ".b64", "[S], u32", make<bytes<true>, 0>, m, 80, 90, false, "mbarrier"},
    {"mbarrier.complete_tx{.<M: relaxed>.<O: cta cluster>}" ANY ".b64", "[S], u32", make<bytes<false>, 0>, m, 80, 90, false, "mbarrier"},
    {"mbarrier.arrive" RELEASE OWN ".b64", "=u64, [S]", make<arrive<false>, 0>, m, 70, 80, false, "mbarrier"},
    {"mbarrier.arrive" RELEASE OWN ".b64", "=u64, [S], u32", make<arrive<false>, counted>, m, 78, 80, false, "mbarrier"},
    {"mbarrier.arrive" RELEASE "{.<S: shared::cluster>}.b64", "_, [S]", make<arrive<true>, 0>, m, 80, 90, false, "mbarrier"},
    {"mbarrier.arrive" RELEASE "{.<S: shared::cluster>}.b64", "_, [S], u32", make<arrive<true>, counted>, m, 80, 90, false, "mbarrier"},
    {"mbarrier.arrive.expect_tx" RELEASE OWN ".b64", "=u64, [S], u32", make<arrive<false>, 0>, m, 80, 90, false, "mbarrier"},
    {"mbarrier.arrive.expect_tx" RELEASE "{.<S: shared::cluster>}.b64", "_, [S], u32", make<arrive<true>, 0>, m, 80, 90, false, "mbarrier"},
    {"mbarrier.arrive.noComplete{.release.<O: cta>}" OWN ".b64", "=u64, [S], u32", make<arrive<false>, counted>, m, 70, 80, false, "mbarrier"},
    {"mbarrier.arrive_drop" RELEASE OWN ".b64", "=u64, [S]", make<arrive<false>, drop>, m, 70, 80, false, "mbarrier"},
    {"mbarrier.arrive_drop" RELEASE OWN ".b64", "=u64, [S], u32", make<arrive<false>, drop | counted>, m, 78, 80, false, "mbarrier"},
    {"mbarrier.arrive_drop" RELEASE "{.<S: shared::cluster>}.b64", "_, [S]", make<arrive<true>, drop>, m, 80, 90, false, "mbarrier"},
    {"mbarrier.arrive_drop" RELEASE "{.<S: shared::cluster>}.b64", "_, [S], u32", make<arrive<true>, drop | counted>, m, 80, 90, false, "mbarrier"},
    {"mbarrier.arrive_drop.expect_tx" RELEASE OWN ".b64", "=u64, [S], u32", make<arrive<false>, drop>, m, 80, 90, false, "mbarrier"},
    {"mbarrier.arrive_drop.expect_tx" RELEASE "{.<S: shared::cluster>}.b64", "_, [S], u32", make<arrive<true>, drop>, m, 80, 90, false, "mbarrier"},
    {"mbarrier.arrive_drop.noComplete{.release.<O: cta>}" OWN ".b64", "=u64, [S], u32", make<arrive<false>, drop | counted>, m, 70, 80, false, "mbarrier"},
    {"mbarrier.test_wait" ACQUIRE OWN ".b64", "=pred, [S], u64", make<test_wait, 0>, m, 70, 80, false, "mbarrier"},
    {"mbarrier.test_wait.parity" ACQUIRE OWN ".b64", "=pred, [S], u32", make<test_wait, 0>, m, 71, 80, false, "mbarrier"},
    {"mbarrier.try_wait" ACQUIRE OWN ".b64", "=pred, [S], u64", make<try_wait, 0>, mc, 78, 90, false, "mbarrier"},
    {"mbarrier.try_wait" ACQUIRE OWN ".b64", "=pred, [S], u64, u32", make<try_wait, timed>, mc, 78, 90, false, "mbarrier"},
    {"mbarrier.try_wait.parity" ACQUIRE OWN ".b64", "=pred, [S], u32", make<try_wait, 0>, mc, 78, 90, false, "mbarrier"},
    {"mbarrier.try_wait.parity" ACQUIRE OWN ".b64", "=pred, [S], u32, u32", make<try_wait, timed>, mc, 78, 90, false, "mbarrier"},
    {"mbarrier.pending_count.b64", "=u32, u64", [](Choice&) { return Run(pending_count); }, 0, 70, 80, false, "mbarrier"},
};

}  // namespace

std::span<const Form> mbarrier_forms() {
  static const std::vector<Form> all = [] {
    std::vector<Form> both(std::begin(table), std::end(table));
    const auto clusters = cluster_forms();
    both.insert(both.end(), clusters.begin(), clusters.end());
    return both;
  }();
  return all;
}

}  // namespace triptych::emulator

#include "emulator/machine/mbarrier.h"

#include <algorithm>
#include <string>

#include "emulator/machine/fault.h"

namespace triptych::emulator::mbarrier {
namespace {

// pending [0,20) | expected [20,40) | tx [40,61) two's complement | phase [61] | valid [62]
constexpr std::uint64_t count_bits = (1u << 20) - 1, tx_bits = (1u << 21) - 1;

[[noreturn]] void undefined(const std::string& what) { throw KernelFault{FaultKind::protocol, "mbarrier: " + what}; }

std::uint64_t load(const std::uint8_t* host) {
  return __atomic_load_n(reinterpret_cast<const std::uint64_t*>(host), __ATOMIC_ACQUIRE);
}

void end_phase_if_complete(State& s) {
  if (s.pending != 0 || s.tx != 0) return;
  s.phase = !s.phase;
  s.pending = s.expected;
}

/// One change, atomic: SMs may be stepped by several host threads.
template <class Change>
std::uint64_t change(std::uint8_t* host, Change&& apply) {
  auto* word = reinterpret_cast<std::uint64_t*>(host);
  std::uint64_t old = load(host), next;
  do {
    State s = State::unpack(old);
    if (!s.valid) undefined("the object is not initialised (mbarrier.init), or was invalidated");
    apply(s);
    if (s.tx > most_bytes || s.tx < -most_bytes) undefined("more than 2^20 - 1 bytes are outstanding in one phase");
    next = s.pack();
  } while (!__atomic_compare_exchange_n(word, &old, next, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
  return old;
}

}  // namespace

State State::unpack(std::uint64_t bits) {
  State s;
  s.pending = static_cast<std::uint32_t>(bits & count_bits);
  s.expected = static_cast<std::uint32_t>(bits >> 20 & count_bits);
  const auto raw = static_cast<std::int32_t>(bits >> 40 & tx_bits);
  s.tx = raw >= 1 << 20 ? raw - (1 << 21) : raw;
  s.phase = (bits >> 61 & 1) != 0;
  s.valid = (bits >> 62 & 1) != 0;
  return s;
}

std::uint64_t State::pack() const {
  return pending | std::uint64_t{expected} << 20 | (static_cast<std::uint64_t>(tx) & tx_bits) << 40 |
         std::uint64_t{phase} << 61 | std::uint64_t{valid} << 62;
}

void init(std::uint8_t* host, std::uint32_t count) {
  if (count == 0 || count > most_arrivals) undefined("a count of " + std::to_string(count) + "; wanted 1 … 2^20 - 1");
  const State s{count, count, 0, false, true};
  __atomic_store_n(reinterpret_cast<std::uint64_t*>(host), s.pack(), __ATOMIC_RELEASE);
}

void invalidate(std::uint8_t* host) {
  if (!State::unpack(load(host)).valid) undefined("mbarrier.inval of an object that is not initialised");
  __atomic_store_n(reinterpret_cast<std::uint64_t*>(host), std::uint64_t{0}, __ATOMIC_RELEASE);
}

std::uint64_t arrive(std::uint8_t* host, std::uint32_t count, std::int32_t bytes, bool drop, bool no_complete) {
  if (count == 0 || count > most_arrivals) undefined("an arrival that counts " + std::to_string(count));
  return change(host, [&](State& s) {
    s.tx += bytes;
    if (s.pending < count) {
      undefined("an arrival of " + std::to_string(count) + " where " + std::to_string(s.pending) +
                " are pending: the phase has all its arrivals and waits for bytes, or init's count is too small");
    }
    s.pending -= count;
    if (drop) s.expected -= std::min(s.expected, count);
    if (no_complete && s.pending == 0 && s.tx == 0) undefined("arrive.noComplete completed the phase");
    end_phase_if_complete(s);
  });
}

void expect_bytes(std::uint8_t* host, std::int32_t bytes) {
  change(host, [&](State& s) { s.tx += bytes; });
}

void complete_bytes(std::uint8_t* host, std::int32_t bytes) {
  change(host, [&](State& s) {
    s.tx -= bytes;
    end_phase_if_complete(s);
  });
}

void increment_pending(std::uint8_t* host) {
  change(host, [](State& s) {
    if (++s.pending > most_arrivals) undefined("more than 2^20 - 1 arrivals are pending");
  });
}

bool complete(const std::uint8_t* host, bool parity) {
  const State s = State::unpack(load(host));
  if (!s.valid) undefined("a wait on an object that is not initialised, or was invalidated");
  return s.phase != parity;
}

bool phase_of(std::uint64_t token) { return State::unpack(token).phase; }
std::uint32_t pending_of(std::uint64_t token) { return State::unpack(token).pending; }

}  // namespace triptych::emulator::mbarrier

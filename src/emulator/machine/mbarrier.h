/// \file
/// The mbarrier object: 64 bits of shared memory that count arrivals and bytes.
///
/// A phase completes when no arrival is pending and no byte is outstanding; then the phase's bit flips and
/// as many arrivals as expected are pending again. Source: PTX ISA 9.0, "mbarrier". The bits' places are
/// this machine's own.
#pragma once

#include <cstdint>

namespace triptych::emulator::mbarrier {

/// The object's fields.
struct State {
  std::uint32_t pending = 0;    ///< arrivals still missing in this phase
  std::uint32_t expected = 0;   ///< arrivals of a phase
  std::int32_t tx = 0;          ///< bytes announced and not complete; may be negative in passing
  bool phase = false;
  bool valid = false;

  static State unpack(std::uint64_t bits);
  std::uint64_t pack() const;
};

inline constexpr std::uint32_t most_arrivals = (1u << 20) - 1;
inline constexpr std::int32_t most_bytes = (1 << 20) - 1;

/// All take a host pointer into shared memory, aligned to 8, and throw KernelFault{protocol} on undefined
/// use: an object that is not initialised, a count that is out of range, more arrivals than are pending.
void init(std::uint8_t* host, std::uint32_t count);
void invalidate(std::uint8_t* host);
/// `count` arrivals after announcing `bytes`; `drop`: they are not expected in later phases. With
/// `no_complete` it is an error if the phase completes. Returns the state before.
std::uint64_t arrive(std::uint8_t* host, std::uint32_t count, std::int32_t bytes, bool drop, bool no_complete);
void expect_bytes(std::uint8_t* host, std::int32_t bytes);
void complete_bytes(std::uint8_t* host, std::int32_t bytes);
/// cp.async.mbarrier.arrive without .noinc: one more arrival is pending.
void increment_pending(std::uint8_t* host);
/// Whether the phase with this parity is complete: the current one has the other parity.
bool complete(const std::uint8_t* host, bool parity);
/// The phase a state token belongs to.
bool phase_of(std::uint64_t token);
std::uint32_t pending_of(std::uint64_t token);

}  // namespace triptych::emulator::mbarrier

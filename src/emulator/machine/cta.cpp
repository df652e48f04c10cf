// CTAs and their barriers, and the special registers of their warps.
#include <algorithm>

#include "emulator/machine/machine.h"

namespace triptych::emulator {

Cta::Cta(Sm& sm, Launch& launch, std::uint64_t index, std::shared_ptr<Cluster> cluster, std::uint32_t rank)
    : sm_(sm), launch_(launch), index_(index), cluster_(std::move(cluster)), rank_(rank),
      threads_(launch.block[0] * launch.block[1] * launch.block[2]),
      shared_(launch.shared_bytes()) {
  alive_threads = threads_;
  const std::uint32_t warps = (threads_ + warp_size - 1) / warp_size;
  for (std::uint32_t w = 0; w < warps; ++w) {
    const std::uint32_t lanes = std::min<std::uint32_t>(warp_size, threads_ - w * warp_size);
    const Mask mask = lanes == warp_size ? all_lanes : (Mask{1} << lanes) - 1;
    warps_.push_back(std::make_unique<Warp>(*this, static_cast<int>(w), mask, *launch.function));
  }
  warpgroups_ = std::vector<Warpgroup>(warps / warpgroup_warps);
  warp_registers.assign(warps, launch.registers_a_thread());
}

Extent3 Cta::position() const {
  const Extent3& g = launch_.grid;
  return {static_cast<std::uint32_t>(index_ % g[0]), static_cast<std::uint32_t>(index_ / g[0] % g[1]),
          static_cast<std::uint32_t>(index_ / g[0] / g[1])};
}

bool Cta::arrive(NamedBarrier& barrier, std::uint32_t threads, std::uint32_t expected) {
  if (barrier.arrived == 0) barrier.expected = expected;
  barrier.arrived += threads;
  const std::uint32_t wanted = barrier.expected != 0 ? barrier.expected : alive_threads;
  if (barrier.arrived < wanted) return false;
  barrier.result_and = barrier.votes_and;
  barrier.result_or = barrier.votes_or;
  barrier.result_popc = barrier.votes_popc;
  barrier.votes_and = 1;
  barrier.votes_or = barrier.votes_popc = 0;
  barrier.arrived = barrier.expected = 0;
  barrier.generation.fetch_add(1, std::memory_order_acq_rel);
  return true;
}

void Cta::threads_exited(std::uint32_t threads) {
  alive_threads -= threads;
  for (NamedBarrier& b : barriers) {
    if (b.arrived != 0 && b.expected == 0 && b.arrived >= alive_threads) arrive(b, 0, 0);
  }
  // A cluster's barrier waits for all of its threads that have not exited.
  cluster_->threads_exited(threads);
}

bool Cta::done() const {
  return alive_threads == 0 && in_flight.load(std::memory_order_acquire) == 0;
}

void Cluster::arrive(std::uint32_t threads) {
  const std::lock_guard lock(mutex);
  barrier.arrived += threads;
  complete();
}

void Cluster::threads_exited(std::uint32_t threads) {
  const std::lock_guard lock(mutex);
  alive_threads -= threads;
  if (barrier.arrived != 0) complete();
}

void Cluster::complete() {
  if (barrier.arrived < alive_threads || barrier.arrived == 0) return;
  barrier.arrived = 0;
  barrier.generation.fetch_add(1, std::memory_order_acq_rel);
}

std::uint32_t Launch::shared_bytes() const {
  return shared_reserved + (function->static_shared_bytes + 15) / 16 * 16 + dynamic_shared;
}

void Launch::fail(FaultKind kind, std::string report) {
  if (failed.exchange(true)) return;   // read when the round is over
  fault = std::move(report);
  fault_kind = kind;
}

}  // namespace triptych::emulator

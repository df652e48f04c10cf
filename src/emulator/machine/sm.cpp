// One SM: its warps take turns, and what is asynchronous completes in between.
#include <algorithm>

#include "emulator/machine/machine.h"
#include "emulator/machine/observer.h"
#include "emulator/machine/random.h"

namespace triptych::emulator {

Sm::Sm(Machine& machine, int device, int index)
    : machine_(machine), device_(device), index_(index),
      random_(machine.options().seed * 1000003 + static_cast<std::uint64_t>(device) * 4099 +
              static_cast<std::uint64_t>(index)) {}

std::uint64_t Sm::later(Cta& cta, std::uint64_t ticks, std::function<void()> finish) {
  const std::uint64_t jitter = machine_.options().seed == 0 ? 0 : next_random(random_) % (ticks + 1);
  // Tokens are unique over all SMs.
  const std::uint64_t token = static_cast<std::uint64_t>(device_) << 56 | static_cast<std::uint64_t>(index_) << 44 |
                              next_token_++;
  ++cta.in_flight;
  pending_.push_back({clock_ + ticks + jitter, token, &cta, std::move(finish)});
  std::push_heap(pending_.begin(), pending_.end());
  return token;
}

bool Sm::finish_due() {
  bool any = false;
  while (!pending_.empty() && pending_.front().due <= clock_) {
    std::pop_heap(pending_.begin(), pending_.end());
    const Pending one = std::move(pending_.back());
    pending_.pop_back();
    if (!one.cta->launch().failed) {
      try {
        one.finish();
      } catch (const KernelFault& fault) {
        one.cta->launch().fail(fault.kind, "asynchronous work of " + std::string(one.cta->launch().function->source->name) +
                                               ": " + fault.message);
      }
    }
    --one.cta->in_flight;
    any = true;
  }
  return any;
}

bool Sm::fits(const Launch& launch) const {
  const DeviceLimits& limits = machine_.limits(device_);
  const std::uint32_t threads = launch.warps() * warp_size;
  return ctas_.size() < static_cast<std::size_t>(limits.ctas_per_sm) &&
         threads_ + threads <= static_cast<std::uint32_t>(limits.threads_per_sm) &&
         registers_ + launch.registers() <= static_cast<std::uint32_t>(limits.registers_per_sm) &&
         shared_ + launch.shared_bytes() <= static_cast<std::uint32_t>(limits.shared_per_sm);
}

void Sm::host(std::unique_ptr<Cta> cta) {
  const Launch& launch = cta->launch();
  threads_ += launch.warps() * warp_size;
  registers_ += launch.registers();
  shared_ += launch.shared_bytes();
  if (Observer* observer = machine_.observer()) observer->cta_begins(*cta);
  ctas_.push_back(std::move(cta));
}

void Sm::run_warp(Warp& warp, bool& ran) {
  if (warp.done() || !warp.ready(clock_)) return;
  std::uint64_t quantum = machine_.options().quantum;
  if (machine_.options().seed != 0) quantum = 1 + next_random(random_) % quantum;
  try {
    const std::uint32_t count = warp.run(static_cast<std::uint32_t>(quantum));
    ran = count != 0 || warp.done() || ran;
    if (const std::uint64_t limit = machine_.options().instruction_limit; limit != 0) [[unlikely]] {
      Launch& launch = warp.cta().launch();
      if ((launch.instructions += count) > limit) {
        launch.fail(FaultKind::deadlock, std::string(launch.function->source->name) + ": more than " + std::to_string(limit) +
                                             " instructions of warps were executed; is there a loop without an end?");
      }
    }
  } catch (const KernelFault& fault) {
    warp.cta().launch().fail(fault.kind, machine_.report(warp, fault));
    ran = true;
  }
}

bool Sm::step() {
  bool ran = finish_due();
  const std::size_t count = ctas_.size();
  const std::size_t first = machine_.options().seed != 0 && count > 0 ? next_random(random_) % count : 0;
  for (std::size_t i = 0; i < count; ++i) {
    Cta& cta = *ctas_[(first + i) % count];
    if (cta.launch().failed) continue;
    const std::size_t warps = cta.warps().size();
    const std::size_t turn = machine_.options().seed != 0 ? next_random(random_) % warps : 0;
    for (std::size_t w = 0; w < warps && !cta.launch().failed; ++w) run_warp(*cta.warps()[(turn + w) % warps], ran);
  }
  return finish_due() || ran;
}

bool Sm::skip() {
  std::uint64_t next = pending_.empty() ? ~std::uint64_t{0} : pending_.front().due;
  for (const auto& cta : ctas_) {
    for (const auto& warp : cta->warps()) {
      for (const Split& s : warp->splits()) {
        if (s.wait.kind != Wait::Kind::none && s.wait.deadline != 0) next = std::min(next, s.wait.deadline);
      }
    }
  }
  if (next == ~std::uint64_t{0}) return false;
  clock_ = std::max(clock_, next);
  return true;
}

bool Sm::give_up_waits() {
  bool any = false;
  for (const auto& cta : ctas_) {
    for (const auto& warp : cta->warps()) {
      for (Split& s : warp->splits()) {
        if (s.wait.kind != Wait::Kind::mbarrier) continue;
        s.wait.deadline = clock_;
        s.ticket = Wait::give_up;
        any = true;
      }
    }
  }
  return any;
}

void Sm::retire() {
  const auto over = [](const Cta& cta) {
    // A cluster stays whole: its CTAs may still be written to by each other.
    const auto& all = const_cast<Cta&>(cta).cluster().ctas;
    const bool failed = cta.launch().failed;
    return std::all_of(all.begin(), all.end(), [&](const Cta* c) {
      return c == nullptr || (failed ? c->in_flight == 0 : c->done());
    });
  };
  // Removed one at a time; the cluster forgets a CTA only when all of them are over.
  for (std::size_t i = ctas_.size(); i-- > 0;) {
    if (!over(*ctas_[i])) continue;
    Cta& cta = *ctas_[i];
    Launch& launch = cta.launch();
    if (Observer* observer = machine_.observer()) observer->cta_ends(cta);
    for (const auto& warp : cta.warps()) executed_ += warp->thread_instructions();
    threads_ -= launch.warps() * warp_size;
    registers_ -= launch.registers();
    shared_ -= launch.shared_bytes();
    cta.cluster().ctas[cta.rank()] = nullptr;
    const bool signalled = cta.signalled_dependents;
    ctas_.erase(ctas_.begin() + static_cast<std::ptrdiff_t>(i));
    if (!signalled) ++launch.dependents_signals;
    --launch.running;
    ++launch.finished;
  }
}

}  // namespace triptych::emulator

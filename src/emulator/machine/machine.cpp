// The whole machine: hands out CTAs, runs rounds, ends launches.
#include "emulator/machine/machine.h"

#include <algorithm>
#include <bit>

#include "emulator/machine/observer.h"

namespace triptych::emulator {

Machine::Machine(MachineOptions options) : options_(std::move(options)), random_(options_.seed) {
  for (std::size_t d = 0; d < options_.devices.size(); ++d) {
    auto& sms = sms_.emplace_back();
    for (int i = 0; i < options_.devices[d].sms; ++i) sms.push_back(std::make_unique<Sm>(*this, static_cast<int>(d), i));
  }
}

Machine::~Machine() = default;

std::uint32_t Launch::registers() const {
  // Registers are given out by warps, in units of 256.
  return (registers_a_thread() * warp_size + 255) / 256 * 256 * warps();
}

std::uint32_t Launch::register_cap() const {
  const Directives& d = function->source->directives;
  if (d.maxnreg != 0) return d.maxnreg;
  const std::uint32_t threads = d.reqntid[0] != 0 ? d.reqntid[0] * d.reqntid[1] * d.reqntid[2]
                                                  : d.maxntid[0] * d.maxntid[1] * d.maxntid[2];
  if (d.minnctapersm == 0 || threads == 0) return 0;
  return std::min(255u, 65536 / (d.minnctapersm * ((threads + 31) / 32 * 32)) / 8 * 8);
}

std::uint32_t Launch::registers_a_thread() const {
  const std::uint32_t cap = register_cap();
  return cap != 0 ? cap : std::clamp(function->registers, 16u, 255u);
}

bool Launch::explicit_cluster() const {
  return cluster[0] * cluster[1] * cluster[2] > 1 || function->source->directives.explicit_cluster;
}

int Machine::occupancy(const Launch& launch) const {
  const DeviceLimits& l = limits(launch.device);
  const auto most = [](int all, std::uint32_t each) { return each == 0 ? all : all / static_cast<int>(each); };
  return std::min({l.ctas_per_sm, most(l.threads_per_sm, launch.warps() * warp_size),
                   most(l.registers_per_sm, launch.registers()), most(l.shared_per_sm, launch.shared_bytes())});
}

std::string Machine::refuse(const Launch& launch) const {
  const DeviceLimits& l = limits(launch.device);
  const std::uint64_t threads = std::uint64_t{launch.block[0]} * launch.block[1] * launch.block[2];
  if (launch.ctas() == 0 || threads == 0) return "the grid or the block is empty";
  if (threads > static_cast<std::uint64_t>(l.threads_per_cta)) {
    return "a block of " + std::to_string(threads) + " threads; at most " + std::to_string(l.threads_per_cta);
  }
  if (launch.shared_bytes() - shared_reserved > static_cast<std::uint32_t>(l.shared_per_cta)) {
    return std::to_string(launch.shared_bytes() - shared_reserved) + " bytes of shared memory; at most " +
           std::to_string(l.shared_per_cta);
  }
  for (std::size_t a = 0; a < 3; ++a) {
    if (launch.grid[a] % launch.cluster[a] != 0) return "the grid is not a multiple of the cluster";
  }
  const std::uint32_t cluster = launch.cluster[0] * launch.cluster[1] * launch.cluster[2];
  if (cluster > static_cast<std::uint32_t>(l.cluster_size)) {
    return "a cluster of " + std::to_string(cluster) + " CTAs; at most " + std::to_string(l.cluster_size);
  }
  const int each = occupancy(launch);
  if (each == 0) return "one CTA needs more registers than an SM has";
  const std::uint64_t sms = launch.sms.empty() ? static_cast<std::uint64_t>(l.sms) : launch.sms.size();
  if (launch.cooperative && launch.ctas() > sms * static_cast<std::uint64_t>(each)) {
    return "a cooperative grid of " + std::to_string(launch.ctas()) + " CTAs; " +
           std::to_string(sms * static_cast<std::uint64_t>(each)) + " fit on the device at once";
  }
  return "";
}

void Machine::submit(std::shared_ptr<Launch> launch) {
  launch->id = next_launch_++;
  if (observer_ != nullptr) observer_->launch_begins(*launch);
  launches_.push_back(std::move(launch));
}

/// Gives a launch's next CTAs to SMs with room, a cluster at a time, the SMs in turn.
void Machine::hand_out(const std::shared_ptr<Launch>& launch) {
  auto& sms = sms_[static_cast<std::size_t>(launch->device)];
  const auto allowed = [&](const Sm& sm) {
    return launch->sms.empty() || std::find(launch->sms.begin(), launch->sms.end(), sm.index()) != launch->sms.end();
  };
  const std::uint32_t size = launch->cluster[0] * launch->cluster[1] * launch->cluster[2];
  while (launch->next_cta < launch->ctas() && !launch->failed) {
    // Where the cluster's CTAs go: one after another, each on the next SM that has room.
    std::vector<std::unique_ptr<Cta>> made;
    auto cluster = std::make_shared<Cluster>();
    cluster->id = next_cluster_;
    cluster->ctas.assign(size, nullptr);
    std::vector<Sm*> places;
    for (std::size_t i = 0; i < sms.size() && places.size() < size; ++i) {
      Sm& sm = *sms[(next_sm_ + i) % sms.size()];
      if (allowed(sm) && sm.fits(*launch)) places.push_back(&sm);
    }
    if (places.size() < size && !places.empty() && size > 1) {
      // Fewer SMs than CTAs: several of one SM, as far as they fit (small devices).
      const std::size_t distinct = places.size();
      const int each = occupancy(*launch);
      for (int round = 1; round < each && places.size() < size; ++round) {
        for (std::size_t i = 0; i < distinct && places.size() < size; ++i) {
          if (places[i]->ctas().empty()) places.push_back(places[i]);
        }
      }
    }
    if (places.size() < size) return;
    ++next_cluster_;
    for (std::uint32_t r = 0; r < size; ++r) {
      auto cta = std::make_unique<Cta>(*places[r], *launch, launch->cta_of(launch->next_cta / size, r), cluster, r);
      cluster->ctas[r] = cta.get();
      cluster->alive_threads += cta->threads();
      made.push_back(std::move(cta));
    }
    for (std::uint32_t r = 0; r < size; ++r) places[r]->host(std::move(made[r]));
    next_sm_ = (static_cast<std::size_t>(places.back()->index()) + 1) % sms.size();
    launch->next_cta += size;
    launch->running += size;
  }
}

std::uint64_t Launch::cta_of(std::uint64_t cluster_index, std::uint32_t rank) const {
  const std::uint64_t nx = grid[0] / cluster[0], ny = grid[1] / cluster[1];
  const std::uint64_t x = cluster_index % nx * cluster[0] + rank % cluster[0];
  const std::uint64_t y = cluster_index / nx % ny * cluster[1] + rank / cluster[0] % cluster[1];
  const std::uint64_t z = cluster_index / nx / ny * cluster[2] + rank / cluster[0] / cluster[1];
  return (z * grid[1] + y) * grid[0] + x;
}

bool Machine::end_launches() {
  for (auto& sms : sms_) {
    for (auto& sm : sms) sm->retire();
  }
  bool any = false;
  for (std::size_t i = 0; i < launches_.size();) {
    const std::shared_ptr<Launch> launch = launches_[i];
    const bool over = launch->running == 0 && (launch->failed || launch->finished == launch->ctas());
    if (!over) {
      ++i;
      continue;
    }
    launches_.erase(launches_.begin() + static_cast<std::ptrdiff_t>(i));
    if (observer_ != nullptr) observer_->launch_ends(*launch);
    if (launch->ended) launch->ended(*launch);
    any = true;
  }
  return any;
}

Progress Machine::step() {
  if (launches_.empty()) return Progress::idle;
  for (const auto& launch : launches_) hand_out(launch);
  std::vector<Sm*> busy;
  for (auto& sms : sms_) {
    for (auto& sm : sms) {
      if (!sm->ctas().empty()) busy.push_back(sm.get());
    }
  }
  std::atomic<bool> ran{false};
  const auto body = [&](int i) {
    if (busy[static_cast<std::size_t>(i)]->step()) ran = true;
  };
  if (options_.parallel && busy.size() > 1) {
    options_.parallel(static_cast<int>(busy.size()), body);
  } else {
    for (std::size_t i = 0; i < busy.size(); ++i) body(static_cast<int>(i));
  }
  const bool ended = end_launches();
  if (ran || ended) return Progress::running;
  // Nobody could go on: time passes until somebody can.
  bool skipped = false;
  for (Sm* sm : busy) skipped = sm->skip() || skipped;
  // A wait that may return early does so before all is lost.
  if (!skipped) {
    for (Sm* sm : busy) skipped = sm->give_up_waits() || skipped;
  }
  return skipped ? Progress::running : Progress::stuck;
}

bool Machine::run() {
  bool good = true;
  while (!launches_.empty()) {
    const std::vector<std::shared_ptr<Launch>> before(launches_.begin(), launches_.end());
    if (step() == Progress::stuck) abort(FaultKind::deadlock, "deadlock: nothing can go on\n" + blocked());
    for (const auto& launch : before) good = good && !launch->failed;
  }
  return good;
}

void Machine::abort(FaultKind kind, const std::string& report) {
  for (const auto& launch : launches_) launch->fail(kind, report);
  while (!launches_.empty()) {
    // What is in flight is dropped when it is due.
    for (auto& sms : sms_) {
      for (auto& sm : sms) {
        sm->skip();
        sm->step();
      }
    }
    if (!end_launches() && launches_.empty()) return;
  }
}

std::uint64_t Machine::thread_instructions() const {
  std::uint64_t sum = 0;
  for (const auto& sms : sms_) {
    for (const auto& sm : sms) sum += sm->executed();
  }
  return sum;
}

std::uint64_t Machine::now() const {
  std::uint64_t most = 0;
  for (const auto& sms : sms_) {
    for (const auto& sm : sms) most = std::max(most, sm->clock());
  }
  return most;
}

}  // namespace triptych::emulator

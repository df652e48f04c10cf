// Special registers: rows that a warp gets when it begins, and those that are read anew each time.
#include "emulator/machine/machine.h"

namespace triptych::emulator {
namespace {

/// The thread's coordinate in the block.
std::uint32_t thread_coordinate(const Extent3& block, std::uint32_t thread, int axis) {
  return axis == 0 ? thread % block[0] : axis == 1 ? thread / block[0] % block[1] : thread / block[0] / block[1];
}

int axis_of(Special s, Special x) { return static_cast<int>(s) - static_cast<int>(x); }

bool within(Special s, Special x) {
  return s >= x && static_cast<int>(s) < static_cast<int>(x) + 3;
}

/// Extents and coordinates in the grid of clusters.
std::uint32_t cluster_value(const Cta& cta, Special s) {
  const Launch& l = cta.launch();
  const Extent3 at = cta.position();
  for (int a = 0; a < 3; ++a) {
    const auto i = static_cast<std::size_t>(a);
    const auto is = [&](Special x) { return within(s, x) && axis_of(s, x) == a; };
    if (is(Special::clusterid_x)) return at[i] / l.cluster[i];
    if (is(Special::nclusterid_x)) return l.grid[i] / l.cluster[i];
    if (is(Special::cluster_ctaid_x)) return at[i] % l.cluster[i];
    if (is(Special::cluster_nctaid_x)) return l.cluster[i];
  }
  if (s == Special::cluster_ctarank) return cta.rank();
  if (s == Special::cluster_nctarank) return l.cluster[0] * l.cluster[1] * l.cluster[2];
  return l.explicit_cluster() ? 1 : 0;   // is_explicit_cluster
}

std::uint64_t lane_mask(Special s, int lane) {
  const std::uint32_t eq = 1u << lane, lt = eq - 1;
  switch (s) {
    case Special::lanemask_eq: return eq;
    case Special::lanemask_lt: return lt;
    case Special::lanemask_le: return lt | eq;
    case Special::lanemask_gt: return ~(lt | eq);
    default: return ~lt;
  }
}

}  // namespace

std::uint64_t Warp::special(Special s, int which, int lane) {
  const Launch& l = cta_.launch();
  const Extent3 at = cta_.position();
  const auto pick = [](const Extent3& e, int axis) { return e[static_cast<std::size_t>(axis)]; };
  if (within(s, Special::tid_x)) {
    return thread_coordinate(l.block, static_cast<std::uint32_t>(index_ * warp_size + lane), axis_of(s, Special::tid_x));
  }
  if (within(s, Special::ntid_x)) return pick(l.block, axis_of(s, Special::ntid_x));
  if (within(s, Special::ctaid_x)) return pick(at, axis_of(s, Special::ctaid_x));
  if (within(s, Special::nctaid_x)) return pick(l.grid, axis_of(s, Special::nctaid_x));
  if (s >= Special::is_explicit_cluster && s <= Special::cluster_nctarank) return cluster_value(cta_, s);
  if (s >= Special::lanemask_eq && s <= Special::lanemask_gt) return lane_mask(s, lane);
  const std::uint64_t clock = sm().clock(), now = machine().now();
  switch (s) {
    case Special::laneid: return static_cast<std::uint64_t>(lane);
    case Special::warpid: return static_cast<std::uint64_t>(index_);
    case Special::nwarpid: return static_cast<std::uint64_t>(machine().limits(sm().device()).threads_per_sm / warp_size);
    case Special::smid: return static_cast<std::uint64_t>(sm().index());
    case Special::nsmid: return static_cast<std::uint64_t>(machine().limits(sm().device()).sms);
    case Special::gridid: return l.id;
    case Special::clock: return static_cast<std::uint32_t>(clock);
    case Special::clock_hi: return clock >> 32;
    case Special::clock64: return clock;
    case Special::globaltimer: return now;
    case Special::globaltimer_lo: return static_cast<std::uint32_t>(now);
    case Special::globaltimer_hi: return now >> 32;
    case Special::total_smem_size: return l.shared_bytes() - shared_reserved;
    case Special::aggr_smem_size: return l.shared_bytes();
    case Special::dynamic_smem_size: return l.dynamic_shared;
    case Special::dynamic_smem_begin: return shared_reserved + l.function->static_shared_bytes;
    case Special::reserved_smem_offset_end:
    case Special::reserved_smem_offset_cap: return shared_reserved;
    // cooperative_groups finds the grid's workspace in envreg1 (high) and envreg2 (low).
    case Special::envreg: return which == 1 ? l.workspace >> 32 : which == 2 ? static_cast<std::uint32_t>(l.workspace) : 0;
    default: return 0;
  }
}

void Warp::fill_specials() {
  const auto& wanted = cta_.launch().module->specials;
  specials_ = std::make_unique<std::uint8_t[]>(wanted.size() * special_row_bytes + 64);
  auto* rows = reinterpret_cast<std::uint8_t*>((reinterpret_cast<std::uintptr_t>(specials_.get()) + 63) &
                                               ~std::uintptr_t{63});
  bank_[Slot::specials] = rows;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto [special, which] = wanted[i];
    for (int l = 0; l < warp_size; ++l) {
      const std::uint64_t value = this->special(special, which, l);
      std::uint8_t* row = rows + i * special_row_bytes;
      if (is_wide(special)) {
        std::memcpy(row + 8 * l, &value, 8);
      } else {
        std::memcpy(row + 4 * l, &value, 4);
      }
    }
  }
}

bool is_wide(Special s) {
  return s == Special::clock64 || s == Special::globaltimer || s == Special::gridid || s == Special::current_graph_exec;
}

bool is_volatile(Special s) {
  return (s >= Special::clock && s <= Special::globaltimer_hi) || s == Special::pm;
}

}  // namespace triptych::emulator

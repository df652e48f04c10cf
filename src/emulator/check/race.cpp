#include "emulator/check/race.h"

#include <algorithm>
#include <bit>

namespace triptych::emulator {
namespace {

/// Readers that are remembered of a granule; of more the others are forgotten.
constexpr std::size_t most_readers(Space space) { return space == Space::shared ? 64 : 8; }

const char* name_of_space(Space space) { return space == Space::shared ? "shared" : "global"; }

const char* verb(Access access) {
  return access == Access::read ? "load" : access == Access::write ? "store" : "atomic operation";
}

std::string hex(std::uint64_t value) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

const char* name_of_scope(Scope scope) {
  switch (scope) {
    case Scope::cta: return "CTA";
    case Scope::cluster: return "cluster";
    case Scope::gpu: return "gpu";
    default: return "sys";
  }
}

}  // namespace

std::string RaceCheck::describe(const Accessor& who, Mask lanes, const Bytes& b) const {
  std::string text = (who.kind & Stamp::async) != 0 ? "asynchronous " : "";
  text += std::string(name_of_space(b.space)) + " " + verb(b.access) + " of " + std::to_string(b.count) +
          (b.count == 1 ? " byte at " : " bytes at ") + hex(b.offset);
  if ((who.kind & Stamp::async) == 0) text += " by lane " + std::to_string(std::countr_zero(lanes));
  return text;
}

void RaceCheck::touch(const Accessor& who, Mask lanes, Space space, std::uint64_t host, std::uint64_t offset,
                      std::uint32_t bytes, Access access) {
  // Mostly it is one aligned access of a few bytes, to one granule that was written before.
  if (const auto at = static_cast<std::uint32_t>(host % ShadowPage::bytes); bytes <= 16 && std::has_single_bit(bytes) && at % bytes == 0) {
    ShadowPage& page = shadow_.page(host);
    if (bytes == 1u << page.shift && access == Access::read && (!page.tracked || page.is_written(at, bytes)) &&
        (checks_ & (bit(Check::race) | bit(Check::nc))) != 0) {
      return touch_cell(who, lanes, page.cells()[at >> page.shift], {space, offset, bytes, access});
    }
  }
  while (bytes > 0) {
    const auto at = static_cast<std::uint32_t>(host % ShadowPage::bytes);
    const std::uint32_t count = std::min(bytes, ShadowPage::bytes - at);
    const Bytes b{space, offset, count, access};
    ShadowPage& page = shadow_.page(host);
    if (page.tracked) {
      if (access != Access::write) check_written(who, lanes, host, b);
      if (access != Access::read) page.set_written(at, count);
    }
    if ((checks_ & (bit(Check::race) | bit(Check::nc))) != 0) {
      const auto unit = static_cast<std::uint32_t>(std::countr_zero(at | count | 16));
      if (unit < page.shift) page.refine(unit, shadow_.chains());
      Cell* const cells = page.cells();
      for (std::uint32_t c = at >> page.shift; c <= (at + count - 1) >> page.shift; ++c) touch_cell(who, lanes, cells[c], b);
    }
    host += count;
    offset += count;
    bytes -= count;
  }
}

bool RaceCheck::touch_quickly(const Accessor& who, Stamp mine, Cell& cell, bool writes) const {
  if (who.clock == nullptr) {
    // An engine's reads follow each other; what it reads was mostly written by one instruction of a warp.
    const bool after = cell.write.none() || (fine_.work == who.work && fine_.write == cell.write);
    if (writes || !after || cell.readers != 0 || !(cell.read.none() || cell.read.agent() == mine.agent())) return false;
    cell.read = mine;
    cell.read_site = who.site;
    return true;
  }
  const auto fine = [&](Stamp other) {
    return other.none() || ((other.bits() >> 1 & Stamp::coherent_not) == 0 &&
                            (other.same_thread(mine) || who.clock->all_know(other.agent(), other.epoch())));
  };
  if (!fine(cell.write) || cell.readers != 0 || !fine(cell.read)) return false;
  if (writes) {
    cell.write = mine;
    cell.write_site = who.site;
    cell.read = {};
  } else {
    cell.read = mine;
    cell.read_site = who.site;
  }
  return true;
}

void RaceCheck::touch_row(const Accessor& who, Space space, std::uint64_t host, std::uint64_t offset, std::uint32_t bytes,
                          Access access) {
  const auto at = static_cast<std::uint32_t>(host % ShadowPage::bytes);
  const std::uint32_t all = warp_size * bytes;
  const bool writes = access != Access::read;
  ShadowPage& page = shadow_.page(host);
  const bool plain = at + all <= ShadowPage::bytes && who.clock != nullptr && (who.kind & Stamp::coherent_not) == 0 &&
                     (writes || !page.tracked || page.first_unwritten(at, all) == at + all);
  if (!plain) {
    for (int l = 0; l < warp_size; ++l) {
      touch(who, Mask{1} << l, space, host + static_cast<std::uint32_t>(l) * bytes, offset + static_cast<std::uint32_t>(l) * bytes, bytes, access);
    }
    return;
  }
  if (page.tracked && writes) page.set_written(at, all);
  if ((checks_ & (bit(Check::race) | bit(Check::nc))) == 0) return;
  if (const auto unit = static_cast<std::uint32_t>(std::min(4, std::countr_zero(at | bytes))); unit < page.shift) page.refine(unit, shadow_.chains());
  Cell* cell = page.cells() + (at >> page.shift);
  const std::uint32_t parts = std::max(1u, bytes >> page.shift);
  const Stamp mine = who.stamp(0);
  for (int l = 0; l < warp_size; ++l) {
    for (std::uint32_t p = 0; p < parts; ++p, ++cell) {
      if (touch_quickly(who, mine.of_lane(l), *cell, writes)) continue;
      touch_cell(who, Mask{1} << l, *cell, {space, offset + static_cast<std::uint32_t>(l) * bytes, bytes, access});
    }
  }
}

void RaceCheck::check_written(const Accessor& who, Mask lanes, std::uint64_t host, const Bytes& b) {
  const auto at = static_cast<std::uint32_t>(host % ShadowPage::bytes);
  ShadowPage& page = shadow_.page(host);
  const std::uint32_t first = page.first_unwritten(at, b.count);
  if (first == at + b.count) return;
  page.set_written(at, b.count);   // once is enough
  if ((checks_ & bit(Check::init)) == 0) return;
  report_(Check::init, who.site, 0,
          describe(who, lanes, b) + ": nobody has written " +
              (first == at ? "it" : "byte " + std::to_string(first - at) + " of it") + " " + actors_.who(*who.info, lanes));
}

void RaceCheck::touch_cell(const Accessor& who, Mask lanes, Cell& cell, const Bytes& b) {
  const bool writes = b.access != Access::read;
  const int lane = std::countr_zero(lanes);
  if ((who.kind & Stamp::coherent_not) == 0 && std::has_single_bit(lanes) &&
      touch_quickly(who, who.stamp(lane), cell, writes)) {
    return;
  }
  if (!cell.write.none() && !plainly_after(who, lanes, cell.write)) {
    for (Mask left = lanes; left != 0; left &= left - 1) {
      against(who, std::countr_zero(left), cell.write, Mask{1} << cell.write.lane(), cell.write_site, true, b);
    }
  }
  if (!writes) return read_into(who, lanes, cell, b.space);
  if (cell.readers != 0) {
    shadow_.chains().any(cell.readers, [&](const Reader& r) {
      const bool own = r.stamp.agent() == who.agent && r.lanes == (Mask{1} << lane);
      if (r.stamp.has(Stamp::coherent_not) || who.clock == nullptr || !(own || who.clock->all_know(r.stamp.agent(), r.stamp.epoch()))) {
        against(who, lane, r.stamp, r.lanes, r.site, false, b);
      }
      return false;
    });
    shadow_.chains().release(cell.readers);
  }
  if (!cell.read.none() && !plainly_after(who, lanes, cell.read)) {
    against(who, lane, cell.read, Mask{1} << cell.read.lane(), cell.read_site, false, b);
  }
  // Of the lanes of one instruction that write the same bytes one is last, and which is not said.
  cell.write = who.stamp(lane);
  cell.write_site = who.site;
  cell.read = {};
}

void RaceCheck::against(const Accessor& who, int lane, Stamp other, Mask other_lanes, SiteId other_site, bool other_wrote,
                        const Bytes& b) {
  const ActorInfo& theirs = actors_.info(other.agent());
  const bool own = other.agent() == who.agent && other_lanes == (Mask{1} << lane) && (who.clock != nullptr || other.epoch() == who.epoch);
  const bool async = (who.kind & Stamp::async) != 0;
  // What a kernel reads through the non-coherent cache nobody may write while it runs.
  if ((who.kind & Stamp::coherent_not) != 0 || (!other_wrote && other.has(Stamp::coherent_not))) {
    if (!actors_.launched_after(theirs, *who.info) && (checks_ & bit(Check::nc)) != 0) {
      report_(Check::nc, who.site, other_site,
              describe(who, Mask{1} << lane, b) + (other_wrote ? ": it was written by " : ": it was read through ld.global.nc by ") +
                  actors_.place(other_site) + " " + actors_.who(theirs, other_lanes) +
                  " while the kernel runs; ld.global.nc may give what was there before " + actors_.who(*who.info, Mask{1} << lane));
    }
    return;
  }
  bool before = own;
  std::string why;
  if (!before) {
    before = true;
    for (Mask left = other_lanes; left != 0 && before; left &= left - 1) {
      const int l = std::countr_zero(left);
      before = who.knows(lane, Stamp(other.agent(), l, other.epoch(), 0, Scope::cta));
    }
    before = before || actors_.launched_after(theirs, *who.info);
  }
  if (before) {
    if (!async || !other_wrote || other.has(Stamp::async) || who.sees_in_async_proxy(other) ||
        actors_.launched_after(theirs, *who.info)) {
      if (other_wrote && async) fine_ = {who.work, other};
      return;
    }
    why = "no fence.proxy.async lies between";
  } else {
    const bool both_strong = (who.kind & Stamp::strong) != 0 && other.has(Stamp::strong);
    if (both_strong && Actors::within(who.scope, *who.info, theirs) && Actors::within(other.scope(), *who.info, theirs)) return;
    // One instruction of a warp: its lanes' stores to the same bytes have one winner.
    if (other_wrote && b.access == Access::write && other.agent() == who.agent && other.epoch() == who.epoch && other_site == who.site) return;
    why = both_strong ? std::string("both are strong, but a scope of ") +
                            name_of_scope(std::min(who.scope, other.scope())) + " does not hold both"
                      : "nothing orders them";
  }
  if ((checks_ & bit(Check::race)) == 0) return;
  report_(Check::race, who.site, other_site,
          describe(who, Mask{1} << lane, b) + " and the " + (other_wrote ? "write" : "read") + " by " +
              (other.has(Stamp::async) ? "the asynchronous " : "") + actors_.place(other_site) + " " +
              actors_.who(theirs, other.has(Stamp::async) ? 0 : other_lanes) + ": " + why + " " +
              actors_.who(*who.info, async ? 0 : Mask{1} << lane));
}

void RaceCheck::read_into(const Accessor& who, Mask lanes, Cell& cell, Space space) {
  const Stamp mine = who.stamp(std::countr_zero(lanes));
  const bool coherent = (who.kind & Stamp::coherent_not) == 0;
  // Readers that all who read now come after need not be kept.
  const auto over = [&](Stamp other) {
    return other.has(Stamp::coherent_not) != coherent && who.clock != nullptr && who.clock->all_know(other.agent(), other.epoch());
  };
  if (cell.readers == 0 && std::has_single_bit(lanes) &&
      (cell.read.none() || (cell.read.has(Stamp::coherent_not) != coherent && (cell.read.same_thread(mine) || over(cell.read))))) {
    cell.read = mine;
    cell.read_site = who.site;
    return;
  }
  ReaderChains& chains = shadow_.chains();
  if (!cell.read.none()) {
    const Stamp s = cell.read;
    if (!over(s)) chains.push(cell.readers, {s.of_lane(0), Mask{1} << s.lane(), cell.read_site});
    cell.read = {};
  }
  const Reader reader{mine.of_lane(0), lanes, who.site};
  const bool there = chains.any(cell.readers, [&](Reader& r) {
    if (r.stamp == reader.stamp) r.lanes |= lanes;
    return r.stamp == reader.stamp;
  });
  if (there) return;
  const bool replaced = chains.any(cell.readers, [&](Reader& r) {
    const bool same = r.stamp.agent() == who.agent && (r.lanes & ~lanes) == 0 && r.stamp.has(Stamp::coherent_not) != coherent;
    if (!same && !over(r.stamp)) return false;
    r = reader;
    return true;
  });
  if (!replaced && chains.size(cell.readers) < most_readers(space)) chains.push(cell.readers, reader);
}

}  // namespace triptych::emulator

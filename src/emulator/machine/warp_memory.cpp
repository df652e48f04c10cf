// From addresses to host pointers: every byte that a kernel touches passes here first.
#include <algorithm>
#include <bit>
#include <string>

#include "emulator/machine/machine.h"
#include "emulator/machine/observer.h"
#include "emulator/machine/warp.h"

namespace triptych::emulator {
namespace {

const char* verb(Access access) {
  return access == Access::read ? "load" : access == Access::write ? "store" : "atomic";
}

std::string hex(std::uint64_t value) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

/// "shared store of 4 bytes at 0x1234 by lane 3"
std::string doing(const char* space, Access access, std::uint32_t bytes, std::uint64_t address, int lane) {
  return std::string(space) + (*space ? " " : "") + verb(access) + " of " + std::to_string(bytes) +
         (bytes == 1 ? " byte at " : " bytes at ") + hex(address) + " by lane " + std::to_string(lane);
}

void require_aligned(const Lanes<std::uint64_t>& addresses, std::uint32_t bytes, Access access, Mask lanes) {
  std::uint64_t low = 0;
  for (int l = 0; l < warp_size; ++l) low |= (lanes >> l & 1) != 0 ? addresses[l] : 0;
  if ((low & (bytes - 1)) == 0) return;
  for (int l = 0; l < warp_size; ++l) {
    if ((lanes >> l & 1) != 0 && (addresses[l] & (bytes - 1)) != 0) {
      throw KernelFault{FaultKind::misaligned_address,
                        doing("", access, bytes, addresses[l], l) + ": the address is not a multiple of " +
                            std::to_string(bytes),
                        Mask{1} << l};
    }
  }
}

/// Smallest and largest address among the lanes.
std::pair<std::uint64_t, std::uint64_t> range_of(const Lanes<std::uint64_t>& addresses, Mask lanes) {
  std::uint64_t low = ~std::uint64_t{0}, high = 0;
  for (int l = 0; l < warp_size; ++l) {
    const bool on = (lanes >> l & 1) != 0;
    low = std::min(low, on ? addresses[l] : ~std::uint64_t{0});
    high = std::max(high, on ? addresses[l] : 0);
  }
  return {low, high};
}

}  // namespace

void Warp::addresses(Slot base, bool wide, std::int64_t imm, Lanes<std::uint64_t>& to) const {
  const auto offset = static_cast<std::uint64_t>(imm);
  if (base.absent()) {
    for (int l = 0; l < warp_size; ++l) to[l] = offset;
  } else if (wide) {
    const auto* from = in<std::uint64_t>(base);
    for (int l = 0; l < warp_size; ++l) to[l] = from[l] + offset;
  } else {
    const auto* from = in<std::uint32_t>(base);
    for (int l = 0; l < warp_size; ++l) to[l] = static_cast<std::uint32_t>(from[l] + offset);
  }
}

bool Warp::found_before(std::uint64_t low, std::uint64_t high, Access access) {
  if (machine().memory().generation() != found_generation_) return false;
  const std::uint32_t device = 1u << (sm().device() & 31);
  for (const Allocation& a : found_) {
    if (low < a.begin || high > a.end || high < low) continue;
    return access == Access::read ? (a.readers & device) != 0 : (a.writers & device) != 0 && !a.constant;
  }
  return false;
}

void Warp::resolve_global(const Lanes<std::uint64_t>& at, std::uint32_t bytes, Access access,
                          Lanes<std::uint8_t*>& to, Mask lanes) {
  GlobalMemory& memory = machine().memory();
  if (const std::uint64_t now = memory.generation(); now != found_generation_) {
    found_ = {};
    found_generation_ = now;
  }
  const std::uint32_t device = 1u << (sm().device() & 31);
  const auto permitted = [&](const Allocation& a) {
    return access == Access::read ? (a.readers & device) != 0 : (a.writers & device) != 0 && !a.constant;
  };
  const auto [low, high] = range_of(at, lanes);
  for (const Allocation& a : found_) {
    if (low >= a.begin && high < a.end && a.end - high >= bytes && permitted(a)) {
      for (int l = 0; l < warp_size; ++l) to[l] = reinterpret_cast<std::uint8_t*>(at[l]);
      return;
    }
  }
  for (Mask left = lanes; left != 0; left &= left - 1) {
    const int l = std::countr_zero(left);
    const Allocation a = memory.find(at[l], bytes);
    if (a.end == 0) {
      throw KernelFault{FaultKind::illegal_address,
                        doing("global", access, bytes, at[l], l) + ": " + memory.describe(at[l]), Mask{1} << l};
    }
    if (!permitted(a)) {
      throw KernelFault{FaultKind::illegal_address,
                        doing("global", access, bytes, at[l], l) + ": " +
                            (a.constant ? "constant memory is read-only"
                                        : "this device has no access; enable peer access first"),
                        Mask{1} << l};
    }
    found_[found_next_++ % found_.size()] = a;
    to[l] = reinterpret_cast<std::uint8_t*>(at[l]);
  }
}

void Warp::resolve_shared(const Lanes<std::uint64_t>& at, std::uint32_t bytes, Lanes<std::uint8_t*>& to,
                          Mask lanes) {
  const auto [low, high] = range_of(at, lanes);
  if (high < cta_.shared_bytes() && cta_.shared_bytes() - high >= bytes && low >= shared_reserved) {
    std::uint8_t* const base = cta_.shared();
    for (int l = 0; l < warp_size; ++l) to[l] = base + (at[l] & 0xFFFFFF);
    return;
  }
  for (Mask left = lanes; left != 0; left &= left - 1) {
    const int l = std::countr_zero(left);
    const auto offset = static_cast<std::uint32_t>(at[l] & 0xFFFFFF);
    Cta& target = cta_of(at[l], l);
    if (offset < shared_reserved || offset > target.shared_bytes() || target.shared_bytes() - offset < bytes) {
      throw KernelFault{FaultKind::illegal_address,
                        "shared access of " + std::to_string(bytes) + " bytes at " + hex(offset) + " by lane " +
                            std::to_string(l) + ": the CTA has shared memory from " + hex(shared_reserved) + " to " +
                            hex(target.shared_bytes()),
                        Mask{1} << l};
    }
    to[l] = target.shared() + offset;
  }
}

std::uint8_t* Warp::local(int lane, std::uint64_t offset, std::uint32_t bytes) {
  if (offset + bytes > most_local || offset + bytes < offset) {
    throw KernelFault{FaultKind::illegal_address,
                      "local access of " + std::to_string(bytes) + " bytes at " + hex(offset) + " by lane " +
                          std::to_string(lane) + ": a thread has 512 KiB of local memory",
                      Mask{1} << lane};
  }
  if (offset + bytes > local_capacity_) {
    std::uint32_t capacity = std::max<std::uint32_t>(local_capacity_, 256);
    while (capacity < offset + bytes) capacity *= 2;
    std::vector<std::uint8_t> grown(std::size_t{capacity} * warp_size);
    for (int l = 0; l < warp_size && local_capacity_ > 0; ++l) {
      std::copy_n(local_.data() + std::size_t{local_capacity_} * static_cast<std::size_t>(l), local_capacity_,
                  grown.data() + std::size_t{capacity} * static_cast<std::size_t>(l));
    }
    local_ = std::move(grown);
    local_capacity_ = capacity;
  }
  return local_.data() + std::size_t{local_capacity_} * static_cast<std::size_t>(lane) + offset;
}

void Warp::resolve_local(const Lanes<std::uint64_t>& at, std::uint32_t bytes, Lanes<std::uint8_t*>& to, Mask lanes) {
  // The largest first: memory moves when it grows.
  const auto [low, high] = range_of(at, lanes);
  local(std::countr_zero(lanes), high, bytes);
  for (Mask left = lanes; left != 0; left &= left - 1) {
    const int l = std::countr_zero(left);
    to[l] = local(l, at[l], bytes);
  }
}

void Warp::resolve_param(const Lanes<std::uint64_t>& at, std::uint32_t bytes, Access access,
                         Lanes<std::uint8_t*>& to, Mask lanes) {
  std::vector<std::uint8_t>& parameters = cta_.launch().parameters;
  for (Mask left = lanes; left != 0; left &= left - 1) {
    const int l = std::countr_zero(left);
    if (access != Access::read || at[l] + bytes > parameters.size() || at[l] + bytes < at[l]) {
      throw KernelFault{FaultKind::illegal_address,
                        doing("parameter", access, bytes, at[l], l) + ": the kernel's parameters are " +
                            std::to_string(parameters.size()) + " bytes, to be read only",
                        Mask{1} << l};
    }
    to[l] = parameters.data() + at[l];
  }
}

void Warp::resolve(Space space, const Lanes<std::uint64_t>& addresses, std::uint32_t bytes, Access access,
                   const Semantics& semantics, const Instr& instr, Lanes<std::uint8_t*>& to) {
  const auto in_space = [&](Space where, const Lanes<std::uint64_t>& at, Mask lanes) {
    require_aligned(at, bytes, access, lanes);
    switch (where) {
      case Space::global:
      case Space::constant: resolve_global(at, bytes, access, to, lanes); break;
      case Space::shared: resolve_shared(at, bytes, to, lanes); break;
      case Space::local: resolve_local(at, bytes, to, lanes); break;
      default: resolve_param(at, bytes, access, to, lanes); break;
    }
    if (observer_ != nullptr) [[unlikely]] {
      observer_->access({*this, instr, where, access, semantics, lanes, at, to, bytes});
    }
  };
  if (space != Space::generic) return in_space(space, addresses, exec_);
  // Generic addresses are sorted by their window; mostly all lanes are in one.
  std::uint64_t ones = 0;
  for (int l = 0; l < warp_size; ++l) ones |= (exec_ >> l & 1) != 0 ? addresses[l] : 0;
  if (window::of(ones) == 0) return in_space(Space::global, addresses, exec_);
  for (const auto& [base, where] : {std::pair{std::uint64_t{0}, Space::global}, {window::shared, Space::shared},
                                    {window::local, Space::local}, {window::param, Space::param}}) {
    Mask lanes = 0;
    Lanes<std::uint64_t> offsets;
    for (int l = 0; l < warp_size; ++l) {
      lanes |= static_cast<Mask>((exec_ >> l & 1) != 0 && window::of(addresses[l]) == base) << l;
      offsets[l] = base == 0 ? addresses[l] : addresses[l] & ~(std::uint64_t{0xF} << 60);
    }
    if (lanes == 0) continue;
    const Lanes<std::uint8_t*> others = to;
    in_space(where, offsets, lanes);
    for (int l = 0; l < warp_size; ++l) to[l] = (lanes >> l & 1) != 0 ? to[l] : others[l];   // a fast way writes all lanes
  }
  for (int l = 0; l < warp_size; ++l) {
    if ((exec_ >> l & 1) != 0 && window::of(addresses[l]) > window::param) {
      throw KernelFault{FaultKind::illegal_address,
                        doing("generic", access, bytes, addresses[l], l) + ": no memory has such addresses",
                        Mask{1} << l};
    }
  }
}

void Warp::resolve_lanes(Mask lanes, Space space, const Lanes<std::uint64_t>& addresses, std::uint32_t bytes,
                         Access access, const Semantics& semantics, const Instr& instr, Lanes<std::uint8_t*>& to) {
  if (lanes == 0) return;
  const Mask all = exec_;
  exec_ = lanes;
  resolve(space, addresses, bytes, access, semantics, instr, to);
  exec_ = all;
}

Cta& Warp::cta_of(std::uint64_t address, int lane) {
  const auto rank = static_cast<std::uint32_t>(address >> 24 & 0xFF);
  const std::vector<Cta*>& ctas = cta_.cluster().ctas;
  if (rank > ctas.size() || address >> 32 != 0) {
    throw KernelFault{FaultKind::illegal_address,
                      "shared address " + hex(address) + " by lane " + std::to_string(lane) + ": it names CTA " +
                          std::to_string(static_cast<int>(rank) - 1) + " of a cluster of " + std::to_string(ctas.size()),
                      Mask{1} << lane};
  }
  return rank == 0 ? cta_ : *ctas[rank - 1];
}

std::uint8_t* Warp::range(Space space, int lane, std::uint64_t address, std::uint64_t bytes, std::uint32_t align,
                          Access access) {
  const auto fail = [&](FaultKind kind, const std::string& why) {
    throw KernelFault{kind, doing(space == Space::shared ? "shared" : "global", access, static_cast<std::uint32_t>(bytes), address, lane) + ": " + why,
                      Mask{1} << lane};
  };
  if (address % align != 0) fail(FaultKind::misaligned_address, "the address is not a multiple of " + std::to_string(align));
  if (space == Space::shared) {
    Cta& target = cta_of(address, lane);
    const std::uint64_t offset = address & 0xFFFFFF;
    if (offset < shared_reserved || offset + bytes > target.shared_bytes()) {
      fail(FaultKind::illegal_address, "the CTA has shared memory from " + hex(shared_reserved) + " to " + hex(target.shared_bytes()));
    }
    return target.shared() + offset;
  }
  const Allocation a = machine().memory().find(address, bytes);
  const std::uint32_t device = 1u << (sm().device() & 31);
  if (a.end == 0) fail(FaultKind::illegal_address, machine().memory().describe(address));
  if (((access == Access::read ? a.readers : a.writers) & device) == 0 || (access != Access::read && a.constant)) {
    fail(FaultKind::illegal_address, "this device may not access it");
  }
  return reinterpret_cast<std::uint8_t*>(address);
}

}  // namespace triptych::emulator

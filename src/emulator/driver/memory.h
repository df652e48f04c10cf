/// \file
/// Allocation, as all the entry points do it.
#pragma once

#include "emulator/driver/api.h"
#include "emulator/driver/structs.h"

namespace triptych::emulator::driver {

/// CUmemoryPool: what async allocations are counted in. Memory goes back to the host when it is freed.
struct Pool {
  int device = 0;
  bool of_device = false;                     ///< the device's default pool, which stays
  PoolProperties properties{};
  std::uint64_t threshold = 0, used = 0, high = 0;
  int reuse[3] = {1, 1, 1};
  std::uint32_t access = 0;                   ///< devices besides the owner, a bit each
};

/// Memory of a kind, in a context, entered in the ranges; its address, or 0 if there is none left.
std::uint64_t allocate(Engine& engine, Context& context, std::size_t bytes, RangeKind kind, unsigned flags, Pool* pool = nullptr);
/// Ends a range and gives its memory back, at once.
void release(Engine& engine, const Range& range);
/// Which devices' kernels may use memory of a device: a bit each.
std::uint32_t access_mask(Engine& engine, int device);
/// Bytes from the first of a box to its last: `width` of each row. As many as there can be if that is more than 64 bits hold.
std::size_t span(std::size_t width, std::size_t height, std::size_t depth, std::size_t pitch, std::size_t slice);
/// Whether all of these bytes are memory that kernels may use.
bool holds(Engine& engine, DevicePointer address, std::size_t bytes);
/// The box that a description names; its addresses are not looked at.
Result operation_of(const Copy3D* description, CopyOperation& operation);
/// Whether a fill's elements and rows are aligned, and its bytes memory that kernels may use.
Result check(Engine& engine, const FillOperation& fill);

}  // namespace triptych::emulator::driver

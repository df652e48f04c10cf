// How many CTAs of a kernel an SM holds at once, and which blocks fill it best.
#include <algorithm>

#include "emulator/driver/launch.h"

namespace triptych::emulator::driver {
namespace {

/// CTAs of `threads` threads on an SM.
int active(const Context& context, LoadedFunction& f, int threads, std::size_t shared) {
  const KernelOperation k{.function = &f, .block = {static_cast<std::uint32_t>(threads), 1, 1},
                          .shared = static_cast<std::uint32_t>(std::min<std::size_t>(shared, 1u << 30))};
  Machine& machine = Engine::get().machine();
  const auto launch = launch_of(context, k);
  const auto& limits = machine.limits(context.device);
  if (threads > limits.threads_per_cta || launch->shared_bytes() - shared_reserved > static_cast<std::uint32_t>(limits.shared_per_cta)) return 0;
  return machine.occupancy(*launch);
}

int most_threads(const LoadedFunction& f, const DeviceLimits& limits) {
  const auto& d = f.code->source->directives;
  const auto& n = d.reqntid[0] != 0 ? d.reqntid : d.maxntid;
  return n[0] != 0 ? static_cast<int>(n[0] * n[1] * n[2]) : limits.threads_per_cta;
}

template <class Body>
Result with(const void* handle, bool pointers, Body&& body) {
  return in_context([&](Call& call) {
    if (!pointers) return Result::invalid_value;
    LoadedFunction* f = nullptr;
    const Result r = find_function(*call.context, handle, f);
    return r == Result::success ? body(*call.context, *f, call.engine.machine().limits(call.device())) : r;
  });
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;
using triptych::emulator::DeviceLimits;
using BlockToShared = std::size_t (*)(int);   // CUoccupancyB2DSize

TRIPTYCH_CU Result cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void* function, int threads,
                                                                        std::size_t shared, unsigned flags) {
  return with(function, blocks != nullptr && threads > 0 && flags <= 1, [&](Context& c, LoadedFunction& f, const DeviceLimits&) {
    *blocks = active(c, f, threads, shared);
    return Result::success;
  });
}
TRIPTYCH_CU Result cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function, int threads, std::size_t shared) {
  return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, threads, shared, 0);
}

/// The block with the most threads on an SM; of equal ones the largest.
TRIPTYCH_CU Result cuOccupancyMaxPotentialBlockSizeWithFlags(int* grid, int* block, const void* function, BlockToShared shared_of,
                                                             std::size_t shared, int limit, unsigned flags) {
  return with(function, grid != nullptr && block != nullptr && limit >= 0 && flags <= 1,
              [&](Context& c, LoadedFunction& f, const DeviceLimits& limits) {
    int most = most_threads(f, limits), best = 0;
    if (limit != 0) most = std::min(most, limit);
    for (int threads = (most + 31) / 32 * 32; threads > 0; threads -= 32) {
      const int size = std::min(threads, most);
      const int each = active(c, f, size, shared_of != nullptr ? shared_of(size) : shared);
      if (each * size <= best) continue;
      best = each * size;
      *block = size;
      *grid = each * limits.sms;
    }
    return best > 0 ? Result::success : Result::launch_out_of_resources;
  });
}
TRIPTYCH_CU Result cuOccupancyMaxPotentialBlockSize(int* grid, int* block, const void* function, BlockToShared shared_of,
                                                    std::size_t shared, int limit) {
  return cuOccupancyMaxPotentialBlockSizeWithFlags(grid, block, function, shared_of, shared, limit, 0);
}

TRIPTYCH_CU Result cuOccupancyAvailableDynamicSMemPerBlock(std::size_t* bytes, const void* function, int blocks, int threads) {
  return with(function, bytes != nullptr && blocks > 0 && threads > 0, [&](Context& c, LoadedFunction& f, const DeviceLimits& limits) {
    if (active(c, f, threads, 0) < blocks) return Result::invalid_value;
    const int reserved = static_cast<int>(triptych::emulator::shared_reserved);
    const int each = limits.shared_per_sm / blocks - reserved - static_cast<int>(f.code->static_shared_bytes);
    *bytes = static_cast<std::size_t>(std::clamp(each, 0, limits.shared_per_cta - static_cast<int>(f.code->static_shared_bytes)));
    return Result::success;
  });
}

TRIPTYCH_CU Result cuOccupancyMaxPotentialClusterSize(int* size, const void* function, const LaunchConfig* config) {
  return with(function, size != nullptr && config != nullptr, [&](Context& c, LoadedFunction& f, const DeviceLimits& limits) {
    const int threads = static_cast<int>(config->block[0] * config->block[1] * config->block[2]);
    if (threads <= 0 || active(c, f, threads, config->shared) == 0) return Result::invalid_value;
    *size = f.non_portable_cluster != 0 ? limits.cluster_size : 8;
    return Result::success;
  });
}

TRIPTYCH_CU Result cuOccupancyMaxActiveClusters(int* clusters, const void* function, const LaunchConfig* config) {
  return with(function, clusters != nullptr && config != nullptr, [&](Context& c, LoadedFunction& f, const DeviceLimits& limits) {
    LaunchShape shape;
    if (const Result r = shape_of(*config, shape); r != Result::success) return r;
    const auto& required = f.code->source->directives.cluster;
    const auto& cluster = required[0] != 0 ? required : shape.cluster;
    const int size = std::max(1, static_cast<int>(cluster[0] * cluster[1] * cluster[2]));
    const int threads = static_cast<int>(shape.block[0] * shape.block[1] * shape.block[2]);
    if (threads <= 0) return Result::invalid_value;
    const int sms = c.sms.empty() ? limits.sms : static_cast<int>(c.sms.size());
    *clusters = active(c, f, threads, shape.shared) * sms / size;
    return Result::success;
  });
}

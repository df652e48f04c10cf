// Launches, kernels' attributes and occupancy.
#include <algorithm>
#include <vector>

#include "emulator/runtime/runtime.h"

namespace triptych::emulator::runtime {
namespace {

/// What <<<…>>> pushes and the kernel's stub pops.
struct Configuration {
  Dim3 grid, block;
  std::size_t shared;
  Stream* stream;
};
std::vector<Configuration>& pushed() {
  thread_local std::vector<Configuration> stack;
  return stack;
}

/// cudaLaunchConfig_t.
struct Config {
  Dim3 grid, block;
  std::size_t shared;
  Stream* stream;
  LaunchAttribute* attributes;
  unsigned count;
};

template <class Body>
Result with_kernel(const void* function, Body&& body) {
  return on_device([&] {
    const void* kernel = nullptr;
    const Result r = kernel_of(function, kernel);
    return r == Result::success ? body(kernel) : r;
  });
}

/// Shapes that no device takes are the configuration's error, whatever else is wrong.
bool is_shape(const Dim3& grid, const Dim3& block) {
  const auto product = [](const Dim3& d) { return std::uint64_t{d.x} * d.y * d.z; };
  return product(grid) != 0 && grid.x <= 2147483647u && grid.y <= 65535 && grid.z <= 65535 && product(block) != 0 &&
         product(block) <= 1024 && block.x <= 1024 && block.y <= 1024 && block.z <= 64;
}

Result launch(const void* kernel, const Dim3& g, const Dim3& b, void** arguments, std::size_t shared, Stream* stream) {
  if (!is_shape(g, b)) return of(Error::invalid_configuration);
  return cuLaunchKernel(kernel, g.x, g.y, g.z, b.x, b.y, b.z, static_cast<unsigned>(std::min<std::size_t>(shared, ~0u)), stream,
                        arguments, nullptr);
}

LaunchConfig driver_config(const Config& c) {
  LaunchConfig config{.shared = static_cast<std::uint32_t>(c.shared), .stream = c.stream, .attributes = c.attributes, .attribute_count = c.count};
  const auto put = [](const Dim3& d, std::uint32_t* to) { to[0] = d.x, to[1] = d.y, to[2] = d.z; };
  put(c.grid, config.grid);
  put(c.block, config.block);
  return config;
}

/// cudaFuncAttributes.
struct Attributes {
  std::size_t shared, constant, local;
  int threads, registers, ptx, binary, cache, dynamic, carveout, cluster_must_be_set, cluster[3], policy, non_portable, reserved[16];
};

}  // namespace
}  // namespace triptych::emulator::runtime

using namespace triptych::emulator::runtime;

TRIPTYCH_CUDA unsigned __cudaPushCallConfiguration(Dim3 grid, Dim3 block, std::size_t shared, Stream* stream) {
  pushed().push_back({grid, block, shared, stream});
  return 0;
}

TRIPTYCH_CUDA Result __cudaPopCallConfiguration(Dim3* grid, Dim3* block, std::size_t* shared, void* stream) {
  if (pushed().empty()) return note(Result::invalid_value);
  const Configuration c = pushed().back();
  pushed().pop_back();
  *grid = c.grid;
  *block = c.block;
  *shared = c.shared;
  *static_cast<Stream**>(stream) = c.stream;
  return Result::success;
}

TRIPTYCH_CUDA Result cudaLaunchKernel(const void* function, Dim3 grid, Dim3 block, void** arguments, std::size_t shared, Stream* stream) {
  return with_kernel(function, [&](const void* kernel) { return launch(kernel, grid, block, arguments, shared, stream); });
}

TRIPTYCH_CUDA Result __cudaLaunchKernel(const void* kernel, Dim3 grid, Dim3 block, void** arguments, std::size_t shared, Stream* stream) {
  return on_device([&] {
    return kernel != nullptr ? launch(kernel, grid, block, arguments, shared, stream) : of(Error::invalid_device_function);
  });
}

TRIPTYCH_CUDA Result cudaGetKernel(const void** kernel, const void* function) {
  return with_kernel(function, [&](const void* found) {
    if (kernel == nullptr) return Result::invalid_value;
    *kernel = found;
    return Result::success;
  });
}
TRIPTYCH_CUDA_ALIAS(__cudaGetKernel, cudaGetKernel)

TRIPTYCH_CUDA Result cudaGetFuncBySymbol(LoadedFunction** to, const void* function) {
  return with_kernel(function, [&](const void* kernel) { return cuKernelGetFunction(to, static_cast<const Kernel*>(kernel)); });
}

TRIPTYCH_CUDA Result cudaLaunchKernelExC(const Config* config, const void* function, void** arguments) {
  return with_kernel(function, [&](const void* kernel) {
    if (config == nullptr) return Result::invalid_value;
    if (!is_shape(config->grid, config->block)) return of(Error::invalid_configuration);
    const LaunchConfig c = driver_config(*config);
    return cuLaunchKernelEx(&c, kernel, arguments, nullptr);
  });
}

TRIPTYCH_CUDA Result cudaLaunchCooperativeKernel(const void* function, Dim3 g, Dim3 b, void** arguments, std::size_t shared, Stream* stream) {
  return with_kernel(function, [&](const void* kernel) {
    if (!is_shape(g, b)) return of(Error::invalid_configuration);
    return cuLaunchCooperativeKernel(kernel, g.x, g.y, g.z, b.x, b.y, b.z, static_cast<unsigned>(shared), stream, arguments);
  });
}

TRIPTYCH_FORWARD(cudaLaunchHostFunc, cuLaunchHostFunc, (Stream * stream, HostFunction function, void* data), (stream, function, data))

TRIPTYCH_CUDA Result cudaFuncGetAttributes(Attributes* to, const void* function) {
  return with_kernel(function, [&](const void* kernel) {
    if (to == nullptr) return Result::invalid_value;
    Result worst = Result::success;
    const auto a = [&](int which) {
      int value = 0;
      if (const Result r = cuFuncGetAttribute(&value, which, kernel); r != Result::success) worst = r;
      return value;
    };
    const auto size = [&](int which) { return static_cast<std::size_t>(a(which)); };
    *to = {size(1), size(2), size(3), a(0), a(4), a(5), a(6), a(7), a(8), a(9), a(10), {a(11), a(12), a(13)}, a(15), a(14), {}};
    return worst;
  });
}

TRIPTYCH_CUDA Result cudaFuncSetAttribute(const void* function, int which, int value) {
  return with_kernel(function, [&](const void* kernel) { return cuFuncSetAttribute(kernel, which, value); });
}
TRIPTYCH_CUDA Result cudaFuncSetCacheConfig(const void* function, int config) {
  return with_kernel(function, [&](const void* kernel) { return cuFuncSetCacheConfig(kernel, config); });
}
/// Banks have four bytes.
TRIPTYCH_CUDA Result cudaFuncSetSharedMemConfig(const void* function, int) {
  return with_kernel(function, [](const void*) { return Result::success; });
}
TRIPTYCH_CUDA Result cudaFuncGetName(const char** name, const void* function) {
  return with_kernel(function, [&](const void* kernel) { return cuFuncGetName(name, kernel); });
}
TRIPTYCH_CUDA Result cudaFuncGetParamInfo(const void* function, std::size_t index, std::size_t* offset, std::size_t* bytes) {
  return with_kernel(function, [&](const void* kernel) { return cuFuncGetParamInfo(kernel, index, offset, bytes); });
}
TRIPTYCH_CUDA Result cudaKernelSetAttributeForDevice(const Kernel* kernel, int which, int value, int device) {
  return on_device([&] { return cuKernelSetAttribute(which, value, kernel, device); });
}

TRIPTYCH_CUDA Result cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void* function, int threads,
                                                                            std::size_t shared, unsigned flags) {
  return with_kernel(function, [&](const void* kernel) {
    return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, kernel, threads, shared, flags);
  });
}
TRIPTYCH_CUDA Result cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function, int threads, std::size_t shared) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, threads, shared, 0);
}
TRIPTYCH_CUDA Result cudaOccupancyAvailableDynamicSMemPerBlock(std::size_t* bytes, const void* function, int blocks, int threads) {
  return with_kernel(function, [&](const void* kernel) { return cuOccupancyAvailableDynamicSMemPerBlock(bytes, kernel, blocks, threads); });
}
TRIPTYCH_CUDA Result cudaOccupancyMaxPotentialClusterSize(int* size, const void* function, const Config* config) {
  return with_kernel(function, [&](const void* kernel) {
    if (config == nullptr) return Result::invalid_value;
    const LaunchConfig c = driver_config(*config);
    return cuOccupancyMaxPotentialClusterSize(size, kernel, &c);
  });
}
TRIPTYCH_CUDA Result cudaOccupancyMaxActiveClusters(int* clusters, const void* function, const Config* config) {
  return with_kernel(function, [&](const void* kernel) {
    if (config == nullptr) return Result::invalid_value;
    const LaunchConfig c = driver_config(*config);
    return cuOccupancyMaxActiveClusters(clusters, kernel, &c);
  });
}
TRIPTYCH_CUDA_ALIAS(cudaLaunchKernel_ptsz, cudaLaunchKernel)
TRIPTYCH_CUDA_ALIAS(__cudaLaunchKernel_ptsz, __cudaLaunchKernel)
TRIPTYCH_CUDA_ALIAS(cudaLaunchKernelExC_ptsz, cudaLaunchKernelExC)
TRIPTYCH_CUDA_ALIAS(cudaLaunchCooperativeKernel_ptsz, cudaLaunchCooperativeKernel)
TRIPTYCH_CUDA_ALIAS(cudaLaunchHostFunc_ptsz, cudaLaunchHostFunc)

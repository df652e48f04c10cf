#include "gpu/module.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "triptych/error.h"

namespace triptych::gpu {
namespace {

constexpr int default_shared_bytes = 48 * 1024;  // more has to be asked for

/// The newest cubin that the architecture runs: same major number, minor not above its own.
const Cubin* best_cubin(const Image& image, int architecture) {
  const Cubin* best = nullptr;
  for (const Cubin& cubin : image.cubins) {
    const bool runs = cubin.architecture / 10 == architecture / 10 &&
                      cubin.architecture <= architecture;
    if (runs && (best == nullptr || cubin.architecture > best->architecture)) best = &cubin;
  }
  return best;
}

}  // namespace

const Image& find_image(std::span<const Image> images, std::string_view tier,
                        std::string_view stem) {
  for (const Image& image : images) {
    if (image.stem == stem) return image;
  }
  throw environment_error(fmt::format(
      "{}: this build has no kernels for {}; build again where nvcc is (script/bootstrap --cuda)",
      tier, stem));
}

Module::Module(const Device& device, const Image& image)
    : driver_(device.driver()), stem_(image.stem) {
  const Cubin* cubin = best_cubin(image, device.architecture());
  const void* code = cubin ? static_cast<const void*>(cubin->code.data()) : image.ptx;
  std::string log(4096, '\0');
  std::array options{JitOption::error_log_buffer, JitOption::error_log_buffer_bytes};
  std::array<void*, 2> values{log.data(), reinterpret_cast<void*>(log.size())};
  const Status status =
      driver_.module_load(&handle_, code, options.size(), options.data(), values.data());
  log.resize(std::min(log.find('\n'), log.find('\0')));
  driver_.check(status, fmt::format("loading the kernels of {} on {}{}{}", stem_, device.name(),
                                    log.empty() ? "" : ": ", log));
}

Module::~Module() { driver_.module_unload(handle_); }

namespace detail {

FunctionHandle load_function(const Module& module, const char* name,
                             std::span<const std::size_t> parameter_bytes, int shared_bytes) {
  const Driver& driver = module.driver();
  FunctionHandle function = nullptr;
  driver.check(driver.module_function(&function, module.handle(), name),
               fmt::format("finding {} in the kernels of {}", name, module.stem()));
  if (driver.parameter_info != nullptr) {
    std::size_t offset = 0, bytes = 0, count = 0;
    for (; driver.parameter_info(function, count, &offset, &bytes) == 0; ++count) {
      if (count < parameter_bytes.size() && bytes != parameter_bytes[count]) {
        throw environment_error(
            fmt::format("gpu: {}: parameter {} has {} bytes in the kernel and {} in the host's code",
                        name, count, bytes, parameter_bytes[count]));
      }
    }
    if (count != parameter_bytes.size()) {
      throw environment_error(fmt::format("gpu: {} takes {} parameters, the host's code gives {}",
                                          name, count, parameter_bytes.size()));
    }
  }
  if (shared_bytes > default_shared_bytes) {
    driver.check(driver.function_set(function, FunctionAttribute::max_dynamic_shared_bytes,
                                     shared_bytes),
                 fmt::format("giving {} {} bytes of shared memory", name, shared_bytes));
  }
  return function;
}

void check_launch(const Driver& driver, Status status, const char* name) {
  if (status != 0) driver.check(status, fmt::format("launching {}", name));
}

}  // namespace detail

int extent(std::int64_t value, const char* name) {
  if (value < 0 || value > std::numeric_limits<std::int32_t>::max()) {
    throw usage_error(fmt::format("gpu: {} = {} does not fit in 31 bits; use a smaller batch", name,
                                  value));
  }
  return static_cast<int>(value);
}

}  // namespace triptych::gpu

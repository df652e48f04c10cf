#include "gpu/driver.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "triptych/error.h"

namespace triptych::gpu {
namespace {

/// Finds a symbol and stores its address in a function pointer; false if it is not there.
template <class Function>
bool find(void* library, const char* symbol, Function*& function) {
  function = reinterpret_cast<Function*>(dlsym(library, symbol));
  return function != nullptr;
}

}  // namespace

void Driver::check(Status status, const std::string& doing) const {
  if (status == 0) return;
  const char *name = nullptr, *text = nullptr;
  if (error_name != nullptr) error_name(status, &name);
  if (error_string != nullptr) error_string(status, &text);
  throw environment_error(fmt::format("gpu: {}: {} ({})", doing,
                                      name ? name : fmt::format("error {}", status),
                                      text ? text : "the driver has no text for it"));
}

Driver load_driver(const char* library) {
  // The handle is never closed: the driver lives as long as the process.
  void* handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    throw environment_error(
        fmt::format("gpu: {} is not there; install NVIDIA's driver, or use the reference tier", library));
  }
  Driver driver;
#define TRIPTYCH_FIND(member, symbol, parameters)                                               \
  if (!find(handle, symbol, driver.member)) {                                                   \
    throw environment_error(fmt::format(                                                        \
        "gpu: {} lacks {}; install a driver for CUDA 11.0 or newer", library, symbol));         \
  }
  TRIPTYCH_DRIVER_ENTRY_POINTS(TRIPTYCH_FIND)
#undef TRIPTYCH_FIND
  find(handle, "cuFuncGetParamInfo", driver.parameter_info);
  driver.check(driver.init(0),
               "starting the driver (nvidia-smi tells its state; the reference tier needs none)");
  return driver;
}

}  // namespace triptych::gpu

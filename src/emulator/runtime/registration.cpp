// What programs register before main: their fatbins, kernels and variables. Modules are loaded when something of
// them is first used.
#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "emulator/runtime/runtime.h"

namespace triptych::emulator::runtime {
namespace {

/// A fatbin; its address is the handle that the program gets.
struct Binary {
  const void* image = nullptr;
  Library* library = nullptr;
  struct Managed {
    void** shadow;
    std::string name;
  };
  std::vector<Managed> managed = {};
};

struct Named {
  Binary* binary = nullptr;
  std::string name = {};
  const void* kernel = nullptr;   ///< once it is known
};

/// Never ended: programs unregister while the process ends.
struct Registry {
  std::recursive_mutex mutex;
  std::map<const void*, Named> functions, variables;   ///< by the address on the host
};
Registry& registry() {
  static Registry* const one = new Registry;
  return *one;
}

Result load(Binary& binary) {
  if (binary.library != nullptr) return Result::success;
  const Result r = cuLibraryLoadData(&binary.library, binary.image, nullptr, nullptr, 0, nullptr, nullptr, 0);
  if (r != Result::success) return r;
  // Managed variables are pointers on the host.
  for (const Binary::Managed& m : binary.managed) {
    DevicePointer address = 0;
    if (cuLibraryGetManaged(&address, nullptr, binary.library, m.name.c_str()) == Result::success) {
      *m.shadow = reinterpret_cast<void*>(address);
    }
  }
  return Result::success;
}

/// The address of a managed variable is that of its memory, to which its shadow points.
auto find_managed(const void* memory) {
  auto& all = registry().variables;
  return std::find_if(all.begin(), all.end(), [&](const auto& v) {
    const auto& managed = v.second.binary->managed;
    return std::any_of(managed.begin(), managed.end(), [&](const auto& m) { return m.shadow == v.first && *m.shadow == memory; });
  });
}

Binary& binary_of(void** handle) { return *reinterpret_cast<Binary*>(handle); }

}  // namespace

Result kernel_of(const void* function, const void*& kernel) {
  const std::lock_guard lock(registry().mutex);
  const auto found = registry().functions.find(function);
  if (found == registry().functions.end()) {
    const char* name = nullptr;
    kernel = function;
    return function != nullptr && cuFuncGetName(&name, function) == Result::success ? Result::success : of(Error::invalid_device_function);
  }
  Named& named = found->second;
  if (named.kernel == nullptr) {
    if (const Result r = load(*named.binary); r != Result::success) return r;
    Kernel* made = nullptr;
    if (cuLibraryGetKernel(&made, named.binary->library, named.name.c_str()) != Result::success) return of(Error::invalid_device_function);
    named.kernel = made;
  }
  kernel = named.kernel;
  return Result::success;
}

Result symbol_of(const void* symbol, DevicePointer& address, std::size_t& bytes) {
  const std::lock_guard lock(registry().mutex);
  auto found = registry().variables.find(symbol);
  if (found == registry().variables.end()) found = find_managed(symbol);
  if (found == registry().variables.end()) return of(Error::invalid_symbol);
  if (const Result r = load(*found->second.binary); r != Result::success) return r;
  const Result r = cuLibraryGetGlobal(&address, &bytes, found->second.binary->library, found->second.name.c_str());
  return r == Result::not_found ? of(Error::invalid_symbol) : r;
}

}  // namespace triptych::emulator::runtime

using namespace triptych::emulator::runtime;

TRIPTYCH_CUDA void** __cudaRegisterFatBinary(void* image) { return reinterpret_cast<void**>(new Binary{.image = image}); }
TRIPTYCH_CUDA void __cudaRegisterFatBinaryEnd(void**) {}

TRIPTYCH_CUDA void __cudaUnregisterFatBinary(void** handle) {
  if (handle == nullptr) return;
  const std::lock_guard lock(registry().mutex);
  Binary* binary = &binary_of(handle);
  std::erase_if(registry().functions, [&](const auto& f) { return f.second.binary == binary; });
  std::erase_if(registry().variables, [&](const auto& v) { return v.second.binary == binary; });
  if (binary->library != nullptr) cuLibraryUnload(binary->library);
  delete binary;
}

TRIPTYCH_CUDA void __cudaRegisterFunction(void** handle, const char* host, char*, const char* name, int, void*, void*, void*,
                                          void*, int*) {
  const std::lock_guard lock(registry().mutex);
  registry().functions[host] = {&binary_of(handle), name};
}

TRIPTYCH_CUDA void __cudaRegisterVar(void** handle, char* host, char*, const char* name, int, std::size_t, int, int) {
  const std::lock_guard lock(registry().mutex);
  registry().variables[host] = {&binary_of(handle), name};
}
TRIPTYCH_CUDA void __cudaRegisterHostVar(void** handle, const char* name, char* host, std::size_t) {
  const std::lock_guard lock(registry().mutex);
  registry().variables[host] = {&binary_of(handle), name};
}

TRIPTYCH_CUDA void __cudaRegisterManagedVar(void** handle, void** host, char*, const char* name, int, std::size_t, int, int) {
  const std::lock_guard lock(registry().mutex);
  registry().variables[host] = {&binary_of(handle), name};
  binary_of(handle).managed.push_back({host, name});
}

/// Called before a managed variable is first touched on the host.
TRIPTYCH_CUDA char __cudaInitModule(void** handle) {
  const bool good = on_device([&] {
    const std::lock_guard lock(registry().mutex);
    return load(binary_of(handle));
  }) == Result::success;
  return good ? 1 : 0;
}

TRIPTYCH_CUDA Result cudaGetSymbolAddress(void** address, const void* symbol) {
  return on_device([&] {
    DevicePointer at = 0;
    std::size_t bytes = 0;
    if (address == nullptr) return Result::invalid_value;
    const Result r = symbol_of(symbol, at, bytes);
    if (r == Result::success) *address = reinterpret_cast<void*>(at);
    return r;
  });
}

TRIPTYCH_CUDA Result cudaGetSymbolSize(std::size_t* bytes, const void* symbol) {
  return on_device([&] {
    DevicePointer at = 0;
    return bytes != nullptr ? symbol_of(symbol, at, *bytes) : Result::invalid_value;
  });
}

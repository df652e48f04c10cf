/// \file
/// Kernels that are embedded in the library: their code, loading it, and launching them.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "gpu/device.h"
#include "gpu/driver.h"

namespace triptych::gpu {

/// Machine code of one stem for one architecture.
struct Cubin {
  int architecture;               ///< 80, 90, …
  std::span<const unsigned char> code;
  std::string_view resources;     ///< what ptxas -v printed: registers, spills, shared memory
};

/// The code of one stem, made from its .cu or .ptx file when the library was built.
struct Image {
  std::string_view stem;          ///< "swiglu"
  const char* ptx;                ///< preprocessed PTX text, zero-terminated
  std::span<const Cubin> cubins;  ///< empty where there was no ptxas
};

/// The image of a stem among those of a tier. Throws Error (environment) if it is not there.
const Image& find_image(std::span<const Image> images, std::string_view tier, std::string_view stem);

/// An image loaded on a device: a cubin for its architecture if there is one, else the PTX, which the
/// driver compiles.
class Module {
 public:
  /// Throws Error (environment) with the compiler's first line if the driver refuses the code.
  Module(const Device& device, const Image& image);
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  ~Module();

  const Driver& driver() const { return driver_; }
  std::string_view stem() const { return stem_; }
  ModuleHandle handle() const { return handle_; }

 private:
  const Driver& driver_;
  std::string_view stem_;
  ModuleHandle handle_ = nullptr;
};

namespace detail {
/// Finds the kernel, checks its parameters' sizes where the driver can tell them, and lets it have
/// `shared_bytes` of dynamic shared memory.
FunctionHandle load_function(const Module& module, const char* name,
                             std::span<const std::size_t> parameter_bytes, int shared_bytes);
/// "launching swiglu_forward_f32 …" after a failed launch.
void check_launch(const Driver& driver, Status status, const char* name);
}  // namespace detail

/// A kernel of a module, with the types of its parameters in order: pointers into device memory,
/// integers, floats. Loading it fails if the kernel's own parameters differ in number or size.
template <class... Parameters>
class Function {
  static_assert((std::is_trivially_copyable_v<Parameters> && ...));

 public:
  Function(const Module& module, const char* name, int shared_bytes = 0)
      : name_(name), shared_bytes_(shared_bytes) {
    const std::array<std::size_t, sizeof...(Parameters)> sizes{sizeof(Parameters)...};
    handle_ = detail::load_function(module, name, sizes, shared_bytes);
  }

  const char* name() const { return name_; }
  FunctionHandle handle() const { return handle_; }
  int shared_bytes() const { return shared_bytes_; }

 private:
  const char* name_;
  int shared_bytes_;
  FunctionHandle handle_ = nullptr;
};

/// Thread blocks of a launch, or threads of a block.
struct Extent {
  std::int64_t x = 1, y = 1, z = 1;
};

/// Enqueues one run of a kernel. Nothing is enqueued when the grid is empty.
template <class... Parameters>
void launch(const Function<Parameters...>& function, const Extent& grid, const Extent& block,
            const Stream& stream, std::type_identity_t<Parameters>... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  void* addresses[] = {const_cast<void*>(static_cast<const void*>(&arguments))...};
  const Driver& driver = stream.driver();
  const auto u = [](std::int64_t extent) { return static_cast<unsigned>(extent); };
  detail::check_launch(
      driver,
      driver.launch(function.handle(), u(grid.x), u(grid.y), u(grid.z), u(block.x), u(block.y),
                    u(block.z), static_cast<unsigned>(function.shared_bytes()), stream.handle(),
                    addresses, nullptr),
      function.name());
}

/// An extent as kernels take it. Throws Error (usage) if it needs more than 31 bits.
int extent(std::int64_t value, const char* name);

/// ⌈n / d⌉
constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t d) { return (n + d - 1) / d; }

}  // namespace triptych::gpu

#include "gpu/device.h"

#include <fmt/format.h>

#include <array>

#include "triptych/error.h"

namespace triptych::gpu {
namespace {

constexpr int oldest_architecture = 80;
constexpr unsigned non_blocking = 1;  // CU_STREAM_NON_BLOCKING

DevicePointer address_of(const void* memory) {
  return static_cast<DevicePointer>(reinterpret_cast<std::uintptr_t>(memory));
}

}  // namespace

Device::Device(const Driver& driver, int ordinal) : driver_(driver) {
  int count = 0;
  driver.check(driver.device_count(&count), "counting the GPUs");
  if (ordinal < 0 || ordinal >= count) {
    throw environment_error(fmt::format(
        "gpu: there is no GPU {}, the driver sees {}; see CUDA_VISIBLE_DEVICES", ordinal, count));
  }
  driver.check(driver.device_get(&handle_, ordinal), fmt::format("GPU {}", ordinal));
  std::array<char, 256> name{};
  driver.check(driver.device_name(name.data(), static_cast<int>(name.size()), handle_),
               "the GPU's name");
  name_ = name.data();
  const auto attribute = [&](DeviceAttribute which) {
    int value = 0;
    driver.check(driver.device_attribute(&value, which, handle_), "an attribute of " + name_);
    return value;
  };
  architecture_ = 10 * attribute(DeviceAttribute::capability_major) +
                  attribute(DeviceAttribute::capability_minor);
  multiprocessors_ = attribute(DeviceAttribute::multiprocessor_count);
  if (architecture_ < oldest_architecture) {
    throw environment_error(fmt::format(
        "gpu: {} has compute capability {}.{}, the kernels need 8.0 or newer; use the reference tier",
        name_, architecture_ / 10, architecture_ % 10));
  }
  ContextHandle context = nullptr;
  driver.check(driver.context_retain(&context, handle_), "the context of " + name_);
  if (const Status status = driver.context_set_current(context); status != 0) {
    driver.context_release(handle_);
    driver.check(status, "the context of " + name_);
  }
}

Device::~Device() { driver_.context_release(handle_); }

Stream::Stream(const Device& device) : driver_(device.driver()) {
  driver_.check(driver_.stream_create(&handle_, non_blocking), "making a stream");
}

Stream::~Stream() { driver_.stream_destroy(handle_); }

void Stream::synchronize() const {
  driver_.check(driver_.stream_synchronize(handle_), "waiting for the GPU");
}

DeviceMemory::DeviceMemory(const Device& device, std::size_t bytes)
    : driver_(device.driver()), bytes_(bytes) {
  if (bytes == 0) return;  // the driver refuses to allocate nothing
  if (driver_.memory_allocate(&address_, bytes) == 0) return;
  std::size_t available = 0, total = 0;
  driver_.memory_info(&available, &total);
  throw environment_error(fmt::format(
      "gpu: {} bytes of memory are not there, {} of {} are free; use a smaller batch or preset", bytes,
      available, total));
}

DeviceMemory::~DeviceMemory() {
  if (address_ != 0) driver_.memory_free(address_);
}

void upload(const Stream& stream, void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  const Driver& driver = stream.driver();
  driver.check(driver.copy_to_device(address_of(to), from, bytes, stream.handle()),
               fmt::format("copying {} bytes to the GPU", bytes));
}

void download(const Stream& stream, void* to, const void* from, std::size_t bytes) {
  const Driver& driver = stream.driver();
  if (bytes != 0) {
    driver.check(driver.copy_to_host(to, address_of(from), bytes, stream.handle()),
                 fmt::format("copying {} bytes from the GPU", bytes));
  }
  stream.synchronize();
}

void copy(const Stream& stream, void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  const Driver& driver = stream.driver();
  driver.check(driver.copy_on_device(address_of(to), address_of(from), bytes, stream.handle()),
               fmt::format("copying {} bytes on the GPU", bytes));
}

void zero(const Stream& stream, void* to, std::size_t bytes) {
  if (bytes == 0) return;
  const Driver& driver = stream.driver();
  driver.check(driver.fill_bytes(address_of(to), 0, bytes, stream.handle()),
               fmt::format("clearing {} bytes on the GPU", bytes));
}

}  // namespace triptych::gpu

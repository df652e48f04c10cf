/// \file
/// A GPU with its primary context, and what lives on it: streams and memory.
#pragma once

#include <cstddef>
#include <string>

#include "gpu/driver.h"

namespace triptych::gpu {

/// One GPU. Its context is current on the thread that made it: a tier is used from one thread.
class Device {
 public:
  /// Takes the GPU of this number. The driver's table must outlive the device.
  /// Throws Error (environment) if there is none, or if it is older than compute capability 8.0.
  explicit Device(const Driver& driver, int ordinal = 0);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device();

  const Driver& driver() const { return driver_; }
  const std::string& name() const { return name_; }
  /// Compute capability in the form of a target's number: 80 for 8.0.
  int architecture() const { return architecture_; }
  int multiprocessors() const { return multiprocessors_; }

 private:
  const Driver& driver_;
  DeviceHandle handle_ = 0;
  std::string name_;
  int architecture_ = 0, multiprocessors_ = 0;
};

/// A queue of work on a device; it does not wait for the default stream.
class Stream {
 public:
  explicit Stream(const Device& device);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();

  const Driver& driver() const { return driver_; }
  StreamHandle handle() const { return handle_; }
  /// Waits for everything enqueued so far.
  void synchronize() const;

 private:
  const Driver& driver_;
  StreamHandle handle_ = nullptr;
};

/// Memory on a device, aligned to 256 bytes, contents unspecified. Copies and fills are enqueued.
class DeviceMemory {
 public:
  /// Throws Error (environment) naming the bytes wanted and there.
  DeviceMemory(const Device& device, std::size_t bytes);
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  ~DeviceMemory();

  void* data() const { return reinterpret_cast<void*>(static_cast<std::uintptr_t>(address_)); }
  std::size_t bytes() const { return bytes_; }

 private:
  const Driver& driver_;
  DevicePointer address_ = 0;
  std::size_t bytes_ = 0;
};

/// Copies from host memory; pageable memory may be reused on return.
void upload(const Stream& stream, void* to, const void* from, std::size_t bytes);
/// Copies to host memory and waits for it.
void download(const Stream& stream, void* to, const void* from, std::size_t bytes);
/// Copies between two places on the device.
void copy(const Stream& stream, void* to, const void* from, std::size_t bytes);
/// Sets all bits to zero.
void zero(const Stream& stream, void* to, std::size_t bytes);

}  // namespace triptych::gpu

/// \file
/// The Driver API's types, as far as this library implements it: binary compatible with the toolkit's
/// cuda.h, which is not needed to build.
#pragma once

#include <cstddef>
#include <cstdint>

namespace triptych::emulator::driver {

/// CUresult: the codes that this library gives.
enum class Result : int {
  success = 0,
  invalid_value = 1,
  out_of_memory = 2,
  not_initialized = 3,
  deinitialized = 4,
  no_device = 100,
  invalid_device = 101,
  invalid_image = 200,
  invalid_context = 201,
  unsupported_limit = 215,
  invalid_ptx = 218,
  unsupported_ptx_version = 222,
  invalid_source = 300,
  file_not_found = 301,
  invalid_handle = 400,
  illegal_state = 401,
  not_found = 500,
  not_ready = 600,
  illegal_address = 700,
  launch_out_of_resources = 701,
  launch_timeout = 702,
  peer_access_already_enabled = 704,
  peer_access_not_enabled = 705,
  context_is_destroyed = 709,
  assertion = 710,
  host_memory_already_registered = 712,
  host_memory_not_registered = 713,
  hardware_stack_error = 714,
  illegal_instruction = 715,
  misaligned_address = 716,
  invalid_address_space = 717,
  invalid_pc = 718,
  launch_failed = 719,
  cooperative_launch_too_large = 720,
  not_permitted = 800,
  not_supported = 801,
  stream_capture_unsupported = 900,
  stream_capture_invalidated = 901,
  invalid_cluster_size = 912,
  unknown = 999,
};

/// "CUDA_ERROR_ILLEGAL_ADDRESS" and its text; nullptr for a code that CUDA does not have.
const char* name_of(Result result);
const char* text_of(Result result);

using DeviceHandle = int;              ///< CUdevice
using DevicePointer = std::uint64_t;   ///< CUdeviceptr

/// CUdevice_attribute and CUfunction_attribute are ints here: their numbers stand in attribute.cpp.
using Attribute = int;

}  // namespace triptych::emulator::driver

/// \file
/// The Driver API's structures, laid out as the toolkit's cuda.h lays them out.
#pragma once

#include "emulator/driver/types.h"

namespace triptych::emulator::driver {

struct Context;
struct Event;
struct Kernel;
struct Node;
struct Stream;

/// CUlaunchAttributeID, those that mean something here.
enum class LaunchAttributeId : int {
  cooperative = 2,
  cluster_dimension = 4,
  programmatic_serialization = 6,
  programmatic_event = 7,
  priority = 8,
  launch_completion_event = 12,
  last = 16
};

union LaunchAttributeValue {
  char bytes[64];
  int number;                    ///< cooperative, programmatic serialisation allowed, priority
  std::uint32_t cluster[3];
  struct {
    Event* event;
    int flags, at_block_start;
  } event;
};
struct LaunchAttribute {
  LaunchAttributeId id;
  int padding;
  LaunchAttributeValue value;
};
static_assert(sizeof(LaunchAttribute) == 72);

/// CUlaunchConfig.
struct LaunchConfig {
  std::uint32_t grid[3], block[3], shared;
  Stream* stream;
  LaunchAttribute* attributes;
  std::uint32_t attribute_count;
};
static_assert(sizeof(LaunchConfig) == 56);

/// CUDA_KERNEL_NODE_PARAMS_v2; v1 ends before `kernel`.
struct KernelNodeParameters {
  void* function;                ///< CUfunction
  std::uint32_t grid[3], block[3], shared;
  void **parameters, **extra;
  Kernel* kernel;                ///< where `function` is null
  Context* context;
};
static_assert(sizeof(KernelNodeParameters) == 72);

/// CUDA_GRAPH_INSTANTIATE_PARAMS.
struct InstantiateParameters {
  std::uint64_t flags;
  Stream* upload;
  Node* error;
  int result;                    ///< 0 success, 1 error, 2 invalid structure
};
/// CUgraphExecUpdateResultInfo.
struct UpdateInfo {
  int result;                    ///< 0 success, 1 error, 2 the topology differs, 3 a node's type does
  Node *node, *from;
};

/// CUDA_MEMSET_NODE_PARAMS.
struct MemsetNodeParameters {
  DevicePointer to;
  std::size_t pitch;
  std::uint32_t value, element;
  std::size_t width, height;
};
static_assert(sizeof(MemsetNodeParameters) == 40);

/// CUDA_HOST_NODE_PARAMS.
struct HostNodeParameters {
  HostFunction function;
  void* data;
};

/// One side of CUDA_MEMCPY2D; `type`: 1 host, 2 device, 3 array, 4 whichever the address says.
struct Side2D {
  std::size_t x, y;
  int type;
  void* host;
  DevicePointer device;
  void* array;
  std::size_t pitch;
};
struct Copy2D {
  Side2D from, to;
  std::size_t width, height;
};
static_assert(sizeof(Copy2D) == 128);

/// One side of CUDA_MEMCPY3D and of CUDA_MEMCPY3D_PEER.
struct Side3D {
  std::size_t x, y, z, level;
  int type;
  void* host;
  DevicePointer device;
  void* array;
  Context* context;              ///< CUDA_MEMCPY3D: reserved
  std::size_t pitch, height;
};
struct Copy3D {
  Side3D from, to;
  std::size_t width, height, depth;
};
static_assert(sizeof(Copy3D) == 200);

/// CUmemLocation; `type`: 1 a device, 2 to 4 the host.
struct Location {
  int type, id;
};
/// CUmemAccessDesc; `flags`: 0 none, 1 reads, 3 reads and writes.
struct AccessDescription {
  Location location;
  int flags;
};
/// CUmemAllocationProp.
struct AllocationProperties {
  int type, handle_types;        ///< pinned is 1
  Location location;
  void* metadata;
  unsigned char compression, direct, usage[2], reserved[4];
};
static_assert(sizeof(AllocationProperties) == 32);
/// CUmemPoolProps.
struct PoolProperties {
  int type, handle_types;
  Location location;
  void* security;
  std::size_t most;
  unsigned short usage;
  unsigned char reserved[54];
};
static_assert(sizeof(PoolProperties) == 88);

/// CUdevResource of SMs. What the resource names is kept in its padding.
struct DeviceResource {
  int type;                      ///< 1: SMs
  std::uint32_t first;           ///< the SMs are first … first + count - 1
  unsigned char padding[88];
  std::uint32_t count, least, alignment;
  unsigned char rest[36];
};
static_assert(sizeof(DeviceResource) == 144);

}  // namespace triptych::emulator::driver

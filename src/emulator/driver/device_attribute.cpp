// What a device says of itself: an H200's answers, but for what MachineOptions set and what is not executed here.
#include <iterator>

#include "emulator/driver/device_attribute.h"

namespace triptych::emulator::driver {
namespace {

/// Attributes that do not depend on the options; what is in no table is 0.
struct Constant {
  Attribute which;
  int value;
};
constexpr Constant constants[] = {
    {2, 1024},         // MAX_BLOCK_DIM_X
    {3, 1024},         // MAX_BLOCK_DIM_Y
    {4, 64},           // MAX_BLOCK_DIM_Z
    {5, 2147483647},   // MAX_GRID_DIM_X
    {6, 65535},        // MAX_GRID_DIM_Y
    {7, 65535},        // MAX_GRID_DIM_Z
    {8, 49152},        // MAX_SHARED_MEMORY_PER_BLOCK
    {9, 65536},        // TOTAL_CONSTANT_MEMORY
    {10, warp_size},   // WARP_SIZE
    {11, 2147483647},  // MAX_PITCH
    {13, 1000000},     // CLOCK_RATE, kHz: a tick is declared to be a nanosecond
    {14, 512},         // TEXTURE_ALIGNMENT
    {15, 1},           // GPU_OVERLAP
    {19, 1},           // CAN_MAP_HOST_MEMORY
    {21, 131072},      // MAXIMUM_TEXTURE1D_WIDTH
    {22, 131072},      // MAXIMUM_TEXTURE2D_WIDTH
    {23, 65536},       // MAXIMUM_TEXTURE2D_HEIGHT
    {24, 16384},       // MAXIMUM_TEXTURE3D_WIDTH
    {25, 16384},       // MAXIMUM_TEXTURE3D_HEIGHT
    {26, 16384},       // MAXIMUM_TEXTURE3D_DEPTH
    {27, 32768},       // MAXIMUM_TEXTURE2D_LAYERED_WIDTH
    {28, 32768},       // MAXIMUM_TEXTURE2D_LAYERED_HEIGHT
    {29, 2048},        // MAXIMUM_TEXTURE2D_LAYERED_LAYERS
    {30, 512},         // SURFACE_ALIGNMENT
    {31, 1},           // CONCURRENT_KERNELS
    {32, 1},           // ECC_ENABLED
    {36, 3201000},     // MEMORY_CLOCK_RATE, kHz
    {37, 6144},        // GLOBAL_MEMORY_BUS_WIDTH, bits
    {38, 62914560},    // L2_CACHE_SIZE
    {40, 3},           // ASYNC_ENGINE_COUNT
    {41, 1},           // UNIFIED_ADDRESSING
    {42, 32768},       // MAXIMUM_TEXTURE1D_LAYERED_WIDTH
    {43, 2048},        // MAXIMUM_TEXTURE1D_LAYERED_LAYERS
    {45, 32768},       // MAXIMUM_TEXTURE2D_GATHER_WIDTH
    {46, 32768},       // MAXIMUM_TEXTURE2D_GATHER_HEIGHT
    {47, 8192},        // MAXIMUM_TEXTURE3D_WIDTH_ALTERNATE
    {48, 8192},        // MAXIMUM_TEXTURE3D_HEIGHT_ALTERNATE
    {49, 32768},       // MAXIMUM_TEXTURE3D_DEPTH_ALTERNATE
    {51, 32},          // TEXTURE_PITCH_ALIGNMENT
    {52, 32768},       // MAXIMUM_TEXTURECUBEMAP_WIDTH
    {53, 32768},       // MAXIMUM_TEXTURECUBEMAP_LAYERED_WIDTH
    {54, 2046},        // MAXIMUM_TEXTURECUBEMAP_LAYERED_LAYERS
    {55, 32768},       // MAXIMUM_SURFACE1D_WIDTH
    {56, 131072},      // MAXIMUM_SURFACE2D_WIDTH
    {57, 65536},       // MAXIMUM_SURFACE2D_HEIGHT
    {58, 16384},       // MAXIMUM_SURFACE3D_WIDTH
    {59, 16384},       // MAXIMUM_SURFACE3D_HEIGHT
    {60, 16384},       // MAXIMUM_SURFACE3D_DEPTH
    {61, 32768},       // MAXIMUM_SURFACE1D_LAYERED_WIDTH
    {62, 2048},        // MAXIMUM_SURFACE1D_LAYERED_LAYERS
    {63, 32768},       // MAXIMUM_SURFACE2D_LAYERED_WIDTH
    {64, 32768},       // MAXIMUM_SURFACE2D_LAYERED_HEIGHT
    {65, 2048},        // MAXIMUM_SURFACE2D_LAYERED_LAYERS
    {66, 32768},       // MAXIMUM_SURFACECUBEMAP_WIDTH
    {67, 32768},       // MAXIMUM_SURFACECUBEMAP_LAYERED_WIDTH
    {68, 2046},        // MAXIMUM_SURFACECUBEMAP_LAYERED_LAYERS
    {69, 268435456},   // MAXIMUM_TEXTURE1D_LINEAR_WIDTH
    {70, 131072},      // MAXIMUM_TEXTURE2D_LINEAR_WIDTH
    {71, 65000},       // MAXIMUM_TEXTURE2D_LINEAR_HEIGHT
    {72, 2097120},     // MAXIMUM_TEXTURE2D_LINEAR_PITCH
    {73, 32768},       // MAXIMUM_TEXTURE2D_MIPMAPPED_WIDTH
    {74, 32768},       // MAXIMUM_TEXTURE2D_MIPMAPPED_HEIGHT
    {77, 32768},       // MAXIMUM_TEXTURE1D_MIPMAPPED_WIDTH
    {78, 1},           // STREAM_PRIORITIES_SUPPORTED
    {79, 1},           // GLOBAL_L1_CACHE_SUPPORTED
    {80, 1},           // LOCAL_L1_CACHE_SUPPORTED
    {83, 1},           // MANAGED_MEMORY
    {86, 1},           // HOST_NATIVE_ATOMIC_SUPPORTED: host and device share their memory
    {87, 2},           // SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO
    {89, 1},           // CONCURRENT_MANAGED_ACCESS
    {90, 1},           // COMPUTE_PREEMPTION_SUPPORTED
    {91, 1},           // CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM
    {92, 1},           // CAN_USE_STREAM_MEM_OPS_V1
    {93, 1},           // CAN_USE_64_BIT_STREAM_MEM_OPS_V1
    {94, 1},           // CAN_USE_STREAM_WAIT_VALUE_NOR_V1
    {95, 1},           // COOPERATIVE_LAUNCH
    {99, 1},           // HOST_REGISTER_SUPPORTED
    {101, 1},          // DIRECT_MANAGED_MEM_ACCESS_FROM_HOST
    {102, 1},          // VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED
    {108, 39321600},   // MAX_PERSISTING_L2_CACHE_SIZE
    {109, 134213632},  // MAX_ACCESS_POLICY_WINDOW_SIZE
    {111, static_cast<int>(shared_reserved)},  // RESERVED_SHARED_MEMORY_PER_BLOCK
    {113, 1},          // READ_ONLY_HOST_REGISTER_SUPPORTED
    {115, 1},          // MEMORY_POOLS_SUPPORTED
    {122, 1},          // CAN_USE_64_BIT_STREAM_MEM_OPS
    {123, 1},          // CAN_USE_STREAM_WAIT_VALUE_NOR
    {126, 4},          // MEM_SYNC_DOMAIN_COUNT
    {131, -1},         // NUMA_ID
    {134, -1},         // HOST_NUMA_ID
};

}  // namespace

int attribute_of(const DeviceLimits& l, DeviceHandle device, int devices, Attribute which) {
  switch (which) {
    case 1: return l.threads_per_cta;            // MAX_THREADS_PER_BLOCK
    case 12: return l.registers_per_sm;          // MAX_REGISTERS_PER_BLOCK
    case 16: return l.sms;                       // MULTIPROCESSOR_COUNT
    case 33: return device + 1;                  // PCI_BUS_ID
    case 39: return l.threads_per_sm;            // MAX_THREADS_PER_MULTIPROCESSOR
    case 75: return l.architecture / 10;         // COMPUTE_CAPABILITY_MAJOR
    case 76: return l.architecture % 10;         // COMPUTE_CAPABILITY_MINOR
    case 81: return l.shared_per_sm;             // MAX_SHARED_MEMORY_PER_MULTIPROCESSOR
    case 82: return l.registers_per_sm;          // MAX_REGISTERS_PER_MULTIPROCESSOR
    case 84: return devices > 1;                 // MULTI_GPU_BOARD
    case 97: return l.shared_per_cta;            // MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
    case 106: return l.ctas_per_sm;              // MAX_BLOCKS_PER_MULTIPROCESSOR
    case 120: return l.architecture >= 90;       // CLUSTER_LAUNCH
    case 127: return l.architecture >= 90;       // TENSOR_MAP_ACCESS_SUPPORTED
    case 129: return 0;                          // UNIFIED_FUNCTION_POINTERS
    default: break;
  }
  for (const Constant& c : constants) {
    if (c.which == which) return c.value;
  }
  return 0;
}

}  // namespace triptych::emulator::driver

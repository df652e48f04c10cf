/// \file
/// cudaDeviceProp of CUDA 13.
#pragma once

#include "emulator/runtime/runtime.h"

namespace triptych::emulator::runtime {

struct Properties {
  char name[256];
  unsigned char uuid[16];
  char luid[8];
  unsigned luid_mask;
  std::size_t memory, shared_per_block;
  int registers_per_block, warp;
  std::size_t pitch;
  int threads_per_block, block[3], grid[3];
  std::size_t constant;
  int major, minor;
  std::size_t texture_alignment, texture_pitch_alignment;
  int sms, integrated, maps_host;
  /// maxTexture1D … maxSurfaceCubemapLayered.
  int textures[39];
  std::size_t surface_alignment;
  int concurrent, ecc, pci_bus, pci_device, pci_domain, tcc, engines, unified, bus_width, l2, persisting_l2, threads_per_sm, priorities,
      global_l1, local_l1;
  std::size_t shared_per_sm;
  int registers_per_sm, managed, board, board_group, host_atomics, pageable, concurrent_managed, preemption, host_pointers, cooperative;
  std::size_t shared_opt_in;
  int page_tables, direct_managed, blocks_per_sm, policy_window;
  std::size_t shared_reserved;
  int registers_host, sparse, registers_read_only, timeline, pools, rdma;
  unsigned rdma_flush;
  int rdma_order;
  unsigned pool_handles;
  int deferred, ipc_events, clusters, function_pointers, numa_config, numa_id, mps, host_numa_id;
  unsigned pci_id, pci_subsystem;
  int multinode, reserved[56];
};

Result properties_of(int device, Properties& to);

}  // namespace triptych::emulator::runtime

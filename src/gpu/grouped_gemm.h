/// \file
/// Grouped GEMM's host side on a GPU: one launcher for both GPU tiers, whose kernels share names and
/// parameters. The groups' sizes are never known here: a grid has a block for every tile of rows that
/// there could be.
#pragma once

#include "gpu/module.h"
#include "triptych/grouped_gemm.h"

namespace triptych::gpu {

/// The kernels of one image of the stem `grouped_gemm`, loaded. Arguments were checked by the contract.
class GroupedGemmKernels {
 public:
  GroupedGemmKernels(const Device& device, const Image& image);

  /// Enqueues y = x · wᵀ.
  void forward(const Stream& stream, const GroupedGemmForward& args) const;
  /// Enqueues dx = dy · w.
  void dgrad(const Stream& stream, const GroupedGemmDgrad& args) const;
  /// Enqueues dw (+)= dyᵀ · x.
  void wgrad(const Stream& stream, const GroupedGemmWgrad& args) const;

 private:
  /// Two operands, offsets, result; E, R, N, K; then y_is_f32, dx_is_f32 or accumulate.
  using Kernel =
      Function<const void*, const void*, const void*, void*, int, int, int, int, int>;

  Module module_;
  Kernel forward_f32_, forward_bf16_, dgrad_f32_, dgrad_bf16_, wgrad_f32_, wgrad_bf16_;
};

/// Tiles of 128 rows that R rows in E groups fill at the worst: every group but the last one may end in
/// a tile of its own, and a group without rows has none. ⌊(R + 127 · min(E, R)) / 128⌋.
constexpr std::int64_t most_row_tiles(std::int64_t rows, std::int64_t groups) {
  return (rows + 127 * (groups < rows ? groups : rows)) / 128;
}

}  // namespace triptych::gpu

#include "gpu/grouped_gemm.h"

namespace triptych::gpu {
namespace {

constexpr int block = 256, tile = 128;
// Three stages of both operands' tiles: 128 rows of 80 bytes, or 16 rows of K of 132 floats in f32.
constexpr int shared_bf16 = 3 * 2 * 128 * 80, shared_f32 = 3 * 2 * 16 * 132 * 4;

}  // namespace

GroupedGemmKernels::GroupedGemmKernels(const Device& device, const Image& image)
    : module_(device, image),
      forward_f32_(module_, "grouped_gemm_forward_f32", shared_f32),
      forward_bf16_(module_, "grouped_gemm_forward_bf16", shared_bf16),
      dgrad_f32_(module_, "grouped_gemm_dgrad_f32", shared_f32),
      dgrad_bf16_(module_, "grouped_gemm_dgrad_bf16", shared_bf16),
      wgrad_f32_(module_, "grouped_gemm_wgrad_f32", shared_f32),
      wgrad_bf16_(module_, "grouped_gemm_wgrad_bf16", shared_bf16) {}

void GroupedGemmKernels::forward(const Stream& stream, const GroupedGemmForward& a) const {
  const std::int64_t e = a.w.shape[0], n = a.w.shape[1], k = a.w.shape[2], r = a.x.shape[0];
  const Kernel& kernel = a.x.dtype == DType::bf16 ? forward_bf16_ : forward_f32_;
  launch(kernel, {most_row_tiles(r, e), ceil_div(n, tile)}, {block}, stream, a.x.data, a.w.data,
         a.offsets.data, a.y.data, extent(e, "E"), extent(r, "R"), extent(n, "N"), extent(k, "K"),
         a.y.dtype == DType::f32);
}

void GroupedGemmKernels::dgrad(const Stream& stream, const GroupedGemmDgrad& a) const {
  const std::int64_t e = a.w.shape[0], n = a.w.shape[1], k = a.w.shape[2], r = a.dy.shape[0];
  const Kernel& kernel = a.dy.dtype == DType::bf16 ? dgrad_bf16_ : dgrad_f32_;
  launch(kernel, {most_row_tiles(r, e), ceil_div(k, tile)}, {block}, stream, a.dy.data, a.w.data,
         a.offsets.data, a.dx.data, extent(e, "E"), extent(r, "R"), extent(n, "N"), extent(k, "K"),
         a.dx.dtype == DType::f32);
}

void GroupedGemmKernels::wgrad(const Stream& stream, const GroupedGemmWgrad& a) const {
  const std::int64_t e = a.dw.shape[0], n = a.dw.shape[1], k = a.dw.shape[2], r = a.dy.shape[0];
  const Kernel& kernel = a.dy.dtype == DType::bf16 ? wgrad_bf16_ : wgrad_f32_;
  launch(kernel, {ceil_div(k, tile), ceil_div(n, tile), e}, {block}, stream, a.dy.data, a.x.data,
         a.offsets.data, a.dw.data, extent(e, "E"), extent(r, "R"), extent(n, "N"), extent(k, "K"),
         a.accumulate);
}

}  // namespace triptych::gpu

#include "gpu/swiglu.h"

namespace triptych::gpu {
namespace {

constexpr int block = 256, rows_a_block = 8;  // one warp a row

}  // namespace

SwigluKernels::SwigluKernels(const Device& device, const Image& image)
    : module_(device, image),
      forward_f32_(module_, "swiglu_forward_f32"),
      forward_bf16_(module_, "swiglu_forward_bf16"),
      backward_f32_(module_, "swiglu_backward_f32"),
      backward_bf16_(module_, "swiglu_backward_bf16") {}

void SwigluKernels::forward(const Stream& stream, const SwigluForward& a) const {
  const std::int64_t r = a.act.shape[0], f = a.act.shape[1];
  const Forward& kernel = a.act.dtype == DType::bf16 ? forward_bf16_ : forward_f32_;
  launch(kernel, {ceil_div(r, rows_a_block)}, {block}, stream, a.gate_up.data, a.weight.data, a.rows.data,
         a.act.data, extent(r, "R"), extent(f, "F"));
}

void SwigluKernels::backward(const Stream& stream, const SwigluBackward& a) const {
  const std::int64_t r = a.dact.shape[0], f = a.dact.shape[1];
  const Backward& kernel = a.dact.dtype == DType::bf16 ? backward_bf16_ : backward_f32_;
  launch(kernel, {ceil_div(r, rows_a_block)}, {block}, stream, a.gate_up.data, a.weight.data, a.rows.data,
         a.dact.data, a.dgate_up.data, a.dweight.data, a.act.data, extent(r, "R"), extent(f, "F"));
}

}  // namespace triptych::gpu

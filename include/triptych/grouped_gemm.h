/// \file
/// Matrix products of row groups with one weight matrix each; a linear layer is one group.
#pragma once

#include "triptych/tensor.h"

namespace triptych {

/// How an FP8 product is accumulated.
enum class Fp8Accumulation : std::uint8_t {
  promoted,  ///< f32 within each 128 of K; then final += scale_x · scale_w · partial, in f32.
  hopper     ///< The same promotion, but each instruction's sum (32 of K) keeps 13 fractional bits,
             ///< as Hopper's FP8 wgmma does (docs/rounding.md).
};

/// Arguments of GroupedGemm::grouped_gemm_forward. E groups, R rows, K inner width, N outer width.
struct GroupedGemmForward {
  ConstTensor x;        ///< [R,K] S
  ConstTensor w;        ///< [E,N,K] S: row n holds the weights of output n.
  ConstTensor offsets;  ///< [E+1] i32: group e owns rows offsets[e] … offsets[e+1]-1; absent: one
                        ///< group of all R rows.
  Tensor y;             ///< [R,N] S or A, overwritten.
};

/// Arguments of GroupedGemm::grouped_gemm_dgrad.
struct GroupedGemmDgrad {
  ConstTensor dy;       ///< [R,N] S
  ConstTensor w;        ///< [E,N,K] S
  ConstTensor offsets;  ///< [E+1] i32, or absent
  Tensor dx;            ///< [R,K] S or A, overwritten.
};

/// Arguments of GroupedGemm::grouped_gemm_wgrad.
struct GroupedGemmWgrad {
  ConstTensor dy;           ///< [R,N] S
  ConstTensor x;            ///< [R,K] S
  ConstTensor offsets;      ///< [E+1] i32, or absent
  Tensor dw;                ///< [E,N,K] A
  bool accumulate = true;   ///< dw += (the default) or dw =.
};

/// Arguments of GroupedGemm::grouped_gemm_fp8_forward.
struct GroupedGemmFp8Forward {
  QuantizedRows x;       ///< q [R,K] e4m3
  QuantizedWeight w;     ///< q [E,N,K] e4m3
  ConstTensor offsets;   ///< [E+1] i32, or absent
  Tensor y;              ///< [R,N] bf16 or f32, overwritten.
  Fp8Accumulation accumulation = Fp8Accumulation::promoted;  ///< of the products
};

/// Arguments of GroupedGemm::grouped_gemm_fp8_dgrad.
struct GroupedGemmFp8Dgrad {
  QuantizedRows dy;      ///< q [R,N] e4m3
  QuantizedWeight w;     ///< qT [E,K,N] e4m3 is the operand
  ConstTensor offsets;   ///< [E+1] i32, or absent
  Tensor dx;             ///< [R,K] bf16 or f32, overwritten.
  Fp8Accumulation accumulation = Fp8Accumulation::promoted;  ///< of the products
};

/// Arguments of GroupedGemm::grouped_gemm_fp8_wgrad. P is the padded number of rows.
struct GroupedGemmFp8Wgrad {
  QuantizedColumns dy;         ///< q [N,P] e4m3
  QuantizedColumns x;          ///< q [K,P] e4m3
  ConstTensor padded_offsets;  ///< [E+1] i32, multiples of 128; absent: one group of P rows.
  Tensor dw;                   ///< [E,N,K] f32
  bool accumulate = true;      ///< dw += (the default) or dw =.
  Fp8Accumulation accumulation = Fp8Accumulation::promoted;  ///< of the products
};

/// Products over groups of rows, whose sizes are known only on the device.
///
/// Rows outside every group (past offsets[E]) are neither read nor written. An empty group leaves
/// its dw as it was (or zero when not accumulating). A row's bits depend neither on the other rows
/// nor on their number.
class GroupedGemm {
 public:
  virtual ~GroupedGemm() = default;

  /// y[r,n] = Σ_k x[r,k] · w[e(r),n,k], summed in A, rounded once to y's dtype.
  /// Error: tolerance::grouped_gemm.
  void grouped_gemm_forward(const GroupedGemmForward& args);
  /// dx[r,k] = Σ_n dy[r,n] · w[e(r),n,k], summed in A, rounded once. Error: tolerance::grouped_gemm.
  void grouped_gemm_dgrad(const GroupedGemmDgrad& args);
  /// dw[e,n,k] (+)= Σ_{r in e} dy[r,n] · x[r,k], summed in A. Error: tolerance::grouped_gemm.
  void grouped_gemm_wgrad(const GroupedGemmWgrad& args);

  /// y as in grouped_gemm_forward, of dequantised operands.
  /// REQUIRES: K a multiple of 128 (one scale block). Error: tolerance::grouped_gemm (`promoted`) or
  /// tolerance::grouped_gemm_hopper, on the dequantised operands. Source: DeepSeek-V3 report §3.3.2.
  void grouped_gemm_fp8_forward(const GroupedGemmFp8Forward& args);
  /// dx as in grouped_gemm_dgrad. REQUIRES: N a multiple of 128.
  void grouped_gemm_fp8_dgrad(const GroupedGemmFp8Dgrad& args);
  /// dw as in grouped_gemm_wgrad. REQUIRES: P a multiple of 128.
  void grouped_gemm_fp8_wgrad(const GroupedGemmFp8Wgrad& args);

 protected:
  virtual void do_grouped_gemm_forward(const GroupedGemmForward& args) = 0;
  virtual void do_grouped_gemm_dgrad(const GroupedGemmDgrad& args) = 0;
  virtual void do_grouped_gemm_wgrad(const GroupedGemmWgrad& args) = 0;
  virtual void do_grouped_gemm_fp8_forward(const GroupedGemmFp8Forward& args) = 0;
  virtual void do_grouped_gemm_fp8_dgrad(const GroupedGemmFp8Dgrad& args) = 0;
  virtual void do_grouped_gemm_fp8_wgrad(const GroupedGemmFp8Wgrad& args) = 0;
};

}  // namespace triptych

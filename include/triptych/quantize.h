/// \file
/// FP8 with fine-grained scales: 1×128 tiles for activations and gradients, 128×128 blocks for weights.
#pragma once

#include "triptych/tensor.h"

namespace triptych {

/// How a tile's scale is derived from its largest magnitude.
enum class ScaleRule : std::uint8_t {
  exact,        ///< scale = max(amax, 1e-4) / largest
  power_of_two  ///< the smallest power of two that is not below it: dequantising is exact
};

/// Arguments of Quantize::quantize_rows.
struct QuantizeRows {
  ConstTensor x;     ///< [R,C] S
  QuantizedRows out; ///< q [R,C] e4m3 or e5m6, scale [R,ceil(C/128)] f32, overwritten
  ScaleRule rule = ScaleRule::exact;  ///< how scales are derived
};

/// Arguments of Quantize::dequantize_rows.
struct DequantizeRows {
  QuantizedRows in;  ///< q [R,C], scale [R,ceil(C/128)]
  Tensor x;          ///< [R,C] S, overwritten
};

/// Arguments of Quantize::quantize_transpose. E groups of R rows in all, P padded rows.
struct QuantizeTranspose {
  ConstTensor x;               ///< [R,C] S; absent if `quantized` is given
  QuantizedRows quantized;     ///< the input as codes; absent if `x` is given
  ConstTensor offsets;         ///< [E+1] i32; absent: one group of all R rows
  ConstTensor padded_offsets;  ///< [E+1] i32: multiples of 128; absent with offsets
  QuantizedColumns out;        ///< q [C,P] e4m3, scale [C,P/128] f32, overwritten: groups' padding and
                               ///< columns past the last group are zero, with scale 1
  ScaleRule rule = ScaleRule::exact;  ///< how scales are derived
};

/// Arguments of Quantize::quantize_weight.
struct QuantizeWeightArgs {
  ConstTensor w;        ///< [E,N,K] S or A
  QuantizedWeight out;  ///< q [E,N,K], qT [E,K,N], scale [E,ceil(N/128),ceil(K/128)], overwritten
  ScaleRule rule = ScaleRule::exact;  ///< how scales are derived
};

/// Scaling and rounding to 8 (or 12) bits.
///
/// In a tile with largest magnitude amax: scale = max(amax, 1e-4) / L, L = 448 for e4m3 and 65024 for
/// e5m6, both in f32;  q = round(x / scale) in the narrow type, to nearest even, saturating. A NaN
/// in the tile makes NaN codes. Source: DeepSeek-V3 report §3.3.2; the floor is DeepEP's.
class Quantize {
 public:
  virtual ~Quantize() = default;

  /// One scale for each 128 columns of a row. Exact: every tier gives the same codes and scales.
  void quantize_rows(const QuantizeRows& args);
  /// x[r,c] = q[r,c] · scale[r, c/128], the product in f32, then rounded to S. Exact.
  void dequantize_rows(const DequantizeRows& args);
  /// The transpose with one scale for each 128 rows of a column, counted from each group's row 0:
  /// what the weight gradient's product needs, whose K is the token. From codes, the value is
  /// dequantised in f32 and quantised again.
  void quantize_transpose(const QuantizeTranspose& args);
  /// One scale for each 128×128 block, counted from each expert's origin; codes in both layouts.
  void quantize_weight(const QuantizeWeightArgs& args);

 protected:
  virtual void do_quantize_rows(const QuantizeRows& args) = 0;
  virtual void do_dequantize_rows(const DequantizeRows& args) = 0;
  virtual void do_quantize_transpose(const QuantizeTranspose& args) = 0;
  virtual void do_quantize_weight(const QuantizeWeightArgs& args) = 0;
};

}  // namespace triptych

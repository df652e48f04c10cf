/// \file
/// Precision policies: which dtype a value is stored in, and which it is accumulated in.
///
/// docs/rounding.md lists every point at which a policy rounds; all tiers obey the same table.
#pragma once

#include "triptych/dtype.h"

namespace triptych {

/// How a model computes.
enum class Precision : std::uint8_t {
  f64,   ///< No rounding but binary64's: the oracle. The reference tier alone has it.
  f32,   ///< IEEE f32 throughout (no TF32).
  bf16,  ///< bf16 storage and operands, f32 accumulation, f32 master weights, f32 router and norms.
  fp8    ///< bf16, with E4M3 operands in the linear layers (DeepSeek-V3 §3.3).
};

/// "S" in the contract: what activations and matrix operands are stored in.
constexpr DType storage_dtype(Precision p) {
  return p == Precision::f64 ? DType::f64 : p == Precision::f32 ? DType::f32 : DType::bf16;
}

/// "A" in the contract: what sums, statistics, gradients of parameters and masters are held in.
constexpr DType accumulation_dtype(Precision p) {
  return p == Precision::f64 ? DType::f64 : DType::f32;
}

/// "A" for a given "S": f64 goes with f64, everything else accumulates in f32.
constexpr DType accumulation_of(DType storage) {
  return storage == DType::f64 ? DType::f64 : DType::f32;
}

/// The policy's name on the command line and in reports.
constexpr const char* name_of(Precision p) {
  switch (p) {
    case Precision::f64: return "f64";
    case Precision::f32: return "f32";
    case Precision::bf16: return "bf16";
    case Precision::fp8: return "fp8";
  }
  return "?";
}

/// Columns that share one FP8 scale, and the edge of a weight's FP8 block.
inline constexpr int fp8_block = 128;

}  // namespace triptych

/// \file
/// The routed part of a Mixture-of-Experts layer as one coarse operation: x → y and its backward.
#pragma once

#include "triptych/combine.h"
#include "triptych/dispatch.h"
#include "triptych/grouped_gemm.h"
#include "triptych/precision.h"
#include "triptych/quantize.h"
#include "triptych/router.h"

namespace triptych {

class Arena;

/// Extents and rules of one layer. T tokens of width D, E experts of inner width F.
struct MoeLayerShape {
  std::int64_t tokens = 0;    ///< T, of all sequences together
  std::int64_t sequence = 0;  ///< S: tokens of one sequence
  std::int64_t width = 0;     ///< D
  std::int64_t inner = 0;     ///< F
  std::int64_t experts = 0;   ///< E
  RouterRule rule;            ///< K, groups, gates
  Precision precision = Precision::f32;           ///< the policy
  ScaleRule scale_rule = ScaleRule::exact;        ///< fp8: how scales are derived
  Fp8Accumulation accumulation = Fp8Accumulation::promoted;  ///< fp8: how products accumulate

  std::int64_t rows() const { return tokens * rule.experts_per_token; }  ///< R
};

/// The layer's parameters. Under the fp8 policy the `fp8_` forms are given, else the plain ones.
struct MoeLayerWeights {
  ConstTensor router;      ///< [E,D] A
  ConstTensor router_bias; ///< [E] A
  ConstTensor gate_up;     ///< [E,2F,D] S: each expert's gate rows, then its up rows
  ConstTensor down;        ///< [E,D,F] S
  QuantizedWeight fp8_gate_up;  ///< of [E,2F,D]
  QuantizedWeight fp8_down;     ///< of [E,D,F]
};

/// Gradients of the parameters, each in the parameter's shape, in A, accumulated (+=).
struct MoeLayerGradients {
  Tensor router;   ///< [E,D]
  Tensor gate_up;  ///< [E,2F,D]
  Tensor down;     ///< [E,D,F]
};

/// What the forward keeps for the backward, besides x itself.
struct MoeLayerSaved {
  Tensor scores;      ///< [T,E] A
  Tensor experts;     ///< [T,K] i32
  Tensor gates;       ///< [T,K] A
  Tensor fraction;    ///< [T/S,E] A
  DispatchPlan plan;  ///< the maps
  Tensor row_weight;  ///< [R] A
  Tensor gate_up;     ///< [R,2F] S; under fp8 absent
  QuantizedRows fp8_x;        ///< fp8: of x, [T,D]
  QuantizedRows fp8_gate_up;  ///< fp8: of gate_up, [R,2F]
};

/// Memory whose contents die with the call, so that all layers share one. Only the fields that the
/// policy uses are present.
struct MoeLayerScratch {
  Tensor rows;      ///< [R,D] S: gathered x, or dy; then expert outputs, or the rows' gradients
  Tensor gate_up;   ///< [R,2F] S: its gradient; under fp8 also its dequantised form
  Tensor act;       ///< [R,F] S
  Tensor dact;      ///< [R,F] S
  Tensor dweight;   ///< [R] A
  Tensor dgates;    ///< [T,K] A
  Tensor dx_router; ///< [T,D] S
  QuantizedRows fp8_tokens;  ///< fp8: of dy, [T,D]
  QuantizedRows fp8_rows;    ///< fp8: gathered, [R,D]
  QuantizedRows fp8_inner;   ///< fp8: of act [R,F] or of gate_up's gradient [R,2F]
  QuantizedColumns fp8_columns_d;  ///< fp8: [D,P]
  QuantizedColumns fp8_columns_f;  ///< fp8: [2F,P]
};

/// Arguments of MoeLayer::moe_layer_forward.
struct MoeLayerForward {
  MoeLayerShape shape;      ///< extents and rules
  ConstTensor x;            ///< [T,D] S
  MoeLayerWeights weights;  ///< parameters
  double balance_weight = 0;  ///< factor of the balance loss
  MoeLayerSaved saved;      ///< overwritten
  MoeLayerScratch scratch;  ///< overwritten, worthless afterwards
  Tensor load;              ///< [E] i32, accumulated (+=)
  Tensor balance_loss;      ///< [1] A, accumulated (+=)
  Tensor y;                 ///< [T,D] S, overwritten; may not alias x
};

/// Arguments of MoeLayer::moe_layer_backward.
struct MoeLayerBackward {
  MoeLayerShape shape;      ///< the forward's
  ConstTensor x;            ///< [T,D] S: the forward's input
  ConstTensor dy;           ///< [T,D] S
  MoeLayerWeights weights;  ///< parameters
  double balance_weight = 0;  ///< the forward's
  MoeLayerSaved saved;      ///< what the forward kept
  MoeLayerScratch scratch;  ///< overwritten, worthless afterwards
  MoeLayerGradients gradients;  ///< accumulated (+=)
  Tensor dx;                ///< [T,D] S, overwritten; may be the same memory as dy
};

/// y[t] = combine over k of down_e · swiglu(gate_up_e · x[t], gate[t,k]), e = experts[t,k].
///
/// Numbered steps, the same in every tier:
///  1. route            2. plan            3. gather x into expert order
///  4. gate_up = rows · W_gate_upᵀ         5. act = weight · silu(gate) · up
///  6. rows = act · W_downᵀ                7. combine
/// Source: DeepSeek-V3 report §2.1.2. The shared expert is a dense layer beside this one.
class MoeLayer {
 public:
  virtual ~MoeLayer() = default;

  /// Error: tolerance::moe_layer; rounding points in docs/rounding.md, fused or not.
  void moe_layer_forward(const MoeLayerForward& args);
  /// All gradients. dx is the sum of what comes back through the experts and through the router,
  /// each rounded to S before. Error: tolerance::moe_layer.
  void moe_layer_backward(const MoeLayerBackward& args);

 protected:
  virtual void do_moe_layer_forward(const MoeLayerForward& args) = 0;
  virtual void do_moe_layer_backward(const MoeLayerBackward& args) = 0;
};

/// Takes the memory that the forward keeps from an arena. Throws Error (usage) for extents or a rule that
/// make no sense.
MoeLayerSaved take_moe_layer_saved(Arena& arena, const MoeLayerShape& shape);
/// Takes the scratch of one layer from an arena; layers of one shape can share it. Errors: likewise.
MoeLayerScratch take_moe_layer_scratch(Arena& arena, const MoeLayerShape& shape);

}  // namespace triptych

/// \file
/// From routes to rows: where every (token, choice) pair lands in expert order, and the copies there.
#pragma once

#include "triptych/tensor.h"

namespace triptych {

/// The maps between (token, choice) pairs and rows in expert order. Slots come from prefix sums, so
/// they are the same in every run: within an expert, rows are in the order of tokens.
struct DispatchPlan {
  Tensor offsets;         ///< [E+1] i32: expert e owns rows offsets[e] … offsets[e+1]-1
  Tensor padded_offsets;  ///< [E+1] i32: the same with every expert's rows padded to 128
  Tensor row_of;          ///< [T,K] i32: the row of a token's k-th choice
  Tensor source_of;       ///< [R] i32: t·K + k of the pair in a row; R = T·K
};

/// Arguments of Dispatch::dispatch_plan. T tokens, K choices each, E experts.
struct DispatchPlanArgs {
  ConstTensor experts;  ///< [T,K] i32: distinct within a token
  DispatchPlan plan;    ///< overwritten
};

/// Arguments of Dispatch::dispatch_rows.
struct DispatchRows {
  ConstTensor source;     ///< [T,C], any dtype
  ConstTensor source_of;  ///< [R] i32: a plan's
  int choices = 1;        ///< K: row r copies source row source_of[r] / K
  Tensor rows;            ///< [R,C], dtype of source, overwritten
};

/// Arguments of Dispatch::dispatch_weights and dispatch_weights_backward.
struct DispatchWeights {
  ConstTensor gates;      ///< [T,K] A
  ConstTensor source_of;  ///< [R] i32
  Tensor weight;          ///< [R] A, overwritten
};

/// Arguments of Dispatch::dispatch_weights_backward.
struct DispatchWeightsBackward {
  ConstTensor dweight;  ///< [R] A
  ConstTensor row_of;   ///< [T,K] i32
  Tensor dgates;        ///< [T,K] A, overwritten
};

/// Maps and gathers. The backward of dispatch_rows is `combine` of the rows' gradients; the backward
/// of `combine` is dispatch_rows of the output's gradient.
class Dispatch {
 public:
  virtual ~Dispatch() = default;

  /// offsets[e] = Σ_{e' < e} count(e');  row_of[t,k] = offsets[e] + number of earlier tokens on
  /// e = experts[t,k];  source_of[row_of[t,k]] = t·K + k. Exact. An expert outside 0 … E-1 sets the
  /// fault `expert_out_of_range`.
  void dispatch_plan(const DispatchPlanArgs& args);
  /// rows[r,:] = source[source_of[r] / K,:]. Exact.
  void dispatch_rows(const DispatchRows& args);
  /// weight[r] = gates[source_of[r]] (flattened). Exact.
  void dispatch_weights(const DispatchWeights& args);
  /// dgates[t,k] = dweight[row_of[t,k]]. Exact.
  void dispatch_weights_backward(const DispatchWeightsBackward& args);
  /// Bytes of scratch that dispatch_plan needs at these shapes.
  virtual std::size_t dispatch_plan_scratch(const DispatchPlanArgs&) const { return 0; }

 protected:
  virtual void do_dispatch_plan(const DispatchPlanArgs& args) = 0;
  virtual void do_dispatch_rows(const DispatchRows& args) = 0;
  virtual void do_dispatch_weights(const DispatchWeights& args) = 0;
  virtual void do_dispatch_weights_backward(const DispatchWeightsBackward& args) = 0;
};

/// Rows that QuantizedColumns needs for R rows of E groups in the worst case: every group padded to
/// a multiple of 128.
constexpr std::int64_t padded_rows(std::int64_t rows, std::int64_t groups) {
  return (rows + 127 * groups + 127) / 128 * 128;
}

}  // namespace triptych

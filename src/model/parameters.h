/// \file
/// The model's parameters: names, shapes, and the tensors that belong to each.
#pragma once

#include <deque>
#include <string>

#include "triptych/tier.h"

namespace triptych {

/// What a parameter is used as, which decides how it is stored.
enum class ParameterKind : std::uint8_t {
  linear,  ///< [N,K] or [E,N,K]: operand of a product; FP8 codes under the fp8 policy if it can
  table,   ///< embedding and head: storage dtype, never FP8
  vector,  ///< norm gains: used in A
  router,  ///< router centroids: used in A
  bias     ///< the balancing bias: A, no gradient, moved by its own rule
};

/// One parameter. Absent tensors are those that the policy or the use (inference) does not need.
struct Parameter {
  std::string name;   ///< as in the model file; expert weights are one parameter for all experts
  ParameterKind kind = ParameterKind::linear;
  bool keep_copy = false;  ///< has a copy in S beside its FP8 codes
  Shape shape;        ///< as stored here: linear [E,N,K], table [V,D], vector [D], router [E,D]
  Tensor master;      ///< A: what the optimizer moves
  Tensor grad;        ///< A
  Tensor first;       ///< first moment, A or bf16
  Tensor second;      ///< second moment
  Tensor copy;        ///< S: the master rounded, where S is narrower than A
  QuantizedWeight fp8;  ///< FP8 codes of the master

  bool trained() const { return kind != ParameterKind::bias; }
  bool quantized() const { return !fp8.q.absent(); }
  /// Weight decay is for matrices, not for gains (DeepSeek-V3 and its predecessors).
  bool decays() const { return kind != ParameterKind::vector && trained(); }
  /// What products read: the copy, or the master where they are the same.
  ConstTensor value() const { return copy.absent() ? ConstTensor(master) : ConstTensor(copy); }
};

/// How parameters are stored.
struct ParameterOptions {
  Precision precision = Precision::f32;
  bool training = true;        ///< gradients and moments as well
  bool bf16_moments = false;   ///< moments in bf16 (not under f64)
  ScaleRule scale_rule = ScaleRule::exact;  ///< fp8
};

/// All parameters, in the order of the model file.
class Parameters {
 public:
  explicit Parameters(const ParameterOptions& options) : options_(options) {}

  /// Declares a parameter; the reference stays good for the life of this object.
  Parameter& add(std::string name, ParameterKind kind, Shape shape);
  /// Takes every parameter's tensors from the arena (again with another arena: the plan, then the
  /// memory). Gradients lie in one piece, so that one call zeroes them.
  void take(Arena& arena);
  /// Rounds and quantises masters into the forms that products read: after a load, or a step that did
  /// not write the copies itself.
  void refresh(Tier& tier) const;
  /// Quantises alone: after the optimizer, which writes the copies.
  void quantize(Tier& tier) const;

  /// Throws Error if there is no such parameter.
  const Parameter& at(const std::string& name) const;
  const std::deque<Parameter>& all() const { return all_; }
  /// All gradients as one tensor of A.
  Tensor gradients() const { return gradients_; }
  const ParameterOptions& options() const { return options_; }

 private:
  ParameterOptions options_;
  std::deque<Parameter> all_;
  Tensor gradients_;
};

}  // namespace triptych

/// \file
/// What a transformer needs between its products: sums, casts, columns apart and together.
#pragma once

#include "triptych/tensor.h"

namespace triptych {

/// Arguments of Elementwise::add.
struct AddArgs {
  ConstTensor a;  ///< [n] S
  ConstTensor b;  ///< [n] S
  Tensor out;     ///< [n] S, overwritten; may be the same memory as a or b
};

/// Arguments of Elementwise::cast.
struct CastArgs {
  ConstTensor in;  ///< [n] f32, bf16 or f64
  Tensor out;      ///< [n] f32, bf16 or f64, overwritten
};

/// Arguments of Elementwise::split_columns and concat_columns: whole [R,C1+C2], left [R,C1],
/// right [R,C2], all of one dtype.
struct SplitColumns {
  ConstTensor whole;  ///< [R,C1+C2]
  Tensor left;        ///< [R,C1], overwritten
  Tensor right;       ///< [R,C2], overwritten
};

/// The inverse of SplitColumns.
struct ConcatColumns {
  ConstTensor left;   ///< [R,C1]
  ConstTensor right;  ///< [R,C2]
  Tensor whole;       ///< [R,C1+C2], overwritten
};

/// Element by element.
class Elementwise {
 public:
  virtual ~Elementwise() = default;

  /// out = a + b in A, rounded once. Error: tolerance::add.
  void add(const AddArgs& args);
  /// out = in, rounded to nearest even where it narrows.
  void cast(const CastArgs& args);
  /// left and right are the columns of whole. Exact.
  void split_columns(const SplitColumns& args);
  /// whole is left and right side by side. Exact.
  void concat_columns(const ConcatColumns& args);

 protected:
  virtual void do_add(const AddArgs& args) = 0;
  virtual void do_cast(const CastArgs& args) = 0;
  virtual void do_split_columns(const SplitColumns& args) = 0;
  virtual void do_concat_columns(const ConcatColumns& args) = 0;
};

}  // namespace triptych

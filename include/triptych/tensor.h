/// \file
/// Views of dense row-major tensors in a tier's memory. They own nothing and never touch the data:
/// the pointer may be a device address.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "triptych/dtype.h"

namespace triptych {

/// Extents of a tensor, outermost first; at most four.
class Shape {
 public:
  Shape() = default;
  /// REQUIRES: at most four extents, none negative (throws Error otherwise).
  Shape(std::initializer_list<std::int64_t> extents);

  int rank() const { return rank_; }  ///< how many extents
  /// Extent of dimension i; a negative i counts from the innermost (-1).
  std::int64_t operator[](int i) const { return extents_[static_cast<std::size_t>(i < 0 ? rank_ + i : i)]; }
  /// Number of elements; 1 for rank 0.
  std::int64_t count() const;
  bool operator==(const Shape&) const = default;  ///< same rank and extents
  /// "[64, 128]"
  std::string str() const;

 private:
  std::array<std::int64_t, 4> extents_{};
  int rank_ = 0;
};

/// A read-only view. A default-constructed one is absent: how optional arguments are left out.
struct ConstTensor {
  const void* data = nullptr;    ///< first element, in the tier's memory; dense, row-major
  DType dtype = DType::f32;      ///< of an element
  Shape shape{0};                ///< outermost extent first

  bool absent() const { return data == nullptr && shape.count() == 0; }  ///< not given
  std::int64_t count() const { return shape.count(); }                   ///< elements
  /// Of all elements.
  std::size_t bytes() const { return static_cast<std::size_t>(count()) * size_of(dtype); }
  /// The elements, for code that runs where the memory is. REQUIRES: T is the view's dtype.
  template <class T>
  const T* as() const {
    require(dtype_of<T>);
    return static_cast<const T*>(data);
  }
  /// The same elements under another shape. REQUIRES: equal counts.
  ConstTensor reshape(Shape to) const;
  /// The first elements under a shape that needs no more than there are: a smaller tensor in scratch.
  ConstTensor prefix(Shape to) const;
  /// Rows begin … begin + count - 1 of the outermost dimension.
  ConstTensor rows(std::int64_t begin, std::int64_t count) const;
  /// Throws Error unless the dtype is as given.
  void require(DType wanted) const;
};

/// A view that may be written through.
struct Tensor {
  void* data = nullptr;          ///< first element, in the tier's memory; dense, row-major
  DType dtype = DType::f32;      ///< of an element
  Shape shape{0};                ///< outermost extent first

  operator ConstTensor() const { return {data, dtype, shape}; }         ///< the same, read-only
  bool absent() const { return ConstTensor(*this).absent(); }           ///< not given
  std::int64_t count() const { return shape.count(); }                   ///< elements
  std::size_t bytes() const { return ConstTensor(*this).bytes(); }      ///< of all elements
  /// The elements, for code that runs where the memory is. REQUIRES: T is the view's dtype.
  template <class T>
  T* as() const {
    ConstTensor(*this).require(dtype_of<T>);
    return static_cast<T*>(data);
  }
  /// The same elements under another shape. REQUIRES: equal counts.
  Tensor reshape(Shape to) const;
  /// The first elements under a shape that needs no more than there are: a smaller tensor in scratch.
  Tensor prefix(Shape to) const;
  /// Rows begin … begin + count - 1 of the outermost dimension.
  Tensor rows(std::int64_t begin, std::int64_t count) const;
};

/// FP8 codes of rows with one scale for every 1×128 tile: value[r,c] = q[r,c] · scale[r, c/128].
struct QuantizedRows {
  Tensor q;      ///< [R,C] e4m3 (or e5m6)
  Tensor scale;  ///< [R, ceil(C/128)] f32
};

/// FP8 codes of a matrix stored along its rows' dimension, for products whose K is the token: what
/// `quantize_transpose` makes. value[c,r] = q[c,r] · scale[c, r/128]; each group's rows begin at a
/// multiple of 128 and are padded with zeros (offsets in `padded_offsets` of the dispatch plan).
struct QuantizedColumns {
  Tensor q;      ///< [C,P] e4m3, P the padded number of rows
  Tensor scale;  ///< [C,P/128] f32
};

/// An FP8 weight with one scale for each 128×128 block, stored both ways because FP8 matrix
/// instructions take K-major operands only: w[e,n,k] = q[e,n,k] · scale[e, n/128, k/128].
struct QuantizedWeight {
  Tensor q;      ///< [E,N,K] e4m3: the forward product's operand
  Tensor qT;     ///< [E,K,N] e4m3: the same codes transposed, dgrad's operand
  Tensor scale;  ///< [E, ceil(N/128), ceil(K/128)] f32
};

}  // namespace triptych

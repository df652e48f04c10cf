/// \file
/// The words in which the contract refuses an argument: operation, argument, value, remedy.
#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <string>

#include "triptych/error.h"
#include "triptych/precision.h"
#include "triptych/tensor.h"

namespace triptych {

/// Checks the arguments of one call. Every function throws Error (usage) when its condition fails.
/// Nothing is allocated while conditions hold: a training step makes thousands of these checks.
class Check {
 public:
  /// `operation` must outlive the object: a literal.
  explicit Check(const char* operation) : operation_(operation) {}

  /// The condition holds, or the line says which value breaks it and what to do.
  template <class... Values>
  void that(bool holds, fmt::format_string<Values...> line, Values&&... values) const {
    if (!holds) {
      throw usage_error(std::string(operation_) + ": " + fmt::format(line, std::forward<Values>(values)...));
    }
  }

  /// The tensor is there, of this dtype and shape. `letters` name the extents: "[R,2F]".
  void tensor(const ConstTensor& t, const char* name, DType dtype, const Shape& shape,
              const char* letters) const {
    that(t.dtype == dtype, "{} is {}, wanted {}", name, name_of(t.dtype), name_of(dtype));
    if (t.shape != shape) {
      that(false, "{} is {}, wanted {} = {}", name, t.shape.str(), letters, shape.str());
    }
    memory(t, name);
  }

  /// As tensor(), unless the tensor is absent.
  void optional(const ConstTensor& t, const char* name, DType dtype, const Shape& shape,
                const char* letters) const {
    if (!t.absent()) tensor(t, name, dtype, shape, letters);
  }

  /// The tensor is of a storage dtype (f64, f32 or bf16).
  void storage(const ConstTensor& t, const char* name) const {
    that(t.dtype == DType::f64 || t.dtype == DType::f32 || t.dtype == DType::bf16,
         "{} is {}, wanted a storage dtype: f64, f32 or bf16", name, name_of(t.dtype));
  }

  /// The tensor has this rank; the shape's letters are shown otherwise.
  void rank(const ConstTensor& t, const char* name, int rank, const char* letters) const {
    if (t.shape.rank() != rank) {
      that(false, "{} has shape {}, wanted {}", name, t.shape.str(), letters);
    }
  }

  /// A tensor with elements has an address.
  void memory(const ConstTensor& t, const char* name) const {
    if (t.data == nullptr && t.count() != 0) {
      that(false, "{} has shape {} but no memory; take it from an Arena", name, t.shape.str());
    }
  }

  /// The two share no byte.
  void apart(const ConstTensor& a, const char* a_name, const ConstTensor& b,
             const char* b_name) const {
    const auto* a0 = static_cast<const std::byte*>(a.data);
    const auto* b0 = static_cast<const std::byte*>(b.data);
    that(a.bytes() == 0 || b.bytes() == 0 || a0 + a.bytes() <= b0 || b0 + b.bytes() <= a0,
         "{} overlaps {}; give it memory of its own", a_name, b_name);
  }

  /// Apart, or the very same memory.
  void apart_or_same(const ConstTensor& a, const char* a_name, const ConstTensor& b,
                     const char* b_name) const {
    if (a.data != b.data || a.bytes() != b.bytes()) apart(a, a_name, b, b_name);
  }

 private:
  const char* operation_;
};

}  // namespace triptych

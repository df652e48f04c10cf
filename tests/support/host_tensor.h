/// \file
/// A tensor on the host, in its stored form and as the numbers that it stands for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "support/values.h"
#include "triptych/tensor.h"

namespace triptych::testing {

/// Bytes of one dtype and shape, with every element's exact value beside them.
class HostTensor {
 public:
  /// Absent: stands for an optional argument that is left out.
  HostTensor() = default;
  /// Zeros.
  HostTensor(DType dtype, Shape shape);
  /// The values, rounded to the dtype. REQUIRES: as many as the shape has elements.
  HostTensor(DType dtype, Shape shape, const std::vector<double>& values);
  /// What lies in memory. REQUIRES: as many bytes as the shape needs.
  static HostTensor from_bytes(DType dtype, Shape shape, std::vector<std::byte> bytes);
  /// Uniform in [low, high), rounded to the dtype.
  static HostTensor uniform(DType dtype, Shape shape, Values& values, double low, double high);

  bool absent() const { return absent_; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::int64_t count() const { return static_cast<std::int64_t>(values_.size()); }
  /// The exact value of element i in row-major order.
  double operator[](std::int64_t i) const { return values_[static_cast<std::size_t>(i)]; }
  const std::vector<double>& values() const { return values_; }
  /// Stores a value, rounded to the dtype.
  void set(std::int64_t i, double value);
  const std::vector<std::byte>& bytes() const { return bytes_; }
  /// The bits of element i, in the low end of the word.
  std::uint64_t bits(std::int64_t i) const;
  /// Rows begin … begin + count - 1 of the outermost dimension.
  HostTensor rows(std::int64_t begin, std::int64_t count) const;

 private:
  std::byte* at(std::int64_t i) {
    return bytes_.data() + static_cast<std::size_t>(i) * size_of(dtype_);
  }
  DType dtype_ = DType::f32;
  Shape shape_{0};
  bool absent_ = true;
  std::vector<std::byte> bytes_;
  std::vector<double> values_;
};

}  // namespace triptych::testing

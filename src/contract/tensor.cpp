#include "triptych/tensor.h"

#include <fmt/format.h>

#include "triptych/error.h"

namespace triptych {

Shape::Shape(std::initializer_list<std::int64_t> extents) {
  if (extents.size() > extents_.size()) {
    throw usage_error(
        fmt::format("shape: {} extents, at most 4; fold the outer ones", extents.size()));
  }
  for (const std::int64_t extent : extents) {
    if (extent < 0) throw usage_error(fmt::format("shape: extent {} is negative", extent));
    extents_[static_cast<std::size_t>(rank_++)] = extent;
  }
}

std::int64_t Shape::count() const {
  std::int64_t product = 1;
  for (int i = 0; i < rank_; ++i) {
    if (__builtin_mul_overflow(product, (*this)[i], &product)) {
      throw usage_error("shape: " + str() + " has more than 2^63 elements");
    }
  }
  return product;
}

std::string Shape::str() const {
  std::string text = "[";
  for (int i = 0; i < rank_; ++i) text += (i ? ", " : "") + std::to_string((*this)[i]);
  return text + "]";
}

void ConstTensor::require(DType wanted) const {
  if (dtype != wanted) {
    throw usage_error(fmt::format("tensor: read as {}, but it holds {}", name_of(wanted),
                                  name_of(dtype)));
  }
}

ConstTensor ConstTensor::reshape(Shape to) const {
  if (to.count() != count()) {
    throw usage_error("tensor: " + shape.str() + " cannot be reshaped to " + to.str());
  }
  return {data, dtype, to};
}

ConstTensor ConstTensor::prefix(Shape to) const {
  if (to.count() > count()) {
    throw usage_error("tensor: " + to.str() + " does not fit in " + shape.str());
  }
  return {data, dtype, to};
}

ConstTensor ConstTensor::rows(std::int64_t begin, std::int64_t rows) const {
  if (shape.rank() == 0 || begin < 0 || rows < 0 || begin + rows > shape[0]) {
    throw usage_error(fmt::format("tensor: rows {} … {} of shape {}", begin, begin + rows - 1,
                                  shape.str()));
  }
  const std::int64_t row = shape[0] == 0 ? 0 : count() / shape[0];
  Shape slice;
  switch (shape.rank()) {
    case 1: slice = Shape{rows}; break;
    case 2: slice = Shape{rows, shape[1]}; break;
    case 3: slice = Shape{rows, shape[1], shape[2]}; break;
    default: slice = Shape{rows, shape[1], shape[2], shape[3]};
  }
  const auto* bytes = static_cast<const std::byte*>(data);
  return {bytes == nullptr ? nullptr : bytes + static_cast<std::size_t>(begin * row) * size_of(dtype),
          dtype, slice};
}

Tensor Tensor::reshape(Shape to) const {
  const ConstTensor view = ConstTensor(*this).reshape(to);
  return {data, dtype, view.shape};
}

Tensor Tensor::prefix(Shape to) const {
  const ConstTensor view = ConstTensor(*this).prefix(to);
  return {data, dtype, view.shape};
}

Tensor Tensor::rows(std::int64_t begin, std::int64_t count) const {
  const ConstTensor view = ConstTensor(*this).rows(begin, count);
  return {const_cast<void*>(view.data), dtype, view.shape};
}

}  // namespace triptych

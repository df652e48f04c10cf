#include "support/host_tensor.h"

#include <cstring>
#include <string>

#include "triptych/error.h"

namespace triptych::testing {
namespace {

template <class T>
void put(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

template <class T>
T get(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

void encode(DType dtype, double value, std::byte* to) {
  const float narrow = static_cast<float>(value);
  switch (dtype) {
    case DType::f64: return put(to, value);
    case DType::f32: return put(to, narrow);
    case DType::bf16: return put(to, bf16(narrow));
    case DType::e4m3: return put(to, e4m3(narrow));
    case DType::e5m6: return put(to, e5m6(narrow));
    case DType::i32: return put(to, static_cast<std::int32_t>(value));
  }
}

double decode(DType dtype, const std::byte* from) {
  switch (dtype) {
    case DType::f64: return get<double>(from);
    case DType::f32: return static_cast<double>(get<float>(from));
    case DType::bf16: return static_cast<double>(static_cast<float>(get<bf16>(from)));
    case DType::e4m3: return static_cast<double>(static_cast<float>(get<e4m3>(from)));
    case DType::e5m6: return static_cast<double>(static_cast<float>(get<e5m6>(from)));
    case DType::i32: return get<std::int32_t>(from);
  }
  return 0;
}

}  // namespace

HostTensor::HostTensor(DType dtype, Shape shape)
    : dtype_(dtype),
      shape_(shape),
      absent_(false),
      bytes_(static_cast<std::size_t>(shape.count()) * size_of(dtype)),
      values_(static_cast<std::size_t>(shape.count())) {}

HostTensor::HostTensor(DType dtype, Shape shape, const std::vector<double>& values)
    : HostTensor(dtype, shape) {
  if (values.size() != values_.size()) {
    throw usage_error("host tensor: " + std::to_string(values.size()) + " values for " + shape.str());
  }
  for (std::int64_t i = 0; i < count(); ++i) set(i, values[static_cast<std::size_t>(i)]);
}

HostTensor HostTensor::from_bytes(DType dtype, Shape shape, std::vector<std::byte> bytes) {
  HostTensor tensor(dtype, shape);
  if (bytes.size() != tensor.bytes_.size()) {
    throw usage_error("host tensor: " + std::to_string(bytes.size()) + " bytes for " + shape.str());
  }
  tensor.bytes_ = std::move(bytes);
  for (std::int64_t i = 0; i < tensor.count(); ++i) {
    tensor.values_[static_cast<std::size_t>(i)] = decode(dtype, tensor.at(i));
  }
  return tensor;
}

HostTensor HostTensor::uniform(DType dtype, Shape shape, Values& values, double low, double high) {
  HostTensor tensor(dtype, shape);
  for (std::int64_t i = 0; i < tensor.count(); ++i) tensor.set(i, values.uniform(low, high));
  return tensor;
}

void HostTensor::set(std::int64_t i, double value) {
  encode(dtype_, value, at(i));
  values_[static_cast<std::size_t>(i)] = decode(dtype_, at(i));
}

std::uint64_t HostTensor::bits(std::int64_t i) const {
  std::uint64_t word = 0;  // little-endian, as all machines are that the project runs on
  std::memcpy(&word, bytes_.data() + static_cast<std::size_t>(i) * size_of(dtype_), size_of(dtype_));
  return word;
}

HostTensor HostTensor::rows(std::int64_t begin, std::int64_t count) const {
  const ConstTensor whole{bytes_.data(), dtype_, shape_};
  const ConstTensor part = whole.rows(begin, count);
  std::vector<std::byte> bytes(part.bytes());
  if (!bytes.empty()) std::memcpy(bytes.data(), part.data, bytes.size());
  return from_bytes(dtype_, part.shape, std::move(bytes));
}

}  // namespace triptych::testing

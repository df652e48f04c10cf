#include "triptych/tier.h"

#include <fmt/format.h>

namespace triptych {
namespace {

constexpr std::size_t alignment = 256;
constexpr std::size_t most_bytes = std::size_t{1} << 62;

constexpr std::size_t align(std::size_t bytes) {
  return (bytes + alignment - 1) / alignment * alignment;
}

}  // namespace

std::string FaultReport::str() const {
  switch (fault) {
    case Fault::none: return "";
    case Fault::token_out_of_range:
      return fmt::format("the token at position {} is outside the vocabulary; check the data against "
                         "vocab_size", index);
    case Fault::router_not_finite:
      return fmt::format("the router's logits of token {} are not finite; lower the learning rate or "
                         "resume from an earlier checkpoint", index);
    case Fault::expert_out_of_range:
      return fmt::format("token {} is routed to an expert that does not exist", index);
    case Fault::logits_not_finite:
      return fmt::format("the logits of token {} are not finite; lower the learning rate or resume "
                         "from an earlier checkpoint", index);
    case Fault::gradient_not_finite:
      return fmt::format("element {} of a gradient is not finite; lower the learning rate or resume "
                         "from an earlier checkpoint", index);
    case Fault::capacity_exceeded:
      return fmt::format("{} rows were routed here, more than the buffers hold; raise the capacity",
                         index);
  }
  return fmt::format("unknown fault {}", static_cast<int>(fault));
}

Arena::Arena(Tier& tier, std::size_t bytes)
    : tier_(&tier), base_(static_cast<std::byte*>(tier.allocate(bytes))), size_(bytes) {}

Arena::~Arena() {
  if (tier_ != nullptr) tier_->deallocate(base_);
}

Tensor Arena::take(DType dtype, Shape shape) {
  const std::size_t begin = used_;
  std::size_t bytes = 0;
  // An extent that a plan cannot count would wrap round to a small one.
  if (__builtin_mul_overflow(shape.count(), size_of(dtype), &bytes) || bytes > most_bytes - begin) {
    throw usage_error(fmt::format("arena: {} {} beside {} bytes is more than there is to address; use a "
                                  "smaller batch or narrower layers", name_of(dtype), shape.str(), begin));
  }
  used_ += align(bytes);
  if (tier_ == nullptr) return {nullptr, dtype, shape};
  if (used_ > size_) {
    throw usage_error(fmt::format("arena: {} {} needs {} bytes, {} of {} are left", name_of(dtype),
                                  shape.str(), bytes, size_ - begin, size_));
  }
  return {base_ + begin, dtype, shape};
}

QuantizedRows Arena::take_quantized_rows(std::int64_t rows, std::int64_t columns, DType dtype) {
  const std::int64_t blocks = (columns + fp8_block - 1) / fp8_block;
  const Tensor q = take(dtype, {rows, columns});
  return {q, take(DType::f32, {rows, blocks})};
}

QuantizedColumns Arena::take_quantized_columns(std::int64_t columns, std::int64_t padded) {
  const Tensor q = take(DType::e4m3, {columns, padded});
  return {q, take(DType::f32, {columns, padded / fp8_block})};
}

QuantizedWeight Arena::take_quantized_weight(std::int64_t experts, std::int64_t n, std::int64_t k) {
  const auto blocks = [](std::int64_t extent) { return (extent + fp8_block - 1) / fp8_block; };
  const Tensor q = take(DType::e4m3, {experts, n, k});
  const Tensor transposed = take(DType::e4m3, {experts, k, n});
  return {q, transposed, take(DType::f32, {experts, blocks(n), blocks(k)})};
}

}  // namespace triptych

#include "model/parameters.h"

#include <fmt/format.h>

namespace triptych {
namespace {

/// Gradients are cut out of one tensor at multiples of this many elements, so that each begins aligned.
constexpr std::int64_t gradient_granule = 64;

std::int64_t granules(std::int64_t count) {
  return (count + gradient_granule - 1) / gradient_granule * gradient_granule;
}

/// FP8 products need whole 128-blocks along both inner extents.
bool fits_fp8(const Parameter& p) {
  return p.kind == ParameterKind::linear && p.shape[1] % fp8_block == 0 &&
         p.shape[2] % fp8_block == 0;
}

}  // namespace

Parameter& Parameters::add(std::string name, ParameterKind kind, Shape shape) {
  Parameter& p = all_.emplace_back();
  p.name = std::move(name);
  p.kind = kind;
  p.shape = shape;
  return p;
}

void Parameters::take(Arena& arena) {
  const DType acc = accumulation_dtype(options_.precision);
  const DType store = storage_dtype(options_.precision);
  const DType moment = options_.bf16_moments && acc == DType::f32 ? DType::bf16 : acc;
  std::int64_t total = 0;
  for (Parameter& p : all_) {
    const bool operand = p.kind == ParameterKind::linear || p.kind == ParameterKind::table;
    p.master = arena.take(acc, p.shape);
    const bool fp8 = options_.precision == Precision::fp8 && fits_fp8(p);
    if (fp8) p.fp8 = arena.take_quantized_weight(p.shape[0], p.shape[1], p.shape[2]);
    if (operand && store != acc && (!fp8 || p.keep_copy)) p.copy = arena.take(store, p.shape);
    if (options_.training && p.trained()) {
      p.first = arena.take(moment, p.shape);
      p.second = arena.take(moment, p.shape);
      total += granules(p.shape.count());
    }
  }
  if (!options_.training) return;
  gradients_ = arena.take(acc, {total});
  std::int64_t begin = 0;
  for (Parameter& p : all_) {
    if (!p.trained()) continue;
    p.grad = gradients_.data == nullptr ? Tensor{nullptr, acc, p.shape}
                                        : gradients_.rows(begin, p.shape.count()).reshape(p.shape);
    begin += granules(p.shape.count());
  }
}

void Parameters::refresh(Tier& tier) const {
  for (const Parameter& p : all_) {
    if (!p.copy.absent()) tier.cast({p.master, p.copy});
  }
  quantize(tier);
}

void Parameters::quantize(Tier& tier) const {
  for (const Parameter& p : all_) {
    if (p.quantized()) tier.quantize_weight({p.master, p.fp8, options_.scale_rule});
  }
}

const Parameter& Parameters::at(const std::string& name) const {
  for (const Parameter& p : all_) {
    if (p.name == name) return p;
  }
  throw usage_error(fmt::format("model: there is no parameter '{}'", name));
}

}  // namespace triptych

#include <algorithm>
#include <array>
#include <cmath>

#include "reference/numeric.h"
#include "reference/reference.h"

namespace triptych::reference {
namespace {

constexpr float smallest_amax = 1e-4f;

/// The scale of a tile whose largest magnitude is amax; NaN stays NaN, so that it reaches the codes.
float scale_of(float amax, float largest, ScaleRule rule) {
  const float scale = (amax > smallest_amax || std::isnan(amax) ? amax : smallest_amax) / largest;
  if (rule == ScaleRule::exact || !std::isfinite(scale)) return scale;
  int exponent = 0;
  const float significand = std::frexp(scale, &exponent);  // in [1/2, 1)
  return std::ldexp(1.0f, significand == 0.5f ? exponent - 1 : exponent);
}

float magnitude(float value, float amax) {
  // std::max would lose a NaN on one side.
  return std::isnan(value) || std::isnan(amax) ? std::numeric_limits<float>::quiet_NaN()
                                               : std::max(amax, std::fabs(value));
}

float as_float(double value) { return static_cast<float>(value); }
float as_float(float value) { return value; }
float as_float(bf16 value) { return static_cast<float>(value); }

/// Calls f.template operator()<Q>() with the code's C++ type.
template <class F>
void with_codes(DType dtype, F&& f) {
  if (dtype == DType::e5m6) return f.template operator()<e5m6>();
  return f.template operator()<e4m3>();
}

/// Reads one element of quantize_transpose's input as f32.
class TransposeSource {
 public:
  explicit TransposeSource(const QuantizeTranspose& a) {
    const bool codes = !a.quantized.q.absent();
    const ConstTensor in = codes ? ConstTensor(a.quantized.q) : a.x;
    data_ = in.data;
    dtype_ = in.dtype;
    rows_ = in.shape[0];
    columns_ = in.shape[1];
    if (codes) scale_ = a.quantized.scale.as<float>();
  }
  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }
  float at(std::int64_t r, std::int64_t c) const {
    const std::int64_t i = r * columns_ + c;
    switch (dtype_) {
      case DType::f64: return static_cast<float>(static_cast<const double*>(data_)[i]);
      case DType::f32: return static_cast<const float*>(data_)[i];
      case DType::bf16: return static_cast<float>(static_cast<const bf16*>(data_)[i]);
      case DType::e5m6: return static_cast<float>(static_cast<const e5m6*>(data_)[i]) * scale_at(r, c);
      default: return static_cast<float>(static_cast<const e4m3*>(data_)[i]) * scale_at(r, c);
    }
  }

 private:
  float scale_at(std::int64_t r, std::int64_t c) const {
    return scale_[r * tiles(columns_, fp8_block) + c / fp8_block];
  }
  const void* data_;
  DType dtype_;
  std::int64_t rows_, columns_;
  const float* scale_ = nullptr;
};

}  // namespace

void ReferenceTier::do_quantize_rows(const QuantizeRows& a) {
  with_storage(a.x.dtype, [&]<class S, class A>() {
    with_codes(a.out.q.dtype, [&]<class Q>() {
      const std::int64_t r_count = a.x.shape[0], n = a.x.shape[1], blocks = tiles(n, fp8_block);
      const S* x = a.x.as<S>();
      auto* q = static_cast<Q*>(a.out.q.data);
      float* scales = a.out.scale.as<float>();
      pool_.run(r_count, [&](std::int64_t r, int) {
        for (std::int64_t b = 0; b < blocks; ++b) {
          const std::int64_t begin = b * fp8_block, end = std::min<std::int64_t>(n, begin + fp8_block);
          // 1. The tile's largest magnitude gives its scale.
          float amax = 0;
          for (std::int64_t c = begin; c < end; ++c) amax = magnitude(as_float(x[r * n + c]), amax);
          const float scale = scale_of(amax, Q::largest, a.rule);
          scales[r * blocks + b] = scale;
          // 2. q = round(x / scale).
          for (std::int64_t c = begin; c < end; ++c) q[r * n + c] = Q(as_float(x[r * n + c]) / scale);
        }
      });
    });
  });
}

void ReferenceTier::do_dequantize_rows(const DequantizeRows& a) {
  with_storage(a.x.dtype, [&]<class S, class A>() {
    with_codes(a.in.q.dtype, [&]<class Q>() {
      const std::int64_t r_count = a.x.shape[0], n = a.x.shape[1], blocks = tiles(n, fp8_block);
      const auto* q = static_cast<const Q*>(a.in.q.data);
      const float* scales = a.in.scale.as<float>();
      S* x = a.x.as<S>();
      pool_.run(r_count, [&](std::int64_t r, int) {
        for (std::int64_t c = 0; c < n; ++c) {
          x[r * n + c] = static_cast<S>(static_cast<float>(q[r * n + c]) * scales[r * blocks + c / fp8_block]);
        }
      });
    });
  });
}

void ReferenceTier::do_quantize_transpose(const QuantizeTranspose& a) {
  const TransposeSource source(a);
  const std::int64_t n = source.columns(), p = a.out.q.shape[1], blocks = p / fp8_block;
  const std::int64_t groups = a.offsets.absent() ? 1 : a.offsets.shape[0] - 1;
  const std::int32_t whole[2] = {0, static_cast<std::int32_t>(source.rows())};
  const std::int32_t start[2] = {0, static_cast<std::int32_t>(p)};
  const std::int32_t* offsets = a.offsets.absent() ? whole : a.offsets.as<std::int32_t>();
  const std::int32_t* padded = a.offsets.absent() ? start : a.padded_offsets.as<std::int32_t>();
  auto* q = a.out.q.as<e4m3>();
  float* scales = a.out.scale.as<float>();
  // One block of 128 padded rows a task.
  pool_.run(blocks, [&](std::int64_t b, int) {
    const std::int64_t first = b * fp8_block;
    std::int64_t g = 0;
    while (g < groups && first >= padded[g + 1]) ++g;
    // 1. Which rows of the input these are; past the group's last one there is padding.
    const std::int64_t begin = g < groups ? offsets[g] + (first - padded[g]) : 0;
    const std::int64_t end =
        g < groups ? std::min<std::int64_t>(begin + fp8_block, offsets[g + 1]) : begin;
    for (std::int64_t c = 0; c < n; ++c) {
      // 2. The largest magnitude of 128 rows of a column gives their scale; padding has scale 1.
      float amax = 0;
      for (std::int64_t r = begin; r < end; ++r) amax = magnitude(source.at(r, c), amax);
      const float scale = end > begin ? scale_of(amax, e4m3::largest, a.rule) : 1.0f;
      scales[c * blocks + b] = scale;
      // 3. q = round(x / scale), transposed.
      e4m3* out = q + c * p + first;
      for (std::int64_t i = 0; i < fp8_block; ++i) {
        out[i] = begin + i < end ? e4m3(source.at(begin + i, c) / scale) : e4m3(0.0f);
      }
    }
  });
}

void ReferenceTier::do_quantize_weight(const QuantizeWeightArgs& a) {
  with_storage(a.w.dtype, [&]<class S, class A>() {
    const std::int64_t e_count = a.w.shape[0], n = a.w.shape[1], k = a.w.shape[2];
    const std::int64_t n_blocks = tiles(n, fp8_block), k_blocks = tiles(k, fp8_block);
    const S* w = a.w.as<S>();
    e4m3 *q = a.out.q.as<e4m3>(), *transposed = a.out.qT.as<e4m3>();
    float* scales = a.out.scale.as<float>();
    pool_.run(e_count * n_blocks * k_blocks, [&](std::int64_t task, int) {
      const std::int64_t e = task / (n_blocks * k_blocks);
      const std::int64_t i0 = task / k_blocks % n_blocks * fp8_block, j0 = task % k_blocks * fp8_block;
      const std::int64_t i1 = std::min<std::int64_t>(n, i0 + fp8_block);
      const std::int64_t j1 = std::min<std::int64_t>(k, j0 + fp8_block);
      const S* matrix = w + e * n * k;
      // 1. The block's largest magnitude gives its scale.
      float amax = 0;
      for (std::int64_t i = i0; i < i1; ++i) {
        for (std::int64_t j = j0; j < j1; ++j) amax = magnitude(as_float(matrix[i * k + j]), amax);
      }
      const float scale = scale_of(amax, e4m3::largest, a.rule);
      scales[task] = scale;
      // 2. Codes, both ways.
      for (std::int64_t i = i0; i < i1; ++i) {
        for (std::int64_t j = j0; j < j1; ++j) {
          const e4m3 code(as_float(matrix[i * k + j]) / scale);
          q[(e * n + i) * k + j] = code;
          transposed[(e * k + j) * n + i] = code;
        }
      }
    });
  });
}

}  // namespace triptych::reference

/// \file
/// The formulas of triptych/quantize.h: exact, every step in f32 as the contract says.
#pragma once

#include "support/oracle.h"
#include "support/rounding.h"
#include "triptych/quantize.h"

namespace triptych::testing::oracle {

/// Codes and scales, in the shapes of the contract.
struct Quantized {
  HostTensor q, scale;
};

inline const NarrowFormat& format_of(DType code) {
  return code == DType::e5m6 ? NarrowFormat::e5m6() : NarrowFormat::e4m3();
}

/// scale = max(amax, 1e-4) / L in f32; with ScaleRule::power_of_two the next power of two.
inline float scale_of(float amax, DType code, ScaleRule rule) {
  const float floored = amax > 1e-4f || std::isnan(amax) ? amax : 1e-4f;
  const float scale = floored / static_cast<float>(format_of(code).largest());
  if (rule == ScaleRule::exact || std::isnan(scale)) return scale;
  float power = 0x1p-100f;
  while (power < scale) power *= 2;
  return power;
}

/// round(x / scale), the quotient in f32.
inline double code_value(double x, float scale, DType code) {
  const float quotient = static_cast<float>(x) / scale;
  return std::isnan(quotient) ? static_cast<double>(quotient) : format_of(code).nearest(quotient);
}

/// One tile of a quantised tensor: which elements share a scale.
template <class Each>
float amax_of(const HostTensor& x, Each&& each) {
  float amax = 0;
  bool nan = false;
  each([&](std::int64_t i) {
    const float size = std::fabs(static_cast<float>(x[i]));
    nan = nan || std::isnan(size);
    amax = size > amax ? size : amax;
  });
  return nan ? std::nanf("") : amax;
}

/// One scale for each 128 columns of a row.
inline Quantized quantize_rows(const HostTensor& x, DType code, ScaleRule rule) {
  const std::int64_t r_count = x.shape()[0], n = x.shape()[1], blocks = (n + 127) / 128;
  Quantized out{HostTensor(code, {r_count, n}), HostTensor(DType::f32, {r_count, blocks})};
  for (std::int64_t r = 0; r < r_count; ++r) {
    for (std::int64_t b = 0; b < blocks; ++b) {
      const auto each = [&](const auto& visit) {
        for (std::int64_t c = b * 128; c < std::min(n, b * 128 + 128); ++c) visit(r * n + c);
      };
      const float scale = scale_of(amax_of(x, each), code, rule);
      out.scale.set(r * blocks + b, scale);
      each([&](std::int64_t i) { out.q.set(i, code_value(x[i], scale, code)); });
    }
  }
  return out;
}

/// q · scale[r, c/128], exact.
inline HostTensor dequantized_rows(const HostTensor& q, const HostTensor& scale) {
  const std::int64_t n = q.shape()[1], blocks = (n + 127) / 128;
  HostTensor x(DType::f64, q.shape());
  for (std::int64_t i = 0; i < q.count(); ++i) x.set(i, q[i] * scale[i / n * blocks + i % n / 128]);
  return x;
}

/// q · scale[e, n/128, k/128], exact.
inline HostTensor dequantized_weight(const HostTensor& q, const HostTensor& scale) {
  const std::int64_t n = q.shape()[1], k = q.shape()[2], n_blocks = (n + 127) / 128, k_blocks = (k + 127) / 128;
  HostTensor w(DType::f64, q.shape());
  for (std::int64_t i = 0; i < q.count(); ++i) {
    const std::int64_t e = i / (n * k), row = i / k % n, column = i % k;
    w.set(i, q[i] * scale[(e * n_blocks + row / 128) * k_blocks + column / 128]);
  }
  return w;
}

/// The transpose, one scale for each 128 rows of a column, counted from each group's row 0. The padding
/// has codes of zero and, where a whole block of 128 is padding, scale 1.
inline Quantized quantize_transpose(const HostTensor& x, const HostTensor& offsets,
                                    const HostTensor& padded_offsets, std::int64_t p, ScaleRule rule) {
  const std::int64_t r_count = x.shape()[0], n = x.shape()[1], blocks = p / 128;
  const std::int64_t groups = offsets.absent() ? 1 : offsets.count() - 1;
  Quantized out{HostTensor(DType::e4m3, {n, p}), HostTensor(DType::f32, {n, blocks})};
  for (std::int64_t i = 0; i < out.scale.count(); ++i) out.scale.set(i, 1);
  for (std::int64_t g = 0; g < groups; ++g) {
    const auto first = offsets.absent() ? 0 : static_cast<std::int64_t>(offsets[g]);
    const auto last = offsets.absent() ? r_count : static_cast<std::int64_t>(offsets[g + 1]);
    const auto to = offsets.absent() ? 0 : static_cast<std::int64_t>(padded_offsets[g]);
    for (std::int64_t begin = first; begin < last; begin += 128) {
      for (std::int64_t c = 0; c < n; ++c) {
        const auto each = [&](const auto& visit) {
          for (std::int64_t r = begin; r < std::min(last, begin + 128); ++r) visit(r * n + c);
        };
        const float scale = scale_of(amax_of(x, each), DType::e4m3, rule);
        out.scale.set(c * blocks + (to + begin - first) / 128, scale);
        each([&](std::int64_t i) {
          out.q.set(c * p + to + i / n - first, code_value(x[i], scale, DType::e4m3));
        });
      }
    }
  }
  return out;
}

struct QuantizedBothWays {
  HostTensor q, qT, scale;
};

/// One scale for each 128×128 block of each expert; codes in both layouts.
inline QuantizedBothWays quantize_weight(const HostTensor& w, ScaleRule rule) {
  const std::int64_t e_count = w.shape()[0], n = w.shape()[1], k = w.shape()[2];
  const std::int64_t n_blocks = (n + 127) / 128, k_blocks = (k + 127) / 128;
  QuantizedBothWays out{HostTensor(DType::e4m3, {e_count, n, k}), HostTensor(DType::e4m3, {e_count, k, n}),
                        HostTensor(DType::f32, {e_count, n_blocks, k_blocks})};
  for (std::int64_t block = 0; block < e_count * n_blocks * k_blocks; ++block) {
    const std::int64_t e = block / (n_blocks * k_blocks);
    const std::int64_t i0 = block / k_blocks % n_blocks * 128, j0 = block % k_blocks * 128;
    const auto each = [&](const auto& visit) {
      for (std::int64_t i = i0; i < std::min(n, i0 + 128); ++i) {
        for (std::int64_t j = j0; j < std::min(k, j0 + 128); ++j) visit((e * n + i) * k + j);
      }
    };
    const float scale = scale_of(amax_of(w, each), DType::e4m3, rule);
    out.scale.set(block, scale);
    each([&](std::int64_t at) {
      const std::int64_t i = at / k % n, j = at % k;
      out.q.set(at, code_value(w[at], scale, DType::e4m3));
      out.qT.set((e * k + j) * n + i, out.q[at]);
    });
  }
  return out;
}

}  // namespace triptych::testing::oracle

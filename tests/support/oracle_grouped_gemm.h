/// \file
/// The formulas of triptych/grouped_gemm.h. FP8 operands come dequantised: code times scale is exact in
/// f64.
#pragma once

#include "support/oracle.h"

namespace triptych::testing::oracle {

/// Group e's rows begin at offsets[e]; without offsets, one group of all rows.
inline std::int64_t group_begin(const HostTensor& offsets, std::int64_t e, std::int64_t rows) {
  return offsets.absent() ? (e == 0 ? 0 : rows) : static_cast<std::int64_t>(offsets[e]);
}

/// y[r,n] = Σ_k x[r,k] · w[e(r),n,k]. Rows past the last group are zero here, and not to be judged.
inline Expected grouped_gemm_forward(const HostTensor& x, const HostTensor& w,
                                     const HostTensor& offsets) {
  const std::int64_t r_count = x.shape()[0], k = x.shape()[1], e_count = w.shape()[0], n = w.shape()[1];
  Expected y(r_count * n, static_cast<double>(k));
  for (std::int64_t e = 0; e < e_count; ++e) {
    for (std::int64_t r = group_begin(offsets, e, r_count); r < group_begin(offsets, e + 1, r_count); ++r) {
      for (std::int64_t j = 0; j < n; ++j) {
        for (std::int64_t i = 0; i < k; ++i) {
          y.add(r * n + j, static_cast<Real>(x[r * k + i]) * w[(e * n + j) * k + i]);
        }
      }
    }
  }
  return y;
}

/// dx[r,k] = Σ_n dy[r,n] · w[e(r),n,k].
inline Expected grouped_gemm_dgrad(const HostTensor& dy, const HostTensor& w,
                                   const HostTensor& offsets) {
  const std::int64_t r_count = dy.shape()[0], n = dy.shape()[1], e_count = w.shape()[0], k = w.shape()[2];
  Expected dx(r_count * k, static_cast<double>(n));
  for (std::int64_t e = 0; e < e_count; ++e) {
    for (std::int64_t r = group_begin(offsets, e, r_count); r < group_begin(offsets, e + 1, r_count); ++r) {
      for (std::int64_t j = 0; j < n; ++j) {
        for (std::int64_t i = 0; i < k; ++i) {
          dx.add(r * k + i, static_cast<Real>(dy[r * n + j]) * w[(e * n + j) * k + i]);
        }
      }
    }
  }
  return dx;
}

/// dw[e,n,k] (+)= Σ_{r in e} dy[r,n] · x[r,k]; pass zeros as dw when not accumulating.
inline Expected grouped_gemm_wgrad(const HostTensor& dy, const HostTensor& x,
                                   const HostTensor& offsets, const HostTensor& dw) {
  const std::int64_t r_count = dy.shape()[0], n = dy.shape()[1], k = x.shape()[1];
  Expected e_dw = starting_from(dw, 1);
  for (std::int64_t e = 0; e < dw.shape()[0]; ++e) {
    for (std::int64_t r = group_begin(offsets, e, r_count); r < group_begin(offsets, e + 1, r_count); ++r) {
      for (std::int64_t j = 0; j < n; ++j) {
        for (std::int64_t i = 0; i < k; ++i) {
          const std::int64_t at = (e * n + j) * k + i;
          e_dw.add(at, static_cast<Real>(dy[r * n + j]) * x[r * k + i]);
          ++e_dw.k[static_cast<std::size_t>(at)];
        }
      }
    }
  }
  return e_dw;
}

}  // namespace triptych::testing::oracle

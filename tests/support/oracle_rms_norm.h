/// \file
/// The formulas of triptych/rms_norm.h.
#pragma once

#include "support/oracle.h"

namespace triptych::testing::oracle {

/// ρ_t = 1 / √(mean_d x² + ε).
inline Real rms_norm_rho(const HostTensor& x, std::int64_t t, double epsilon) {
  const std::int64_t d = x.shape()[1];
  Real sum = 0;
  for (std::int64_t c = 0; c < d; ++c) sum += static_cast<Real>(x[t * d + c]) * x[t * d + c];
  return 1 / std::sqrt(sum / static_cast<Real>(d) + epsilon);
}

/// y = x · ρ · gamma.
inline Expected rms_norm_forward(const HostTensor& x, const HostTensor& gamma, double epsilon) {
  const std::int64_t t_count = x.shape()[0], d = x.shape()[1];
  Expected y(x.count(), static_cast<double>(d));
  for (std::int64_t t = 0; t < t_count; ++t) {
    const Real rho = rms_norm_rho(x, t, epsilon);
    for (std::int64_t c = 0; c < d; ++c) y.add(t * d + c, x[t * d + c] * rho * gamma[c]);
  }
  return y;
}

struct RmsNormGradients {
  Expected dx, dgamma;
};

/// dx = ρ · (g - x · ρ² · mean_d(g · x)) with g = gamma · dy;  dgamma += Σ_t dy · x · ρ.
inline RmsNormGradients rms_norm_backward(const HostTensor& x, const HostTensor& gamma,
                                          double epsilon, const HostTensor& dy,
                                          const HostTensor& dgamma) {
  const std::int64_t t_count = x.shape()[0], d = x.shape()[1];
  RmsNormGradients e{Expected(x.count(), static_cast<double>(d)),
                     starting_from(dgamma, static_cast<double>(d + t_count))};
  for (std::int64_t t = 0; t < t_count; ++t) {
    const Real rho = rms_norm_rho(x, t, epsilon);
    Real mean = 0, mean_size = 0;
    for (std::int64_t c = 0; c < d; ++c) {
      const Real term = static_cast<Real>(gamma[c]) * dy[t * d + c] * x[t * d + c] / static_cast<Real>(d);
      mean += term;
      mean_size += std::fabs(term);
    }
    for (std::int64_t c = 0; c < d; ++c) {
      const Real value = x[t * d + c], g = static_cast<Real>(gamma[c]) * dy[t * d + c];
      e.dx.add(t * d + c, rho * g);
      e.dx.add(t * d + c, -rho * value * rho * rho * mean,
               rho * std::fabs(value) * rho * rho * mean_size);
      e.dgamma.add(c, dy[t * d + c] * value * rho);
    }
  }
  return e;
}

}  // namespace triptych::testing::oracle

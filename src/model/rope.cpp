#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace triptych {
namespace {

double mscale(double factor, double m) {
  return factor > 1 ? 0.1 * m * std::log(factor) + 1 : 1;
}

}  // namespace

RopeTable rope_table(const ModelConfig& config, std::int64_t count) {
  const int p = static_cast<int>(config.qk_rope_head_dim);
  const double base = config.rope_theta;
  std::vector<double> frequency(static_cast<std::size_t>(p / 2));
  for (int m = 0; m < p / 2; ++m) {
    frequency[static_cast<std::size_t>(m)] = std::pow(base, -2.0 * m / p);
  }
  double factor = 1;
  if (config.rope_scaling) {
    const auto& yarn = *config.rope_scaling;
    // The pair whose wavelength fits `rotations` times in the original context.
    const auto pair_of = [&](double rotations) {
      const auto context = static_cast<double>(yarn.original_max_position_embeddings);
      return p * std::log(context / (rotations * 2 * std::numbers::pi)) / (2 * std::log(base));
    };
    const double low = std::max(std::floor(pair_of(yarn.beta_fast)), 0.0);
    double high = std::min(std::ceil(pair_of(yarn.beta_slow)), p - 1.0);
    if (low == high) high += 0.001;
    for (int m = 0; m < p / 2; ++m) {
      const double ramp = std::clamp((m - low) / (high - low), 0.0, 1.0);
      double& f = frequency[static_cast<std::size_t>(m)];
      f = f / yarn.factor * ramp + f * (1 - ramp);
    }
    factor = yarn.mscale != 0 && yarn.mscale_all_dim != 0
                 ? mscale(yarn.factor, yarn.mscale) / mscale(yarn.factor, yarn.mscale_all_dim)
                 : mscale(yarn.factor, 1);
  }
  RopeTable table;
  table.cos.reserve(static_cast<std::size_t>(count) * frequency.size());
  table.sin.reserve(static_cast<std::size_t>(count) * frequency.size());
  for (std::int64_t position = 0; position < count; ++position) {
    for (const double f : frequency) {
      table.cos.push_back(factor * std::cos(static_cast<double>(position) * f));
      table.sin.push_back(factor * std::sin(static_cast<double>(position) * f));
    }
  }
  return table;
}

double attention_scale(const ModelConfig& config) {
  double scale = 1 / std::sqrt(static_cast<double>(config.qk_nope_head_dim + config.qk_rope_head_dim));
  if (config.rope_scaling && config.rope_scaling->mscale_all_dim != 0) {
    const double m = mscale(config.rope_scaling->factor, config.rope_scaling->mscale_all_dim);
    scale *= m * m;
  }
  return scale;
}

}  // namespace triptych

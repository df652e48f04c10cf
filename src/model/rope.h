/// \file
/// The table of rotary positions, with YaRN where the config asks for it.
#pragma once

#include <cstdint>
#include <vector>

#include "model/config.h"

namespace triptych {

/// cos and sin of position · frequency for positions 0 … count-1: [count, P/2] each, row-major.
struct RopeTable {
  std::vector<double> cos, sin;
};

/// frequency_m = rope_theta^(-2m/P); under YaRN (arXiv 2309.00071) each frequency is blended between
/// itself and itself / factor by a ramp over the rotations that fit in the original context, and the
/// table is multiplied by mscale(factor, mscale) / mscale(factor, mscale_all_dim).
RopeTable rope_table(const ModelConfig& config, std::int64_t count);

/// The factor of the attention scores: 1/√(N+P), times mscale(factor, mscale_all_dim)² under YaRN.
/// mscale(s, m) = 0.1 · m · ln s + 1 for s > 1, else 1.
double attention_scale(const ModelConfig& config);

}  // namespace triptych

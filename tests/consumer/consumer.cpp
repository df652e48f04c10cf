// Uses nothing but the installed headers: normalises one row on the reference tier, and gets the
// contract's error for an argument that makes no sense.
#include <triptych/tier.h>
#include <triptych/version.h>

#include <cmath>
#include <cstdio>
#include <string>

int main() {
  const auto tier = triptych::make_tier({.name = "reference", .threads = 1});
  triptych::Arena memory(*tier, 4096);
  const triptych::Tensor x = memory.take(triptych::DType::f32, {1, 4});
  const triptych::Tensor gamma = memory.take(triptych::DType::f32, {4});
  const float row[4] = {3, -3, 3, -3}, ones[4] = {1, 1, 1, 1};
  tier->upload(x, row);
  tier->upload(gamma, ones);
  tier->rms_norm_forward({.x = x, .gamma = gamma, .epsilon = 1e-12, .y = x});
  float y[4] = {};
  tier->download(y, x);
  std::printf("Triptych %s: %g %g %g %g\n", triptych::version, y[0], y[1], y[2], y[3]);
  for (int i = 0; i < 4; ++i) {
    if (std::abs(std::abs(y[i]) - 1) > 1e-6f) return 1;
  }
  try {
    tier->rms_norm_forward({.x = x, .gamma = x, .y = x});
  } catch (const triptych::Error& error) {
    std::printf("%s\n", error.what());
    return error.kind() == triptych::ErrorKind::usage ? 0 : 1;
  }
  return 1;
}

// verdict: step 1: gain[0] is -1.62004, wanted -1.62248
#include <algorithm>
#include <cmath>

#include "adamw.h"

namespace triptych::tutorial {

void adamw_step(std::vector<Parameter>& parameters, const Settings& s, int step) {
  double squares = 0;
  for (const Parameter& p : parameters) {
    for (const double g : p.gradient) squares += g * g;
  }
  const double kept = std::min(1.0, s.clip / (std::sqrt(squares) + 1e-6));
  const double correct1 = 1 / (1 - std::pow(s.beta1, step));
  const double correct2 = 1 / (1 - std::pow(s.beta2, step));
  for (Parameter& p : parameters) {
    for (std::size_t i = 0; i < p.value.size(); ++i) {
      const double g = kept * p.gradient[i];
      p.first[i] = s.beta1 * p.first[i] + (1 - s.beta1) * g;
      p.second[i] = s.beta2 * p.second[i] + (1 - s.beta2) * g * g;
      const double m = p.first[i] * correct1, v = p.second[i] * correct2;
      p.value[i] -= s.rate * (m / (std::sqrt(v) + s.epsilon) + s.decay * p.value[i]);
    }
  }
}

}  // namespace triptych::tutorial

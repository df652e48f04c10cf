#include "adamw.h"

namespace triptych::tutorial {

// Plain gradient descent: no moments, no clipping, no decay. Make it AdamW; task.md has the
// formulas.
void adamw_step(std::vector<Parameter>& parameters, const Settings& settings, int /*step*/) {
  for (Parameter& p : parameters) {
    for (std::size_t i = 0; i < p.value.size(); ++i) {
      p.value[i] -= settings.rate * p.gradient[i];
    }
  }
}

}  // namespace triptych::tutorial

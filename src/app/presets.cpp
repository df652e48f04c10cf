#include "app/presets.h"

namespace triptych::app {

TrainOptions preset_options(const std::string& name) {
  preset_config(name);  // for its error
  TrainOptions options;
  // Biases that move by V3's 1e-3 a step come too late in a run of some hundred steps (chapter 2).
  constexpr double fast = 1e-2;
  if (name == "nano") {
    options.steps = 200;
    options.batch = 16;
    options.learning_rate = 4e-3;
    options.balance_speed = fast;
  } else if (name == "tiny") {
    options.steps = 500;
    options.batch = 8;
    options.learning_rate = 3e-3;
    options.balance_speed = fast;
  } else {
    options.steps = 2000;
    options.batch = 8;
    options.learning_rate = 1e-3;
  }
  return options;
}

}  // namespace triptych::app

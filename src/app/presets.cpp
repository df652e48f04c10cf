#include "app/presets.h"

namespace triptych::app {

TrainOptions preset_options(const std::string& name) {
  preset_config(name);  // for its error
  TrainOptions options;
  if (name == "nano") {
    options.steps = 200;
    options.batch = 16;
    options.learning_rate = 4e-3;
  } else if (name == "tiny") {
    options.steps = 500;
    options.batch = 8;
    options.learning_rate = 3e-3;
  } else {
    options.steps = 2000;
    options.batch = 8;
    options.learning_rate = 1e-3;
  }
  return options;
}

}  // namespace triptych::app

/// \file
/// What the exercise asks for.
#pragma once

#include <vector>

namespace triptych::tutorial {

/// One parameter tensor as the optimizer sees it; all four vectors have one length.
struct Parameter {
  std::vector<double> value;
  std::vector<double> gradient;
  std::vector<double> first;   ///< moment m, zeros before the first step
  std::vector<double> second;  ///< moment v, zeros before the first step
  bool decays = true;          ///< false for the gains of norms
};

/// AdamW's constants.
struct Settings {
  double rate = 3e-3;  ///< learning rate
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double decay = 0.1;  ///< weight decay, decoupled
  double clip = 1;     ///< largest norm of the whole gradient
};

/// Moves all parameters by one step, the `step`-th, counted from 1.
void adamw_step(std::vector<Parameter>& parameters, const Settings& settings, int step);

}  // namespace triptych::tutorial

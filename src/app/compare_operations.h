/// \file
/// Operations of one tier and precision, judged against f64 on the same stored inputs.
#pragma once

#include <string>
#include <vector>

#include "triptych/tier.h"

namespace triptych::app {

/// The largest error of one operation's output.
struct OperationError {
  std::string operation;
  double worst = 0;    ///< the largest error as a share of the error allowed: above 1 is a finding
  double largest = 0;  ///< the largest error as a share of the output's root mean square
};

/// Runs `rows` random rows of the model's width through the operations that compute in the storage type.
/// An output's bound is its constant of tolerance.h; the magnitude M in it is the same operation on
/// absolute values, in f64.
std::vector<OperationError> compare_operations(Tier& tier, Precision precision, std::int64_t rows,
                                               std::int64_t width, std::int64_t inner);

}  // namespace triptych::app

/// \file
/// The parameters of a model that has learned nothing yet.
#pragma once

#include <cstdint>

#include "model/model.h"

namespace triptych {

/// Gives every parameter its first value and makes the forms that products read (Parameters::refresh).
///
/// Matrices (linear, table, router): normal with mean 0 and standard deviation initializer_range,
/// rounded to f32, also where masters are f64: so all policies start from the same values. Norm gains
/// are 1, balancing biases 0. Each parameter draws from a stream of its own, chosen by its name, so its
/// values depend neither on the order of the parameters nor on which others there are.
/// Source: DeepSeek-V3 report §4.2 (0.006 there; the config's initializer_range here).
void initialize_parameters(const Model& model, std::uint64_t seed);

}  // namespace triptych

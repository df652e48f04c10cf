/// \file
/// What an oracle says of an output: the formula's value, and how much error may come with it.
///
/// The oracles (oracle_*.h) are the formulas of the contract's headers as plain loops, one element
/// after the other, in a wider type than any tier's. They share no code with a tier, because the f64
/// form of the reference tier needs a judge of its own.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "support/host_tensor.h"

namespace triptych::testing {

/// 64 significand bits or more wherever we run, so that an oracle's own error is far below f64's.
using Real = long double;

/// An output that is wanted.
struct Expected {
  explicit Expected(std::int64_t count = 0, double k_of_all = 0)
      : want(static_cast<std::size_t>(count)),
        magnitude(static_cast<std::size_t>(count)),
        k(static_cast<std::size_t>(count), k_of_all) {}

  std::int64_t count() const { return static_cast<std::int64_t>(want.size()); }
  /// Adds a term to element i: its value to `want`, its absolute value to `magnitude`.
  void add(std::int64_t i, Real term) { add(i, term, std::fabs(term)); }
  /// Adds a term whose own magnitude is larger than its absolute value.
  void add(std::int64_t i, Real term, Real term_magnitude) {
    want[static_cast<std::size_t>(i)] += term;
    magnitude[static_cast<std::size_t>(i)] += term_magnitude;
  }
  void set(std::int64_t i, Real value, Real value_magnitude) {
    want[static_cast<std::size_t>(i)] = value;
    magnitude[static_cast<std::size_t>(i)] = value_magnitude;
  }
  Real operator[](std::int64_t i) const { return want[static_cast<std::size_t>(i)]; }
  Real size(std::int64_t i) const { return magnitude[static_cast<std::size_t>(i)]; }

  std::vector<Real> want;       ///< the formula in Real
  std::vector<Real> magnitude;  ///< M of tolerance.h: the same formula of absolute values
  std::vector<double> k;        ///< k of tolerance.h: the sum's length
};

/// A copy of a tensor's values, as an output that starts there and is accumulated into.
inline Expected starting_from(const HostTensor& initial, double k) {
  Expected e(initial.count(), k);
  for (std::int64_t i = 0; i < e.count(); ++i) e.add(i, initial[i]);
  return e;
}

}  // namespace triptych::testing

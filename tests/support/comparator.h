/// \file
/// The judge: an output against what is wanted, element by element and row by row.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "support/oracle.h"
#include "triptych/precision.h"
#include "triptych/tolerance.h"

namespace triptych::testing {

/// What the judge may say.
enum class Verdict {
  agrees,      ///< every element is within its bound
  disagrees,   ///< an element is not, or is not finite where it should be, or a row was not written
  mistrusted,  ///< within bounds, but the comparison proves nothing: the output is mostly zero, or the
               ///< bound is mostly larger than the value. Fails a test as well.
};

/// Whether zeros may make up most of an output.
enum class Zeros { suspicious, expected };

/// A verdict and its reasons.
struct Comparison {
  Verdict verdict = Verdict::agrees;  ///< what
  double worst = 0;                   ///< the largest error as a share of the error allowed
  std::int64_t bad = 0;               ///< elements that disagree
  std::string report;                 ///< a few lines for a person
};

/// The roundoffs that a bound counts in: u_S and u_A of tolerance.h.
struct Dtypes {
  DType storage;
  DType accumulate;
};
inline Dtypes dtypes_of(Precision p) { return {storage_dtype(p), accumulation_dtype(p)}; }

/// Judges `got` against `want`.
///
/// An element agrees if |got - want| ≤ bound.allowed(want, M, k) + the smallest normal number of A,
/// below which relative bounds do not hold. NaN agrees with NaN and an infinity with itself, nothing
/// else that is not finite agrees. A row (the innermost dimension) of zeros disagrees with one that
/// is not zero, whatever the bound says.
Comparison compare(const HostTensor& got, const Expected& want, const Bound& bound, Dtypes dtypes,
                   Zeros zeros = Zeros::suspicious);

/// Judges bits: what is exact, and what must not depend on threads or rows.
Comparison compare_bits(const HostTensor& got, const HostTensor& want,
                        Zeros zeros = Zeros::suspicious);

/// The comparison as GoogleTest wants it: EXPECT_TRUE(agrees("y", …)).
::testing::AssertionResult agrees(const std::string& name, const HostTensor& got,
                                  const Expected& want, const Bound& bound, Dtypes dtypes,
                                  Zeros zeros = Zeros::suspicious);
/// Likewise for bits. Integers may be mostly zero.
::testing::AssertionResult same_bits(const std::string& name, const HostTensor& got,
                                     const HostTensor& want, Zeros zeros = Zeros::suspicious);

}  // namespace triptych::testing

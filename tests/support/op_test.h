/// \file
/// The fixture of every operation's test: one case is an operation on one tier, in one precision, at
/// one set of extents. A case that fails prints one line that repeats it.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/comparator.h"
#include "support/guarded_memory.h"

namespace triptych::testing {

/// Named extents, by the project's shape letters: Extents{{'T', 7}, {'D', 97}}.
class Extents {
 public:
  Extents(std::initializer_list<std::pair<char, std::int64_t>> extents) : extents_(extents) {}
  /// The extent of a letter. REQUIRES: it is there.
  std::int64_t operator[](char letter) const;
  /// "T7_D97"
  std::string name() const;

 private:
  std::vector<std::pair<char, std::int64_t>> extents_;
};

/// What one test case runs.
struct Case {
  std::string tier;
  Precision precision;
  Extents extents;
};
void PrintTo(const Case& c, std::ostream* out);
/// "reference_bf16_T7_D97"
std::string case_name(const ::testing::TestParamInfo<Case>& info);

/// The tiers that make_tier knows: a new one joins every suite here.
const std::vector<std::string>& tier_names();
/// Every tier × precision × extents. f64 belongs to the reference tier alone.
std::vector<Case> cases(const std::vector<Precision>& precisions, const std::vector<Extents>& extents);
/// What most operations are tested in.
inline const std::vector<Precision> storage_precisions{Precision::f64, Precision::f32, Precision::bf16};

/// A number that depends on a test's name and on --gtest_random_seed, and on nothing else.
std::uint64_t seed_of_this_test();

/// Makes the case's tier, or skips with the reason why this machine cannot.
class OpTest : public ::testing::TestWithParam<Case> {
 protected:
  OpTest();
  void SetUp() override;
  void TearDown() override;

  Tier& tier() { return *tier_; }
  Precision precision() const { return GetParam().precision; }
  DType storage() const { return storage_dtype(precision()); }       ///< S
  DType accumulate() const { return accumulation_dtype(precision()); }  ///< A
  Dtypes dtypes() const { return dtypes_of(precision()); }
  /// For outputs that are held in A: nothing is rounded to S.
  Dtypes accumulated() const { return {accumulate(), accumulate()}; }
  std::int64_t extent(char letter) const { return GetParam().extents[letter]; }

  HostTensor uniform(DType dtype, Shape shape, double low = -1, double high = 1) {
    return HostTensor::uniform(dtype, shape, values_, low, high);
  }
  /// Integers in 0 … n-1.
  HostTensor indices(Shape shape, std::int64_t n);
  Values& values() { return values_; }

  Tensor in(const std::string& name, const HostTensor& t) { return memory_->input(name, t); }
  Tensor out(const std::string& name, DType d, Shape s) { return memory_->output(name, d, s); }
  Tensor inout(const std::string& name, const HostTensor& t) { return memory_->update(name, t); }
  HostTensor read(const ConstTensor& t) const { return memory_->read(t); }

  /// Runs an operation, then checks that it wrote nothing but its outputs and left exactly this fault.
  template <class Operation>
  void run(Operation&& operation, FaultReport fault = {}) {
    operation();
    check_after(fault);
  }

 private:
  void check_after(FaultReport fault);
  std::unique_ptr<Tier> tier_;
  std::unique_ptr<GuardedMemory> memory_;
  Values values_;
};

/// The line under a failed test that repeats it; registered by the first include of this header.
bool install_repeat_line();
inline const bool repeat_line_installed = install_repeat_line();

}  // namespace triptych::testing

/// \file
/// How an exercise's check tells a learner what is wrong: the first wrong element of the first
/// wrong case, and the command that repeats that case alone.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "triptych/tensor.h"

namespace triptych::tutorial {

/// The judgement of one case. Of everything that is wrong it keeps what was found first, so judge
/// in the order in which a learner should mend.
class Verdict {
 public:
  /// What the case is, for a person: "T 6, E 4, K 2".
  void about(std::string description) { description_ = std::move(description); }

  /// Integers and bits: equal. `shape` turns a place into indices: row_of[2,1].
  void equal(std::string_view name, const Shape& shape, std::span<const int> got,
             std::span<const int> want);
  /// Numbers: |got - want| ≤ bound · max(1, |want|). NaN is never right.
  void close(std::string_view name, const Shape& shape, std::span<const double> got,
             std::span<const double> want, double bound);
  /// Anything else; `otherwise` says what is wrong if it does not hold.
  void that(bool holds, std::string_view otherwise);

  bool right() const { return wrong_.empty(); }
  const std::string& wrong() const { return wrong_; }              ///< one line; empty if right
  const std::string& description() const { return description_; }  ///< what about() was told

 private:
  std::string description_, wrong_;
};

/// The main function of a check. Judges the cases 0 … count-1, or the one that the command line
/// names, until one is wrong:
///
///     wrong: row_of[2,1] is 4, wanted 5
///     case:  T 6, E 4, K 2
///     again: build/release/tutorials/01_moe_layer/exercise/start 3
///
/// Returns the exit code: 0 if all are right, 1 if one is wrong, 2 for a command line that makes no
/// sense.
int judge(int argc, char** argv, int count, const std::function<void(int, Verdict&)>& judge_case);
/// The same for a program whose command line up to the case is `program`; argv[1] is the case.
int judge(const std::string& program, int argc, char** argv, int count,
          const std::function<void(int, Verdict&)>& judge_case);

}  // namespace triptych::tutorial

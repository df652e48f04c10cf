/// \file
/// The one exception type of the project, and the exit code that each kind of failure ends in.
#pragma once

#include <stdexcept>
#include <string>

namespace triptych {

/// Why something could not be done. The value is the process's exit code.
enum class ErrorKind : int {
  finding = 1,      ///< A check found something: a mismatch, a NaN, a race.
  usage = 2,        ///< The caller asked for something that makes no sense: a shape, a flag, a config.
  environment = 3,  ///< The machine or a file is not as needed: missing, unreadable, full, corrupt.
};

/// A failure, told in one line that names the offending value and the remedy:
/// `grouped_gemm: K = 100 is not a multiple of 128 (one FP8 scale block); use the bf16 policy`.
class Error : public std::runtime_error {
 public:
  /// An error of this kind; what() returns the line.
  Error(ErrorKind kind, const std::string& line) : std::runtime_error(line), kind_(kind) {}

  /// What kind of failure it is; `static_cast<int>` of it is the exit code.
  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

/// A malformed argument, shape, flag or configuration (exit code 2).
inline Error usage_error(const std::string& line) { return Error(ErrorKind::usage, line); }
/// A file or machine that is not as needed (exit code 3).
inline Error environment_error(const std::string& line) { return Error(ErrorKind::environment, line); }
/// Something a check found (exit code 1).
inline Error finding(const std::string& line) { return Error(ErrorKind::finding, line); }

}  // namespace triptych

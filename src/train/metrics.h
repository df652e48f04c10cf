/// \file
/// The metrics of a run as JSON lines: one object a step, one step a line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

namespace triptych {

/// Appends to a run's metrics file.
///
/// A line is written by one system call when its step is done, so a killed run leaves whole lines
/// and at most one torn one at the end. Earlier lines are never written again: a resume cuts the
/// file's end off and keeps the rest as it is.
class MetricsWriter {
 public:
  /// Opens the file, which may be missing, and keeps the lines of steps up to `last_step`: what
  /// comes after that step's line, whatever it is, and a torn last line, are cut off. A run that
  /// starts anew passes -1 and gets an empty file.
  ///
  /// Raises an environment_error that names the file, the line and the remedy when the file cannot
  /// be opened or cut, or when a line before the cut is no object with an integer "step" that is
  /// larger than the one before; the file is then left as it was.
  MetricsWriter(const std::filesystem::path& path, std::int64_t last_step);
  ~MetricsWriter();
  MetricsWriter(const MetricsWriter&) = delete;
  MetricsWriter& operator=(const MetricsWriter&) = delete;

  /// Appends {"step": step, …fields}. A number that is not finite becomes null. `fields` is an
  /// object without "step"; REQUIRES: step is larger than that of the line before (a usage_error
  /// else). A full disk raises an environment_error after the part that was written has been taken
  /// back.
  void write(std::int64_t step, const nlohmann::ordered_json& fields);

  /// Forces all lines to the disk: call it before a checkpoint that follows them is written.
  void sync();

  /// The step of the last line, -1 without one.
  std::int64_t last_step() const { return last_step_; }

 private:
  std::filesystem::path path_;
  int file_ = -1;
  std::int64_t size_ = 0;  // bytes of whole lines
  std::int64_t last_step_ = -1;
};

/// The lines of a metrics file, in order; a torn last line is left out. Raises an environment_error
/// that names file and line when the file cannot be read or a line is not as MetricsWriter writes
/// it.
std::vector<nlohmann::ordered_json> read_metrics(const std::filesystem::path& path);

}  // namespace triptych

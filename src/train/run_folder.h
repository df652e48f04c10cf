/// \file
/// The folder of a training run: one process at a time, and what lies in it.
#pragma once

#include <filesystem>

namespace triptych {

/// Holds a run's folder for as long as it lives: two processes that write the same run would destroy
/// each other's checkpoints. The lock ends with the process, also when it is killed.
class RunFolder {
 public:
  /// Makes the folder (and those above it) if it is missing. Raises an environment_error if that
  /// cannot be done or if another process holds it.
  explicit RunFolder(const std::filesystem::path& path);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path metrics() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path report() const { return path_ / "report.html"; }
  /// Removes a former run: checkpoints, metrics, report, and nothing else. Errors: remove_tree.
  void clear() const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace triptych

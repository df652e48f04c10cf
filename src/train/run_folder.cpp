#include "train/run_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "train/checkpoint.h"
#include "model/file_io.h"
#include "triptych/error.h"

namespace triptych {

RunFolder::RunFolder(const std::filesystem::path& path) : path_(path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    throw environment_error(fmt::format("cannot make the folder {}: {}; choose another --out",
                                        quoted_path(path), error.message()));
  }
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor_ < 0) {
    throw environment_error(fmt::format("cannot open the folder {}: {}; choose another --out",
                                        quoted_path(path), std::strerror(errno)));
  }
  // Some network file systems know no locks: there the user looks after it.
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(descriptor_);
    throw environment_error(fmt::format("another process trains in {}; wait for it, or choose another "
                                        "--out", quoted_path(path)));
  }
}

RunFolder::~RunFolder() { ::close(descriptor_); }

void RunFolder::clear() const {
  for (const auto& checkpoint : checkpoints_of(path_)) remove_tree(checkpoint);
  remove_unfinished(path_);
  remove_tree(metrics());
  remove_tree(report());
}

}  // namespace triptych

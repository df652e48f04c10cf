#include "model/file_io.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>  // renameat2: a GNU extension of the C header
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "triptych/error.h"

namespace triptych {
namespace fs = std::filesystem;
namespace {

std::string on_one_line(std::string text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080 … U+009F, the second set of control characters, is C2 80 … C2 9F.
    const bool second = byte >= 0x80 && byte < 0xA0 && i > 0 && text[i - 1] == '\xC2';
    if (second) text[i - 1] = '?';
    if (second || byte < 0x20 || byte == 0x7F) text[i] = '?';
  }
  return text;
}

const char* remedy(int cause) {
  switch (cause) {
    case ENOENT:
    case ENOTDIR:
      return "check the path";
    case EACCES:
    case EPERM:
      return "change its permissions, or choose another path";
    case EISDIR:
      return "name a file in it";
    case ENOSPC:
    case EDQUOT:
      return "free some space, or choose another disk";
    case EFBIG:
      return "raise the limit on file sizes (ulimit -f), or choose another disk";
    case EROFS:
      return "choose a path on a disk that can be written";
    case ENAMETOOLONG:
      return "choose a shorter name";
    default:
      return "check the disk, or choose another path";
  }
}

Error file_error(const char* what, const fs::path& path, int cause) {
  return environment_error(fmt::format("cannot {} {}: {}; {}", what, quoted_path(path),
                                       std::strerror(cause), remedy(cause)));
}

fs::path parent_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

}  // namespace

std::string quoted_text(std::string_view text) {
  std::string shown(text);
  if (text.size() > 200) {
    shown = std::string(text.substr(0, 150)) + "..." + std::string(text.substr(text.size() - 40));
  }
  return '\'' + on_one_line(std::move(shown)) + '\'';
}

std::string quoted_path(const fs::path& path) { return '\'' + on_one_line(path.string()) + '\''; }

std::string read_file(const fs::path& path, std::size_t max_bytes) {
  const InputFile file(path);
  if (file.size() > max_bytes) {
    throw environment_error(
        fmt::format("{} holds more than {} bytes, the most that is read; "
                    "choose a smaller file",
                    quoted_path(path), max_bytes));
  }
  std::string content(static_cast<std::size_t>(file.size()), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(content)));
  return content;
}

void write_file(const fs::path& path, std::string_view content) {
  OutputFile file(path);
  file.write_at(0, std::as_bytes(std::span(content)));
  file.commit();
}

Descriptor::~Descriptor() { close(); }

Descriptor::Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}

bool Descriptor::close() {
  const int number = std::exchange(number_, -1);
  return number < 0 || ::close(number) == 0;
}

InputFile::InputFile(fs::path path)
    : path_(std::move(path)), file_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (file_.get() < 0) throw file_error("open", path_, errno);
  struct stat status = {};
  if (::fstat(file_.get(), &status) != 0) throw file_error("read", path_, errno);
  if (S_ISDIR(status.st_mode)) throw file_error("read", path_, EISDIR);
  if (!S_ISREG(status.st_mode)) {
    throw environment_error(
        fmt::format("cannot read {}: it is a pipe or a device; give a regular "
                    "file",
                    quoted_path(path_)));
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

void InputFile::read_at(std::uint64_t offset, std::span<std::byte> into) const {
  while (!into.empty()) {
    const ssize_t got = ::pread(file_.get(), into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw file_error("read", path_, errno);
    if (got == 0) {
      throw environment_error(
          fmt::format("cannot read {}: it ends at byte {}, before byte {}; it "
                      "was cut while it was read: get it again",
                      quoted_path(path_), offset, offset + into.size()));
    }
    offset += static_cast<std::uint64_t>(got);
    into = into.subspan(static_cast<std::size_t>(got));
  }
}

OutputFile::OutputFile(fs::path path, std::uint64_t bytes)
    : path_(std::move(path)),
      temporary_(fs::path(path_) += ".tmp"),
      file_(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
  if (file_.get() < 0) throw file_error("create", temporary_, errno);
  if (bytes == 0) return;
  // fallocate and not posix_fallocate: the latter writes zeros where the file system has no such
  // call.
  int failed = 0;
  do {
    failed = ::fallocate(file_.get(), 0, 0, static_cast<off_t>(bytes));
  } while (failed != 0 && errno == EINTR);
  if (failed != 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) {
    const int cause = errno;
    ::unlink(temporary_.c_str());
    throw file_error(fmt::format("set {} bytes aside for", bytes).c_str(), path_, cause);
  }
}

OutputFile::~OutputFile() {
  if (!committed_) ::unlink(temporary_.c_str());
}

void OutputFile::fail(int cause) const { throw file_error("write", path_, cause); }

void OutputFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written =
        ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(errno);
    if (written == 0) fail(ENOSPC);
    offset += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void OutputFile::commit() {
  // The order matters: a name must never point to bytes that are not on the disk yet.
  if (::fsync(file_.get()) != 0) fail(errno);
  if (!file_.close()) fail(errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail(errno);
  committed_ = true;
  sync_directory(parent_of(path_));
}

void sync_directory(const fs::path& path) {
  const Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0) throw file_error("open", path, errno);
  // Some network file systems cannot sync a directory and say EINVAL; there is nothing else to do.
  if (::fsync(directory.get()) != 0 && errno != EINVAL) throw file_error("write", path, errno);
}

void remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw file_error("remove", path, error.value());
}

void make_fresh_directory(const fs::path& path) {
  remove_tree(path);
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw file_error("create", path, error.value());
}

void publish_directory(const fs::path& from, const fs::path& to) {
  sync_directory(from);
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
    sync_directory(parent_of(to));
    return;
  }
  if (errno == EEXIST) {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) {
      sync_directory(parent_of(to));
      remove_tree(from);  // now the old one
      return;
    }
  } else if (errno == EINVAL || errno == ENOSYS) {
    // A file system without the flags: a plain rename refuses to replace a directory that is not
    // empty, which is all that is needed.
    if (::rename(from.c_str(), to.c_str()) == 0) {
      sync_directory(parent_of(to));
      return;
    }
  }
  const int cause = errno;
  if (cause == EINVAL || cause == ENOSYS || cause == EEXIST || cause == ENOTEMPTY) {
    throw environment_error(
        fmt::format("cannot rename {} to {}: that name is taken, and this file "
                    "system cannot exchange the two; remove {}",
                    quoted_path(from), quoted_path(to), quoted_path(to)));
  }
  throw file_error("rename a finished directory to", to, cause);
}

}  // namespace triptych

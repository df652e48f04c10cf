/// \file
/// Files, read and written so that a kill, a full disk or a lost power line leaves either the old
/// content or the new, never a piece of it. Every failure is an environment_error of one line that
/// names the file, the cause and the remedy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace triptych {

/// The text between single quotes on one line: bytes of control characters are shown as '?', and of a
/// text longer than 200 bytes the first 150 and the last 40.
std::string quoted_text(std::string_view text);
/// quoted_text() of the path, whole.
std::string quoted_path(const std::filesystem::path& path);

/// The bytes of a file. One that cannot be opened or read, that is no regular file (InputFile), or that
/// holds more than `max_bytes`, raises an environment_error.
std::string read_file(const std::filesystem::path& path, std::size_t max_bytes);

/// Replaces the file's content as one step: an OutputFile written and committed.
void write_file(const std::filesystem::path& path, std::string_view content);

/// A POSIX file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return number_; }
  /// Closes now; false, with errno, if the system reports a failure.
  bool close();

 private:
  int number_;
};

/// A file open for reading at any offset.
class InputFile {
 public:
  /// REQUIRES: an existing regular file (throws Error otherwise: a directory, a pipe, a device).
  explicit InputFile(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  /// Bytes at the time of opening.
  std::uint64_t size() const { return size_; }
  /// Fills `into` with the bytes from `offset` on. Throws Error if the file ends before: it has
  /// been cut since it was opened.
  void read_at(std::uint64_t offset, std::span<std::byte> into) const;

 private:
  std::filesystem::path path_;
  Descriptor file_;
  std::uint64_t size_ = 0;
};

/// A file in the making: written under `path`.tmp, and given its name by commit(). Without a commit
/// the destructor removes the temporary, and what bore the name stays as it was. A temporary that a
/// kill left behind is written over by the next OutputFile of that name.
class OutputFile {
 public:
  /// Creates `path`.tmp of `bytes` zeros and sets that much of the disk aside: a disk that is too full
  /// is reported before anything is written (where the file system can tell; 0 asks for nothing).
  explicit OutputFile(std::filesystem::path path, std::uint64_t bytes = 0);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes);
  /// Forces the bytes to the disk, renames the temporary to `path`, and forces the directory.
  void commit();

 private:
  [[noreturn]] void fail(int cause) const;

  std::filesystem::path path_, temporary_;
  Descriptor file_;
  bool committed_ = false;
};

/// Forces a directory's entries (names that were made, renamed or removed in it) to the disk.
void sync_directory(const std::filesystem::path& path);

/// Removes a file, or a directory with all that is in it; nothing if there is none.
void remove_tree(const std::filesystem::path& path);

/// An empty directory of that name: what a kill left there before is removed. Parents are made.
void make_fresh_directory(const std::filesystem::path& path);

/// Gives a finished directory its name: forces its entries, renames `from` to `to`, forces the
/// parent. A directory `to` that is already there is exchanged for the new one in the same step (on
/// file systems that can; otherwise Error says to remove it) and then removed. REQUIRES: both in
/// one parent directory; the files in `from` written by OutputFile.
void publish_directory(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace triptych

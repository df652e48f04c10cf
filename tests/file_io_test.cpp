// Files as one step: what a reader finds after a success, a failure and a full disk.
// ctest: timeout=30 labels=sanitize
#include "model/file_io.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>
#include <vector>

#include "expect_error.h"
#include "file_limit.h"
#include "model/crc32c.h"
#include "small_disk.h"
#include "temporary_folder.h"

namespace triptych {
namespace {

namespace fs = std::filesystem;
using testing::content_of;
using testing::expect_error;
using testing::TemporaryFolder;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TEST(Crc32c, MatchesTheStandardsExamples) {
  EXPECT_EQ(crc32c(bytes_of("")), 0u);
  EXPECT_EQ(crc32c(bytes_of("123456789")), 0xE3069283u);
  // RFC 3720, B.4: 32 bytes of zeros, of ones, and rising.
  EXPECT_EQ(crc32c(bytes_of(std::string(32, '\0'))), 0x8A9136AAu);
  EXPECT_EQ(crc32c(bytes_of(std::string(32, '\xff'))), 0x62A8AB43u);
  std::string rising;
  for (int i = 0; i < 32; ++i) rising += static_cast<char>(i);
  EXPECT_EQ(crc32c(bytes_of(rising)), 0x46DD794Eu);
}

TEST(Crc32c, PiecesGiveTheWhole) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 7 + i / 5);
  const std::uint32_t whole = crc32c(bytes_of(text));
  for (const std::size_t cut : {0, 1, 7, 8, 9, 500, 993, 1000}) {
    const std::uint32_t first = crc32c(bytes_of(text.substr(0, cut)));
    EXPECT_EQ(crc32c(bytes_of(text.substr(cut)), first), whole) << cut;
  }
}

TEST(FileIo, WritesAndReads) {
  const TemporaryFolder folder;
  const fs::path file = folder / "a.json";
  write_file(file, "one");
  EXPECT_EQ(read_file(file, 3), "one");
  write_file(file, "");
  EXPECT_EQ(read_file(file, 0), "");
  EXPECT_FALSE(fs::exists(folder / "a.json.tmp"));
  write_file(file, "two!");
  expect_error([&] { read_file(file, 3); }, ErrorKind::environment,
               {"a.json", "more than 3 bytes"});
}

TEST(FileIo, NamesWhatIsWrong) {
  const TemporaryFolder folder;
  expect_error([&] { read_file(folder / "none", 9); }, ErrorKind::environment,
               {"none", "No such file", "check the path"});
  expect_error([&] { read_file(folder.path(), 9); }, ErrorKind::environment, {"Is a directory"});
  expect_error([&] { InputFile{folder.path()}; }, ErrorKind::environment, {"Is a directory"});
  expect_error([&] { InputFile{"/dev/null"}; }, ErrorKind::environment, {"/dev/null", "a device"});
  expect_error([&] { read_file("/dev/zero", 9); }, ErrorKind::environment, {"/dev/zero", "a device"});
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  expect_error([&] { read_file(folder / "pipe", 9); }, ErrorKind::environment, {"pipe'", "a pipe"});
  expect_error([&] { write_file(folder / "no/such", "x"); }, ErrorKind::environment,
               {"no/such", "No such file"});
  expect_error([&] { sync_directory(folder / "none"); }, ErrorKind::environment, {"none"});
  expect_error([&] { read_file(folder / "a\nb", 9); }, ErrorKind::environment, {"a?b"});
  // ESC [ as two bytes and as U+009B; U+00A0 and U+00E9 are no control characters.
  EXPECT_EQ(quoted_text("\x1b[31m \u009b31m \u00a0 \u00e9"), "'?[31m ??31m \u00a0 \u00e9'");
  folder.write("file", "x");
  expect_error([&] { make_fresh_directory(folder / "file/sub"); }, ErrorKind::environment,
               {"file/sub", "Not a directory"});
}

TEST(FileIo, AFileCutWhileItIsReadIsToldSo) {
  const TemporaryFolder folder;
  const InputFile file(folder.write("a", "0123456789"));
  fs::resize_file(folder / "a", 4);
  std::vector<std::byte> into(10);
  expect_error([&] { file.read_at(0, into); }, ErrorKind::environment, {"ends at byte 4"});
}

TEST(FileIo, WithoutCommitNothingChanges) {
  const TemporaryFolder folder;
  const fs::path file = folder.write("a", "old");
  {
    OutputFile out(file);
    out.write_at(0, bytes_of("new"));
    EXPECT_EQ(content_of(folder / "a.tmp"), "new");
    EXPECT_EQ(content_of(file), "old");
  }
  EXPECT_FALSE(fs::exists(folder / "a.tmp"));
  EXPECT_EQ(content_of(file), "old");
}

TEST(FileIo, ALeftTemporaryIsWrittenOver) {
  const TemporaryFolder folder;
  folder.write("a.tmp", "what a killed process left, and longer");
  write_file(folder / "a", "new");
  EXPECT_EQ(content_of(folder / "a"), "new");
  EXPECT_FALSE(fs::exists(folder / "a.tmp"));
}

TEST(FileIo, ALimitOnSizesLeavesTheOldFile) {
  const TemporaryFolder folder;
  const fs::path file = folder.write("a", "old");
  const testing::FileLimit limit(4096);
  expect_error([&] { write_file(file, std::string(100000, 'x')); }, ErrorKind::environment,
               {quoted_path(file), "File too large", "ulimit -f"});
  EXPECT_FALSE(fs::exists(folder / "a.tmp"));
  EXPECT_EQ(content_of(file), "old");
  // And told before anything is written, where the size is known.
  expect_error([&] { OutputFile(file, 100000); }, ErrorKind::environment,
               {"set 100000 bytes aside", "File too large"});
  EXPECT_FALSE(fs::exists(folder / "a.tmp"));
}

TEST(FileIo, AFullDiskLeavesTheOldFile) {
  const TemporaryFolder folder;
  const bool ran = testing::on_a_small_disk(folder.path(), "64k", [&] {
    const fs::path file = folder.write("a", "old");
    for (const bool announced : {false, true}) {
      const auto write = [&] {
        OutputFile out(file, announced ? 100000 : 0);
        out.write_at(0, bytes_of(std::string(100000, 'x')));
        out.commit();
      };
      expect_error(write, ErrorKind::environment,
                   {quoted_path(file), "No space left", "free some space"});
      EXPECT_FALSE(fs::exists(folder / "a.tmp"));
      EXPECT_EQ(content_of(file), "old");
    }
    write_file(file, "there is room for this");
    EXPECT_EQ(content_of(file), "there is room for this");
  });
  if (!ran) GTEST_SKIP() << "this machine lets no test mount a small file system";
}

TEST(FileIo, ADirectoryGetsItsNameAtOnce) {
  const TemporaryFolder folder;
  folder.write("step-7.tmp/half", "what a killed process left");
  make_fresh_directory(folder / "step-7.tmp");
  EXPECT_TRUE(fs::is_empty(folder / "step-7.tmp"));
  write_file(folder / "step-7.tmp/state", "7");
  publish_directory(folder / "step-7.tmp", folder / "step-7");
  EXPECT_FALSE(fs::exists(folder / "step-7.tmp"));
  EXPECT_EQ(content_of(folder / "step-7/state"), "7");
}

TEST(FileIo, ADirectoryOfThatNameIsExchanged) {
  const TemporaryFolder folder;
  folder.write("step-7/old", "1");
  folder.write("step-7.tmp/new", "2");
  publish_directory(folder / "step-7.tmp", folder / "step-7");
  EXPECT_FALSE(fs::exists(folder / "step-7.tmp"));
  EXPECT_FALSE(fs::exists(folder / "step-7/old"));
  EXPECT_EQ(content_of(folder / "step-7/new"), "2");
  expect_error([&] { publish_directory(folder / "none.tmp", folder / "none"); },
               ErrorKind::environment, {"none.tmp"});
}

}  // namespace
}  // namespace triptych

// ctest: timeout=60 labels=sanitize
// Reading texts, every bad one with its error, and the split in two parts.
#include "train/text.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "expect_error.h"
#include "temporary_folder.h"
#include "train/random.h"

namespace triptych {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;
using testing::TemporaryFolder;

Text text_of(std::size_t size) {
  Text text;
  text.name = "test";
  text.bytes = std::make_shared<const std::string>(size, 'x');
  return text;
}

TEST(ReadText, TakesAFileWhateverItsBytes) {
  const TemporaryFolder folder;
  std::string bytes(1000, '\0');
  Random random(1);
  for (char& c : bytes) c = static_cast<char>(random.below(256));
  const std::string path = folder.write("a.bin", bytes);
  const Text text = read_text(path);
  EXPECT_EQ(*text.bytes, bytes);
  EXPECT_EQ(text.name, path);
  EXPECT_EQ(text.files, 1u);
  EXPECT_FALSE(text.entropy_rate);
  EXPECT_EQ(text.fingerprint, read_text(path).fingerprint);
  bytes[500] = static_cast<char>(bytes[500] ^ 1);
  EXPECT_NE(text.fingerprint, read_text(folder.write("b", bytes)).fingerprint);
}

TEST(ReadText, FingerprintIsFnv1a) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_text(folder.write("a", "foobar")).fingerprint, 0x85944171F73967E8u);
}

TEST(ReadText, TakesAFolderInTheOrderOfPaths) {
  const TemporaryFolder folder;
  folder.write("b.txt", "B");
  folder.write("a/z.md", "1");
  folder.write("a/y/deep", "2");
  folder.write("a.c", "3");
  folder.write("B", "4");
  const Text text = read_text(folder.path().string());
  // By the paths' bytes: B, a.c, a/y/deep, a/z.md, b.txt ('.' comes before '/').
  EXPECT_EQ(*text.bytes, "4321B");
  EXPECT_EQ(text.files, 5u);
}

TEST(ReadText, LeavesOutWhatIsHiddenBinaryOrNoFile) {
  const TemporaryFolder folder;
  folder.write("text", "T");
  folder.write(".hidden", "H");
  folder.write(".git/config", "G");
  folder.write("picture.txt", std::string("a\0b", 3));
  std::string late_nul(8001, 'x');  // beyond where one looks
  late_nul.back() = '\0';
  folder.write("late-nul", late_nul);
  fs::create_directory_symlink(".", folder / "loop");
  fs::create_directory_symlink("..", folder / "parent");
  fs::create_symlink("nowhere", folder / "broken");
  fs::create_symlink("self", folder / "self");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  const Text text = read_text(folder.path().string());
  EXPECT_EQ(*text.bytes, std::string(8000, 'x') + '\0' + "T");
  EXPECT_EQ(text.files, 2u);
  EXPECT_EQ(text.binary_files, 1u);
}

TEST(ReadText, FollowsALinkToAFileAndANamedLinkToAFolder) {
  const TemporaryFolder folder;
  folder.write("real/a", "A");
  folder.write("elsewhere", "E");
  fs::create_symlink("../elsewhere", folder / "real/link");
  fs::create_directory_symlink("real", folder / "named");
  EXPECT_EQ(*read_text((folder / "named").string()).bytes, "AE");
}

TEST(ReadText, NamesPathAndRemedyForBadSources) {
  const TemporaryFolder folder;
  const auto refuse = [](const std::string& source, ErrorKind kind,
                         std::initializer_list<std::string_view> parts, TextLimits limits = {}) {
    expect_error([&] { read_text(source, limits); }, kind, parts);
  };
  refuse((folder / "missing").string(), ErrorKind::usage, {"missing'", "does not exist", "give"});
  refuse("", ErrorKind::usage, {"''", "does not exist"});
  refuse(folder.write("empty", ""), ErrorKind::usage, {"empty'", "is empty", "give"});
  refuse(folder.write("file", "x") + "/below", ErrorKind::usage, {"below'", "does not exist"});
  refuse("/dev/null", ErrorKind::usage, {"'/dev/null'", "neither a file nor a folder"});
  refuse(std::string(5000, 'x'), ErrorKind::environment, {"xxx", "cannot be looked at"});
  refuse("two\nlines", ErrorKind::usage, {"'two?lines'"});

  fs::create_directory(folder / "bare");
  refuse((folder / "bare").string(), ErrorKind::usage, {"bare'", "without files"});
  folder.write("pictures/a", std::string(3, '\0'));
  folder.write("pictures/b", std::string(3, '\0'));
  refuse((folder / "pictures").string(), ErrorKind::usage, {"pictures'", "2 binary files"});
  folder.write("hollow/a", "");
  refuse((folder / "hollow").string(), ErrorKind::usage, {"hollow'", "is empty"});

  const TextLimits limits{10, 10};
  const std::string large = folder.write("large", std::string(11, 'x'));
  refuse(large, ErrorKind::usage, {"large'", "more than 10 bytes", "smaller"}, limits);
  EXPECT_EQ(read_text(folder.write("fits", std::string(10, 'x')), limits).bytes->size(), 10u);
  folder.write("many/a", std::string(6, 'x'));
  folder.write("many/b", std::string(5, 'x'));
  refuse((folder / "many").string(), ErrorKind::usage, {"many'", "more than 10 bytes"}, limits);
}

TEST(ReadText, ReportsWhatItMayNotRead) {
  const TemporaryFolder folder;
  const std::string file = folder.write("tree/secret", "x");
  folder.write("tree/locked/inside", "x");
  fs::permissions(folder.path(), fs::perms(0755));
  fs::permissions(file, fs::perms::none);
  const bool root = ::geteuid() == 0;
  // The superuser may read everything: judge with the eyes of nobody.
  const auto become = [&](uid_t user) { return !root || ::seteuid(user) == 0; };
  constexpr uid_t nobody = 65534;
  if (!become(nobody)) GTEST_SKIP() << "cannot give up the superuser's rights";
  const auto refuse = [&](const char* part) {
    expect_error([&] { read_text((folder / "tree").string()); }, ErrorKind::environment,
                 {part, "Permission denied", "permissions"});
  };
  expect_error([&] { read_text(file); }, ErrorKind::environment, {"secret'", "Permission denied"});
  refuse("secret'");
  ASSERT_TRUE(become(0));
  fs::permissions(folder / "tree/locked", fs::perms::none);
  ASSERT_TRUE(become(nobody));
  refuse("locked'");
  ASSERT_TRUE(become(0));
  fs::permissions(folder / "tree/locked", fs::perms::owner_all);
}

TEST(ReadText, GeneratesSyntheticText) {
  const Text text = read_text("synthetic:7", {1 << 20, 5000});
  EXPECT_EQ(text.bytes->size(), 5000u);
  ASSERT_TRUE(text.entropy_rate);
  EXPECT_GT(*text.entropy_rate, 0);
  EXPECT_EQ(text.fingerprint, read_text("synthetic:7", {1 << 20, 5000}).fingerprint);
  EXPECT_NE(text.fingerprint, read_text("synthetic:8", {1 << 20, 5000}).fingerprint);
  EXPECT_EQ(read_text("synthetic:18446744073709551615", {1, 9}).bytes->size(), 9u);
  for (const char* seed : {"", "x", "1x", "-1", " 1", "1.5", "18446744073709551616"}) {
    const std::string source = std::string("synthetic:") + seed;
    expect_error([&] { read_text(source); }, ErrorKind::usage, {source, "no valid seed"});
  }
}

TEST(SplitText, CoversTheTextWithBothParts) {
  for (const std::int64_t sequence : {1, 2, 3, 64, 127, 1024}) {
    const std::size_t least = 5 * window_bytes(sequence);
    for (const std::size_t size : {least, least + 1, 2 * least - 1, 3 * least + 7, 11 * least,
                                   std::size_t{50} * 16 * 1024 + 13, std::size_t{1000003}}) {
      if (size < least) continue;
      const TextSplit split = split_text(text_of(size), sequence);
      std::vector<TextBlock> all = split.train.blocks;
      all.insert(all.end(), split.held_out.blocks.begin(), split.held_out.blocks.end());
      std::sort(all.begin(), all.end(),
                [](const TextBlock& a, const TextBlock& b) { return a.begin < b.begin; });
      std::size_t end = 0, shortest = size, longest = 0;
      for (const TextBlock& block : all) {
        ASSERT_EQ(block.begin, end);
        end = block.end;
        shortest = std::min(shortest, block.size());
        longest = std::max(longest, block.size());
      }
      ASSERT_EQ(end, size);
      EXPECT_EQ(split.train.size() + split.held_out.size(), size);
      EXPECT_GE(shortest, window_bytes(sequence)) << sequence << ' ' << size;
      EXPECT_LE(longest - shortest, 1u);
      ASSERT_FALSE(split.held_out.blocks.empty());
      // One of ten, at most half a block more or less.
      EXPECT_EQ(split.held_out.blocks.size(), (all.size() + 5) / 10);
    }
  }
}

TEST(SplitText, UsesLongBlocksWhereTheTextAllows) {
  const TextSplit split = split_text(text_of(400000), 128);
  EXPECT_GE(split.train.blocks[0].size(), 16u * 128 + 2);
  EXPECT_LT(split.train.blocks[0].size(), 17u * 128);
  // Held-out blocks stand among the training ones from one end of the text to the other.
  EXPECT_LT(split.held_out.blocks.front().begin, 400000u / 20);
  EXPECT_GT(split.held_out.blocks.back().begin, 400000u * 19 / 20 - 400000u / 20);
}

TEST(SplitText, RefusesATextThatIsTooShort) {
  for (const std::int64_t sequence : {1, 128}) {
    const std::size_t least = 5 * window_bytes(sequence);
    split_text(text_of(least), sequence);
    expect_error([&] { split_text(text_of(least - 1), sequence); }, ErrorKind::usage,
                 {"'test'", std::to_string(least - 1), std::to_string(least), "longer text"});
  }
  expect_error([] { split_text(text_of(1000), INT64_MAX); }, ErrorKind::usage, {"1000 bytes"});
}

}  // namespace
}  // namespace triptych

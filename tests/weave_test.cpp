// ctest: timeout=60 needs=weave
// weave on a small chapter: what is current passes, and everything that can be stale or wrong is
// told in one line that names the place.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>

#include "temporary_folder.h"

namespace triptych::testing {
namespace {

constexpr const char* source = R"(int before();
void twice() {
  // [body]
  // [first]
  int a = 1;
  // [/first]

    int b = 2;
  // [/body]
}
// [open]
)";

constexpr const char* readme = R"(# A chapter

```
<!-- code: not a block but text -->
```
<!-- an ordinary comment -->
<!-- code: small.cpp body -->
```cpp
int a = 1;

  int b = 2;
```
<!-- output: exact hello you -->
```text
hello you
```
<!-- output: bounded 1e-2 measure -->
```text
f64 loss  2.34 after 3 steps
```
<!-- output: recorded times.json hello fast -->
```text
1.5 ms
```
<!-- picture: dot.svg draw -->
![a dot](dot.svg)
)";

/// A chapter in a folder of its own, and weave run in it.
class WeaveTest : public ::testing::Test {
 protected:
  void SetUp() override {
    write("tutorials/01/small.cpp", source);
    write("tutorials/01/README.md", readme);
    write("tutorials/01/dot.svg", "<svg/>\n");
    write("times.json", "{}");
    program("hello", "echo hello $1");
    program("measure", "echo 'f64 loss 2.35 after 3 steps'");
    program("draw", "echo '<svg/>'");
  }
  void write(const std::string& name, const std::string& content) { folder_.write(name, content); }
  void program(const std::string& name, const std::string& script) {
    namespace fs = std::filesystem;
    fs::permissions(folder_.write("bin/" + name, "#!/bin/sh\n" + script + "\n"),
                    fs::perms::owner_all);
  }
  std::string text() const { return content_of(folder_ / "tutorials/01/README.md"); }
  /// Replaces a piece of the README.
  void edit(const std::string& from, const std::string& to) {
    std::string changed = text();
    const std::size_t at = changed.find(from);
    ASSERT_NE(at, changed.npos) << from;
    write("tutorials/01/README.md", changed.replace(at, from.size(), to));
  }

  struct Ended {
    int code;
    std::string output;
  };
  Ended weave(const std::string& mode) const {
    const auto program = std::filesystem::path(TRIPTYCH_BINARY).parent_path() / "weave";
    const std::string command = "cd '" + folder_.path().string() + "' && '" + program.string() +
                                "' " + mode + " tutorials/01 bin 2>&1";
    std::FILE* pipe = ::popen(command.c_str(), "r");
    std::string output;
    std::array<char, 256> piece;
    while (std::fgets(piece.data(), piece.size(), pipe) != nullptr) output += piece.data();
    return {WEXITSTATUS(::pclose(pipe)), output};
  }
  /// weave --check finds one thing, and its first line is this.
  void expect_finding(int line, const std::string& says) const {
    const Ended checked = weave("--check");
    EXPECT_EQ(checked.code, 1);
    const std::string first = checked.output.substr(0, checked.output.find('\n'));
    EXPECT_EQ(first, "tutorials/01/README.md:" + std::to_string(line) + ": " + says);
    EXPECT_EQ(checked.output.find("README.md:", first.size()), std::string::npos) << checked.output;
  }
  /// weave --write mends it.
  void expect_mended() const {
    EXPECT_EQ(weave("--write").code, 0);
    const Ended checked = weave("--check");
    EXPECT_EQ(checked.code, 0) << checked.output;
  }

 private:
  TemporaryFolder folder_;
};

TEST_F(WeaveTest, ACurrentChapterPassesAndIsNotTouched) {
  for (const char* mode : {"--check", "--write"}) {
    const Ended ended = weave(mode);
    EXPECT_EQ(ended.code, 0) << mode;
    EXPECT_EQ(ended.output, "") << mode;
    EXPECT_EQ(text(), readme) << mode;
  }
}

TEST_F(WeaveTest, StaleCode) {
  edit("  int b = 2;", "  int b = 3;");
  expect_finding(11, "not what small.cpp [body] gives");
  EXPECT_NE(weave("--check").output.find("\n  -   int b = 3;\n  +   int b = 2;\n"),
            std::string::npos);
  expect_mended();
  EXPECT_EQ(text(), readme);
}

TEST_F(WeaveTest, ANewBlockNeedsItsCommentOnly) {
  edit("```text\nhello you\n```\n", "");
  expect_finding(15, "not what hello you gives");
  expect_mended();
  EXPECT_EQ(text(), readme);
}

TEST_F(WeaveTest, RegionsThatAreNotThere) {
  edit("small.cpp body", "small.cpp boby");
  expect_finding(7, "tutorials/01/small.cpp has no region // [boby]");
  edit("small.cpp boby", "small.cpp open");
  expect_finding(7, "tutorials/01/small.cpp does not close its region // [open]");
  edit("small.cpp open", "large.cpp open");
  expect_finding(7, "there is no file large.cpp in tutorials/01, nor in the repository");
  EXPECT_EQ(weave("--write").code, 1);  // nothing to mend it with
}

TEST_F(WeaveTest, StaleExactOutput) {
  program("hello", "echo 'hello  you'");
  expect_finding(15, "not what hello you gives");
  expect_mended();
}

TEST_F(WeaveTest, BoundedOutput) {
  program("measure", "echo 'f64 loss    2.36 after 3 steps'");  // 2.36 is 0.9 % from 2.34
  EXPECT_EQ(weave("--check").code, 0);
  EXPECT_EQ(weave("--write").code, 0);
  EXPECT_EQ(text(), readme);  // what is within the bound stays
  program("measure", "echo 'f64 loss 2.37 after 3 steps'");
  expect_finding(19, "number 1 is 2.34 here and 2.37 from measure, more than 0.01 apart");
  program("measure", "echo 'f64 loss 2.34 after 4 steps'");
  expect_finding(19, "number 2 is 3 here and 4 from measure, more than 0.01 apart");
  program("measure", "echo 'f64 loss nan after 3 steps'");
  expect_finding(19, "not what measure gives");
  program("measure", "echo 'f32 loss 2.34 after 3 steps'");
  expect_finding(19, "not what measure gives");
  program("measure", "echo 'f64 loss -2.34 after 3 steps'");
  expect_finding(19, "number 1 is 2.34 here and -2.34 from measure, more than 0.01 apart");
  expect_mended();
}

TEST_F(WeaveTest, RecordedOutput) {
  write("times.json", "{");
  EXPECT_EQ(weave("--check").code, 1);
  write("times.json", "{}");
  edit("recorded times.json hello", "recorded times.json hallo");
  expect_finding(21, "there is no program 'hallo' in bin");
  edit("times.json hallo", "tomes.json hello");
  expect_finding(21, "cannot open 'tomes.json': No such file or directory; check the path");
}

TEST_F(WeaveTest, Pictures) {
  write("tutorials/01/dot.svg", "<svg />\n");
  expect_finding(25, "dot.svg is not what draw draws");
  expect_mended();
  edit("![a dot](dot.svg)", "a dot");
  expect_finding(25, "wanted in the next line: ![what it shows](dot.svg)");
}

TEST_F(WeaveTest, ProgramsThatFail) {
  program("hello", "echo hello $1; exit 1");  // a verdict
  EXPECT_EQ(weave("--check").code, 0);
  program("hello", "echo hello $1; exit 3");
  expect_finding(13, "'hello you' failed with exit code 3");
  program("hello", "kill -PIPE $$");  // a signal that the shell is silent about
  expect_finding(13, "'hello you' failed with exit code 141");
}

TEST_F(WeaveTest, CommentsThatMakeNoSense) {
  edit("output: exact", "output: exactly");
  expect_finding(
      13, "wanted: output: exact PROGRAM …, bounded NUMBER PROGRAM …, or recorded FILE PROGRAM …");
  edit("output: exactly", "output: bounded much");
  expect_finding(13, "'much' is no relative bound");
  edit("![a dot](dot.svg)\n", "![a dot](dot.svg)\n```\nno end\n");
  EXPECT_EQ(weave("--check").output,
            "weave: tutorials/01/README.md:27: this fence is never closed\n");
}

}  // namespace
}  // namespace triptych::testing

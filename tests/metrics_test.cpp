// ctest: timeout=60 labels=sanitize
// Metrics files: what a resume keeps, what a kill or a full disk leaves, and what is refused.
#include "train/metrics.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>

#include "expect_error.h"
#include "temporary_folder.h"

namespace triptych {
namespace {

using Json = nlohmann::ordered_json;
using testing::content_of;
using testing::expect_error;
using testing::TemporaryFolder;

std::string line(std::int64_t step) {
  return R"({"step":)" + std::to_string(step) + R"(,"loss":)" + std::to_string(step) + ".5}\n";
}

void write_steps(MetricsWriter& writer, std::int64_t first, std::int64_t last) {
  for (std::int64_t s = first; s <= last; ++s) {
    writer.write(s, {{"loss", static_cast<double>(s) + 0.5}});
  }
}

TEST(Metrics, WritesALineAStepAtOnce) {
  const TemporaryFolder folder;
  MetricsWriter writer(folder / "m.jsonl", -1);
  EXPECT_EQ(writer.last_step(), -1);
  std::string expected;
  for (std::int64_t s = 0; s < 5; ++s) {
    write_steps(writer, s, s);
    expected += line(s);
    EXPECT_EQ(content_of(folder / "m.jsonl"), expected);
    EXPECT_EQ(writer.last_step(), s);
  }
  writer.sync();
}

TEST(Metrics, RoundTripsFields) {
  const TemporaryFolder folder;
  const Json fields = {{"loss", 0.1 + 0.2}, {"text", "two\nlines \u00e9"}, {"load", {1, 2, 3}}};
  MetricsWriter(folder / "m", -1).write(7, fields);
  const std::vector<Json> lines = read_metrics(folder / "m");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["step"], 7);
  EXPECT_EQ(lines[0]["loss"].get<double>(), 0.1 + 0.2);  // to the bit
  EXPECT_EQ(lines[0]["text"], fields["text"]);
  EXPECT_EQ(lines[0]["load"], fields["load"]);
}

TEST(Metrics, WritesWhatIsNotANumberOrNotUtf8) {
  const TemporaryFolder folder;
  MetricsWriter(folder / "m", -1).write(1, {{"a", NAN}, {"b", INFINITY}, {"c", "\xff"}});
  const std::vector<Json> lines = read_metrics(folder / "m");
  EXPECT_TRUE(lines[0]["a"].is_null());
  EXPECT_TRUE(lines[0]["b"].is_null());
  EXPECT_EQ(lines[0]["c"], "\xEF\xBF\xBD");
}

TEST(Metrics, ANewRunBeginsWithAnEmptyFile) {
  const TemporaryFolder folder;
  folder.write("m", "something else\n");
  MetricsWriter writer(folder / "m", -1);
  EXPECT_EQ(content_of(folder / "m"), "");
}

TEST(Metrics, AResumeKeepsTheStepsUpToItsOwn) {
  const TemporaryFolder folder;
  for (std::int64_t resumed = 0; resumed <= 12; ++resumed) {
    {
      MetricsWriter writer(folder / "m", -1);
      write_steps(writer, 1, 10);
    }
    MetricsWriter writer(folder / "m", resumed);
    const std::int64_t kept = std::min<std::int64_t>(resumed, 10);
    EXPECT_EQ(writer.last_step(), kept == 0 ? -1 : kept);
    std::string expected;
    for (std::int64_t s = 1; s <= kept; ++s) expected += line(s);
    EXPECT_EQ(content_of(folder / "m"), expected);
    write_steps(writer, kept + 1, 11);
    for (std::int64_t s = kept + 1; s <= 11; ++s) expected += line(s);
    EXPECT_EQ(content_of(folder / "m"), expected);
  }
}

TEST(Metrics, AResumeWithoutAFileMakesOne) {
  const TemporaryFolder folder;
  MetricsWriter writer(folder / "m", 5);
  write_steps(writer, 6, 6);
  EXPECT_EQ(content_of(folder / "m"), line(6));
}

TEST(Metrics, AKillInTheMiddleOfALineLosesThatLineAlone) {
  const TemporaryFolder folder;
  const std::string whole = line(1) + line(2) + line(3);
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    const std::string path = folder.write("m", whole.substr(0, cut));
    const std::size_t kept_lines = static_cast<std::size_t>(
        std::count(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut), '\n'));
    EXPECT_EQ(read_metrics(path).size(), kept_lines);
    MetricsWriter writer(path, 3);
    write_steps(writer, static_cast<std::int64_t>(kept_lines) + 1, 4);
    EXPECT_EQ(content_of(path), whole + line(4)) << "cut at " << cut;
  }
}

TEST(Metrics, AResumeDoesNotMindWhatFollowsItsStep) {
  const TemporaryFolder folder;
  for (const std::string& tail : {std::string(50, '\0'), std::string("\0\n", 2), std::string("half a li\n")}) {
    const std::string path = folder.write("m", line(1) + line(2) + tail);
    MetricsWriter writer(path, 2);
    EXPECT_EQ(content_of(path), line(1) + line(2));
  }
}

TEST(Metrics, RefusesAForeignFileAndLeavesItAsItWas) {
  const TemporaryFolder folder;
  for (const char* foreign : {"hello\n", "[1]\n", "{}\n",
                              R"({"step":"1"})"
                              "\n",
                              R"({"step":1.5})"
                              "\n",
                              R"({"step":18446744073709551615})"
                              "\n",
                              R"({"step":1,"step":2})"
                              "\n",
                              "\n",
                              R"({"step":2})"
                              "\n"
                              R"({"step":2})"
                              "\n",
                              R"({"step":2})"
                              "\n"
                              R"({"step":1})"
                              "\n"}) {
    const std::string path = folder.write("m", foreign);
    const std::string number =
        "line " + std::to_string(std::count(foreign, foreign + std::string(foreign).size(), '\n'));
    expect_error([&] { MetricsWriter(path, 10); }, ErrorKind::environment,
                 {"m'", number, "mend that line"});
    expect_error([&] { read_metrics(path); }, ErrorKind::environment, {"m'", number, "mend that line"});
    EXPECT_EQ(content_of(path), foreign);
  }
}

TEST(Metrics, RefusesAStepThatDoesNotFollow) {
  const TemporaryFolder folder;
  MetricsWriter writer(folder / "m", -1);
  write_steps(writer, 5, 5);
  for (const std::int64_t step : {5, 4, -1}) {
    expect_error([&] { writer.write(step, Json::object()); }, ErrorKind::usage,
                 {"step " + std::to_string(step), "step 5"});
  }
  EXPECT_EQ(content_of(folder / "m"), line(5));
}

TEST(Metrics, NamesAFileThatCannotBeOpened) {
  expect_error([] { MetricsWriter("/nowhere/m", -1); }, ErrorKind::environment,
               {"'/nowhere/m'", "No such file"});
  expect_error([] { read_metrics("/nowhere/m"); }, ErrorKind::environment, {"'/nowhere/m'"});
  const TemporaryFolder folder;
  expect_error([&] { MetricsWriter(folder.path(), -1); }, ErrorKind::environment, {"directory"});
}

// A limit on the size of files stands in for a full disk: a write stops in the middle of a line.
TEST(Metrics, AFullDiskTakesBackTheBrokenLine) {
  const TemporaryFolder folder;
  MetricsWriter writer(folder / "m", -1);
  write_steps(writer, 1, 3);
  const std::string before = content_of(folder / "m");
  rlimit old = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  for (const std::size_t room : {0, 1, 10}) {
    const rlimit tight = {before.size() + room, old.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
    expect_error([&] { write_steps(writer, 4, 4); }, ErrorKind::environment,
                 {"cannot write the metrics", "m'", "resume"});
    EXPECT_EQ(content_of(folder / "m"), before);
    EXPECT_EQ(writer.last_step(), 3);
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  std::signal(SIGXFSZ, handler);
  write_steps(writer, 4, 4);
  EXPECT_EQ(content_of(folder / "m"), before + line(4));
}

}  // namespace
}  // namespace triptych

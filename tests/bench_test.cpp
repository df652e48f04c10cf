// ctest: timeout=120 processors=2 needs=triptych
// `triptych bench`: every benchmark runs, every operation has one, and the JSON says what its numbers depend on.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "program.h"

namespace triptych::testing {
namespace {

class Bench : public ::testing::Test {
 protected:
  void SetUp() override {
    const Ended ended = run_program({"bench", "--list"});
    if (ended.output.find("no Google Benchmark") != std::string::npos) GTEST_SKIP() << ended.output;
    ASSERT_EQ(ended.code, 0) << ended.output;
    std::istringstream lines(ended.output);
    for (std::string name; std::getline(lines, name);) names_.push_back(name);
  }
  std::vector<std::string> names_;
  TemporaryFolder folder_;
};

TEST_F(Bench, EveryOperationHasOne) {
  for (const auto& page : std::filesystem::directory_iterator(TRIPTYCH_SOURCE_DIR "/docs/ops")) {
    const std::string stem = page.path().stem();
    const auto of_stem = [&](const std::string& name) { return name.find(stem) != std::string::npos; };
    EXPECT_TRUE(std::any_of(names_.begin(), names_.end(), of_stem)) << stem;
  }
}

// One round each tells that it runs, not how fast.
TEST_F(Bench, EveryOneRuns) {
  const std::string file = folder_ / "all.json";
  const Ended ended = run_program({"bench", "--rounds", "1", "--min-time", "0", "--json", file});
  ASSERT_EQ(ended.code, 0) << ended.output;
  const auto json = nlohmann::json::parse(content_of(file));
  for (const char* key : {"date", "device", "instructions", "compiler", "triptych", "git", "eigen"}) {
    EXPECT_FALSE(json["context"].value(key, std::string()).empty()) << key;
  }
  std::vector<std::string> ran;
  for (const auto& one : json["benchmarks"]) {
    ran.push_back(one["name"]);
    EXPECT_GT(one["real_time"], 0) << ran.back();
    EXPECT_NE(one.contains("GB/s"), one.contains("GFLOP/s")) << ran.back();
    EXPECT_GT(one.value("roofline", 1.0), 0) << ran.back();
    EXPECT_NE(ended.output.find("\n" + ran.back() + " "), std::string::npos) << "not in the table: " << ran.back();
  }
  EXPECT_EQ(ran, names_);
}

TEST_F(Bench, Refusals) {
  const auto expect = [&](const std::vector<std::string>& arguments, int code, const std::string& part) {
    std::vector<std::string> all{"bench"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Ended ended = run_program(all);
    EXPECT_EQ(ended.code, code) << ended.output;
    EXPECT_NE(ended.output.find(part), std::string::npos) << ended.output;
  };
  expect({"--filter", "no_such_operation"}, 2, "no benchmark matches 'no_such_operation'");
  expect({"--rounds", "0"}, 2, "--rounds is 0");
  expect({"--min-time", "-1"}, 2, "--min-time is -1");
  expect({"--filter", "combine/f32/S0", "--json", folder_ / "missing/file"}, 3, "missing/file");
}

}  // namespace
}  // namespace triptych::testing

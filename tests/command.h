/// \file
/// The program with a small model and a text: what a command ends with.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/config.h"
#include "program.h"
#include "small_run.h"

namespace triptych::testing {

class Command : public ::testing::Test {
 protected:
  Command() {
    config_ = folder_.write("config.json", config_json(small_config()));
    std::string text;
    for (int i = 0; i < 5000; ++i)
      text += "the quick brown fox jumps over the lazy dog\n"[i * i % 44];
    text_ = folder_.write("text", text);
  }
  std::string out() const { return folder_ / "run"; }
  /// `train` with the small model; options given here stand in place of the usual ones.
  std::vector<std::string> train(const std::vector<std::string>& more) const {
    std::vector<std::string> all{"train"};
    const std::pair<const char*, std::string> usual[] = {{"--config", config_},   {"--data", text_},
                                                         {"--steps", "3"},        {"--batch", "4"},
                                                         {"--sample-bytes", "8"}, {"--out", out()}};
    for (const auto& [option, value] : usual) {
      if (std::find(more.begin(), more.end(), option) == more.end())
        all.insert(all.end(), {option, value});
    }
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  /// The last line of what the program printed is the only one that tells of an error, and it says
  /// this.
  static void expect_line(const Ended& ended, int code,
                          std::initializer_list<std::string_view> parts) {
    EXPECT_EQ(ended.code, code) << ended.output;
    const std::size_t end = ended.output.find_last_not_of('\n');
    const std::size_t begin = ended.output.rfind('\n', end) + 1;
    const std::string line = ended.output.substr(begin, end + 1 - begin);
    EXPECT_EQ(line.rfind("triptych: ", 0), 0u) << ended.output;
    EXPECT_EQ(ended.output.find("triptych: "), begin) << ended.output;
    for (const std::string_view part : parts) {
      EXPECT_NE(line.find(part), std::string::npos) << "no '" << part << "' in: " << line;
    }
  }
  void expect_refused(const std::vector<std::string>& more, int code,
                      std::initializer_list<std::string_view> parts) const {
    expect_line(run_program(train(more)), code, parts);
  }
  /// A config.json with one field's text replaced.
  std::string config_with(const std::string& from, const std::string& to) const {
    std::string text = content_of(config_);
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return folder_.write("bad/config.json", text.replace(at, from.size(), to));
  }
  TemporaryFolder folder_;
  std::string config_, text_;
};

}  // namespace triptych::testing

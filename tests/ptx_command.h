/// \file
/// `triptych ptx` as a process, on the kernels in tests/emulator/kernels.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "command.h"

namespace triptych::testing {

class Ptx : public Command {
 protected:
  static constexpr const char* saxpy = "tests/emulator/kernels/saxpy.ptx";
  static constexpr const char* block_sum = "tests/emulator/kernels/block_sum.ptx";

  static Ended ptx(std::vector<std::string> words) {
    words.insert(words.begin(), "ptx");
    return run_program(words);
  }
  /// saxpy over 1000 elements with y = 1 + 2i; `more` follows.
  static std::vector<std::string> saxpy_line(const char* command,
                                             const std::vector<std::string>& more = {}) {
    std::vector<std::string> line{
        command,        saxpy, "--grid", "4", "--block", "256", "n=1000", "a=2", "x=f32[1000]=iota",
        "y=f32[1000]=1"};
    line.insert(line.end(), more.begin(), more.end());
    return line;
  }
  /// Drives the debugger by a script.
  Ended step(std::vector<std::string> words, const std::string& script) const {
    words.insert(words.begin(), {"ptx", "step"});
    const std::string file = folder_.write("script", script);
    return run_program(words, [&] { ::dup2(::open(file.c_str(), O_RDONLY), 0); });
  }
  /// All parts are in the output, in this order.
  static void expect_order(const Ended& ended, std::initializer_list<std::string_view> parts) {
    std::size_t at = 0;
    for (const std::string_view part : parts) {
      const std::size_t found = ended.output.find(part, at);
      ASSERT_NE(found, std::string::npos) << "no '" << part << "' after byte " << at << " of:\n"
                                          << ended.output;
      at = found + part.size();
    }
  }
};

}  // namespace triptych::testing

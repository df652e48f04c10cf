// The chapter's kernels, and the lines of them that can be broken.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/tool/source.h"
#include "support/kernel.h"

namespace triptych::tutorial {

struct Kernel {
  std::string name;  ///< of the file, without .ptx
  KernelCase launch;
};

inline const std::vector<Kernel>& kernels() {
  const std::vector<std::string> message = {"flag=u32[1]=0", "data=u32[1]=0", "out=u32[1]"};
  static const std::vector<Kernel> all = {
      {"flag", {"", "2", "1", message, {"out=7"}}},
      {"fence", {"", "2", "1", message, {"out=7"}}},
      {"warp", {"", "1", "32", {"in=u32[32]=iota", "out=u32[32]"}, {"out=iota:31:-1"}}},
      {"cta", {"", "1", "64", {"in=u32[64]=iota", "out=u32[64]"}, {"out=iota:63:-1"}}},
      {"mbarrier", {"", "1", "64", {"in=u32[96]=iota", "out=u32[96]"}, {"out=iota"}}},
      {"proxy", {"", "1", "64", {"out=u32[64]"}, {"out=iota:0:3"}}},
      {"lock", {"", "8", "1", {"lock=u32[2]=0", "counter=u32[1]=0"}, {"counter=8"}}},
      {"barrier", {"", "1", "64", {"out=u32[64]"}, {"out=1"}}}};
  return all;
}

/// A line `//= name text` of a kernel: the next line that is none of these is replaced by the text.
struct Break {
  std::string name, text;  ///< text is empty where the line is left out
  std::size_t line = 0;    ///< of the file, from 0
};

struct Text {
  std::vector<std::string> lines;
  std::vector<Break> breaks;
};

inline std::string trimmed(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(' '), text.size());
  return std::string(text.substr(begin, text.find_last_not_of(' ') + 1 - begin));
}

/// REQUIRES: the working directory is the repository's.
inline Text read_kernel(const Kernel& kernel) {
  Text text;
  std::string_view rest;
  const std::string file = emulator::read_text("tutorials/08_races/" + kernel.name + ".ptx");
  std::size_t waiting = 0;  // breaks from here on wait for their line
  for (rest = file; !rest.empty(); rest.remove_prefix(rest.find('\n') + 1)) {
    text.lines.emplace_back(rest.substr(0, rest.find('\n')));
    const std::string line = trimmed(text.lines.back());
    if (line.starts_with("//= ")) {
      const std::string words = trimmed(line.substr(4));
      const std::size_t end = std::min(words.find(' '), words.size());
      text.breaks.push_back({words.substr(0, end), trimmed(words.substr(end))});
      continue;
    }
    for (; waiting < text.breaks.size(); ++waiting) {
      text.breaks[waiting].line = text.lines.size() - 1;
    }
  }
  return text;
}

/// The kernel with one line broken, or none.
inline emulator::Source source_of(const Kernel& kernel, const Text& text, const Break* broken) {
  emulator::Source source{"", kernel.name + ".ptx"};
  for (std::size_t i = 0; i < text.lines.size(); ++i) {
    const bool here = broken != nullptr && broken->line == i;
    source.text += (here ? std::string(8, ' ') + broken->text : text.lines[i]) + '\n';
  }
  return source;
}

/// Runs one schedule of it. `observer` watches.
inline emulator::Verdict run_one(const emulator::Source& source, const KernelCase& launch,
                                 std::uint64_t seed, emulator::Observer* observer = nullptr) {
  emulator::RunRequest request = request_of(launch);
  request.seed = seed;
  emulator::Session session(source, request);
  const std::string fault = session.run(observer);
  return emulator::judge(session, fault, expectations_of(launch), 0);
}

}  // namespace triptych::tutorial

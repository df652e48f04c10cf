/// \file
/// Texts that the front end must take or refuse: the files of ptx_accept, whole modules, and those
/// of ptx_reject, which hold many small cases. A case begins with a line
///
///     // expect: 2:18: message      ptxas refuses the text too
///     // refuse: 2:18: message      ptxas takes it, this device does not
///
/// whose message stands in line 2, column 18, the line with `expect` being the first. A case with
/// no .version of its own has the usual header in that line, and one that begins with '{' is a
/// block in an entry with the registers that `entry` below declares.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "temporary_folder.h"

namespace triptych::testing {

struct PtxCase {
  std::string place;  ///< file and line, for messages
  std::string text;
  std::string expected;  ///< "2:18: message"; empty: it is accepted
  bool ptxas_accepts = true;
};

inline std::vector<std::filesystem::path> ptx_files(const std::string& folder) {
  const auto path = std::filesystem::path(TRIPTYCH_SOURCE_DIR) / "tests/emulator" / folder;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

inline std::vector<PtxCase> accepted_cases() {
  std::vector<PtxCase> cases;
  for (const auto& file : ptx_files("ptx_accept")) {
    cases.push_back({file.filename().string(), content_of(file), "", true});
  }
  return cases;
}

/// What a case of ptx_reject stands for.
inline std::string whole_text(const std::string& text) {
  const std::string header = ".version 9.0 .target sm_90a .address_size 64 ";
  const std::string entry =
      header +
      ".entry k(.param .u64 pa, .param .u32 pb) { .reg .pred p, q; .reg .b16 h<9>; "
      ".reg .b32 r<9>; .reg .f32 f<9>; .reg .b64 rd<9>; .reg .f64 d<9>;\n";
  const std::size_t first = text.find_first_not_of(" \n");
  if (first == std::string::npos || text.compare(first, 2, "//") == 0) return "\n" + text;
  if (text.find(".version") != std::string::npos) return "\n" + text;
  return text[first] == '{' ? entry + text + " ret; }" : header + "\n" + text;
}

inline std::vector<PtxCase> rejected_cases() {
  std::vector<PtxCase> cases;
  for (const auto& file : ptx_files("ptx_reject")) {
    const std::string all = content_of(file);
    const auto next = [&](std::size_t from) {
      return std::min(all.find("\n// expect: ", from), all.find("\n// refuse: ", from));
    };
    for (std::size_t at = next(0); at != std::string::npos; at = next(at + 1)) {
      const std::size_t message = at + std::string("\n// expect: ").size();
      const std::size_t text = all.find('\n', message) + 1;
      std::string own = all.substr(text, next(text - 1) - text);
      while (own.ends_with('\n')) own.pop_back();
      const auto line =
          std::count(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 2;
      cases.push_back({file.filename().string() + ":" + std::to_string(line), whole_text(own),
                       all.substr(message, text - 1 - message), all[at + 4] == 'r'});
    }
  }
  return cases;
}

}  // namespace triptych::testing

#include "region.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/file_io.h"
#include "triptych/error.h"

namespace triptych::weave {
namespace {

/// The name in a marker line: "gather" of `  // [gather]`, "/gather" of `// [/gather]`, else "".
std::string marker_of(const std::string& line) {
  constexpr std::string_view open = "// [";
  const std::size_t begin = line.find_first_not_of(' ');
  if (begin == line.npos || line.compare(begin, open.size(), open) != 0) return "";
  const std::size_t end = line.find(']', begin);
  if (end == line.npos || end + 1 != line.size()) return "";
  const std::string name = line.substr(begin + open.size(), end - begin - open.size());
  const bool plain = name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_/") == name.npos;
  return plain ? name : "";
}

void move_left(Lines& lines) {
  std::size_t indent = std::string::npos;
  for (const std::string& line : lines) indent = std::min(indent, line.find_first_not_of(' '));
  for (std::string& line : lines) line.erase(0, std::min(indent, line.size()));
}

}  // namespace

Lines region_of(const std::filesystem::path& file, const std::string& name) {
  Lines region;
  int opened = 0;
  bool inside = false;
  for (const std::string& line : split_lines(read_file(file, std::size_t{1} << 20))) {
    const std::string marker = marker_of(line);
    if (marker == name) {
      inside = true;
      ++opened;
    } else if (marker == "/" + name) {
      inside = false;
    } else if (inside && marker.empty()) {
      region.push_back(line);
    }
  }
  const auto wrong = [&](std::string_view what) {
    return finding(fmt::format("{} {} // [{}]", file.string(), what, name));
  };
  if (opened == 0) throw wrong("has no region");
  if (opened > 1) throw wrong("has more than one region");
  if (inside) throw wrong("does not close its region");
  while (!region.empty() && region.back().empty()) region.pop_back();
  while (!region.empty() && region.front().empty()) region.erase(region.begin());
  move_left(region);
  return region;
}

std::string language_of(const std::filesystem::path& file) {
  const std::string extension = file.extension().string();
  for (const char* cpp : {".cpp", ".h", ".cu", ".cuh"}) {
    if (extension == cpp) return "cpp";
  }
  return extension == ".ptx" || extension == ".inc" ? "ptx" : "text";
}

}  // namespace triptych::weave

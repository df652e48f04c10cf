#include "readme.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "model/file_io.h"
#include "triptych/error.h"

namespace triptych::weave {
namespace {

constexpr std::string_view fence = "```";

/// The line after the one that closes the fence opened at `open`.
std::size_t after_fence(const Readme& readme, std::size_t open) {
  for (std::size_t i = open + 1; i < readme.lines.size(); ++i) {
    if (readme.lines[i] == fence) return i + 1;
  }
  throw finding(fmt::format("{}:{}: this fence is never closed", readme.path.string(), open + 1));
}

/// The block whose comment is this line; its kind is empty if the line is something else.
Block block_at(const std::string& line) {
  constexpr std::string_view open = "<!-- ", close = " -->";
  if (!line.starts_with(open) || !line.ends_with(close)) return {};
  const std::string inside =
      line.substr(open.size(), line.size() - std::min(line.size(), open.size() + close.size()));
  const std::size_t colon = inside.find(": ");
  const std::string kind = inside.substr(0, colon);
  if (kind != "code" && kind != "output" && kind != "picture") return {};
  return {.kind = kind, .rest = colon == inside.npos ? "" : inside.substr(colon + 2)};
}

}  // namespace

Lines split_lines(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::vector<std::string> split_words(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

Lines Readme::text_of(const Block& block) const {
  if (!block.fenced) return {};
  const auto at = [&](std::size_t line) {
    return lines.begin() + static_cast<std::ptrdiff_t>(line);
  };
  return {at(block.comment + 2), at(block.end - 1)};
}

void Readme::replace(const Block& block, const std::string& language, const Lines& text) {
  const auto at = [&](std::size_t line) {
    return lines.begin() + static_cast<std::ptrdiff_t>(line);
  };
  Lines fresh{std::string(fence) + language};
  fresh.insert(fresh.end(), text.begin(), text.end());
  fresh.emplace_back(fence);
  const auto hole = lines.erase(at(block.comment + 1), at(block.end));
  lines.insert(hole, fresh.begin(), fresh.end());
}

Readme read_readme(const std::filesystem::path& path) {
  Readme readme{path, split_lines(read_file(path, std::size_t{1} << 20)), {}};
  for (std::size_t i = 0; i < readme.lines.size();) {
    if (readme.lines[i].starts_with(fence)) {
      i = after_fence(readme, i);
      continue;
    }
    Block block = block_at(readme.lines[i]);
    block.comment = i++;
    if (block.kind.empty()) continue;
    block.fenced = i < readme.lines.size() && readme.lines[i].starts_with(fence);
    if (block.fenced) i = after_fence(readme, i);
    block.end = i;
    readme.blocks.push_back(block);
  }
  return readme;
}

}  // namespace triptych::weave

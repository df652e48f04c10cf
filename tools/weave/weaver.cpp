#include "weaver.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "compare.h"
#include "model/file_io.h"
#include "model/strict_json.h"
#include "region.h"
#include "triptych/error.h"

namespace triptych::weave {
namespace {

constexpr std::size_t largest_file = std::size_t{1} << 24;

/// The first word of a text, and what follows it.
struct Cut {
  std::string word, rest;
};
Cut cut(const std::string& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::size_t next = std::min(text.find_first_not_of(' ', end), text.size());
  return {text.substr(0, end), text.substr(next)};
}

/// What a block is to hold, or what is wrong with it.
class Weaver {
 public:
  Weaver(const Chapter& chapter, Mode mode) : chapter_(chapter), mode_(mode) {}

  std::vector<Finding> weave() {
    Readme readme = read_readme(chapter_.folder / "README.md");
    std::vector<Finding> findings;
    bool changed = false;
    // From the last to the first, because replacing one moves those behind it.
    for (auto block = readme.blocks.rbegin(); block != readme.blocks.rend(); ++block) {
      try {
        const std::optional<Finding> stale = weave(readme, *block);
        if (!stale) continue;
        if (mode_ == Mode::check) findings.push_back(*stale);
        if (mode_ == Mode::write) {
          readme.replace(*block, language_, fresh_);
          changed = true;
        }
      } catch (const Error& error) {
        findings.push_back({block->comment, error.what()});
      }
    }
    if (changed) write_file(readme.path, fmt::format("{}\n", fmt::join(readme.lines, "\n")));
    std::reverse(findings.begin(), findings.end());
    return findings;
  }

 private:
  /// How the block is out of date; what it should be is in language_ and fresh_ then. Throws Error
  /// if that cannot be told.
  std::optional<Finding> weave(const Readme& readme, const Block& block) {
    if (block.kind == "picture") {
      weave_picture(readme, block);
      return {};
    }
    const Lines have = readme.text_of(block);
    const auto from_text = [&](std::optional<Finding> stale) -> std::optional<Finding> {
      if (stale) stale->line += block.comment + 2;
      return stale;
    };
    if (block.kind == "code") {
      const std::vector<std::string> words = split_words(block.rest);
      if (words.size() != 2) throw finding("wanted: code: FILE REGION");
      const std::filesystem::path file = find_source(words[0]);
      language_ = language_of(file);
      fresh_ = region_of(file, words[1]);
      return from_text(differs(have, fresh_, fmt::format("{} [{}]", words[0], words[1])));
    }
    language_ = "text";
    const auto [how, rest] = cut(block.rest);
    if (how == "exact") {
      fresh_ = split_lines(run(rest));
      return from_text(differs(have, fresh_, rest));
    }
    if (how == "bounded") {
      const auto [bound, command] = cut(rest);
      char* end = nullptr;
      const double relative = std::strtod(bound.c_str(), &end);
      if (*end != '\0' || !(relative > 0))
        throw finding(fmt::format("'{}' is no relative bound", bound));
      fresh_ = split_lines(run(command));
      return from_text(differs_beyond(relative, have, fresh_, command));
    }
    if (how != "recorded") {
      throw finding(
          "wanted: output: exact PROGRAM …, bounded NUMBER PROGRAM …, or recorded FILE PROGRAM …");
    }
    check_record(rest, have);
    return {};
  }

  /// A recorded output stays as it is: what it came from must be there.
  void check_record(const std::string& rest, const Lines& have) const {
    const auto [file, command] = cut(rest);
    parse_strict_json(read_file(file, largest_file), file, ErrorKind::finding, "record it again");
    find_program(cut(command).word);
    if (have.empty())
      throw finding(fmt::format("no recorded output here: put in what '{}' printed", command));
  }

  /// A picture is a file beside the README, with an image line under the comment.
  void weave_picture(const Readme& readme, const Block& block) const {
    const auto [name, command] = cut(block.rest);
    const std::string link = fmt::format("]({})", name);
    if (block.end >= readme.lines.size() ||
        readme.lines[block.end].find(link) == std::string::npos) {
      throw finding(fmt::format("wanted in the next line: ![what it shows{}", link));
    }
    const std::string fresh = run(command);
    const std::filesystem::path file = chapter_.folder / name;
    const bool there = std::filesystem::exists(file);
    if (there && read_file(file, largest_file) == fresh) return;
    if (mode_ == Mode::check) {
      throw finding(
          fmt::format("{} {} what {} draws", name, there ? "is not" : "is missing:", command));
    }
    write_file(file, fresh);
  }

  /// A file of the chapter, or of the repository.
  std::filesystem::path find_source(const std::string& name) const {
    if (std::filesystem::exists(chapter_.folder / name)) return chapter_.folder / name;
    if (std::filesystem::exists(name)) return name;
    throw finding(fmt::format("there is no file {} in {}, nor in the repository", name,
                              chapter_.folder.string()));
  }

  std::filesystem::path find_program(const std::string& name) const {
    for (const std::filesystem::path& folder : chapter_.programs) {
      if (!name.empty() && std::filesystem::is_regular_file(folder / name)) return folder / name;
    }
    throw finding(fmt::format("there is no program '{}' in {}", name, fmt::join(folders(), ", ")));
  }
  std::vector<std::string> folders() const {
    std::vector<std::string> names;
    for (const std::filesystem::path& folder : chapter_.programs) names.push_back(folder.string());
    return names;
  }

  /// What a command prints. Its first word is a program of the chapter, the rest is the shell's.
  /// Exit code 1 says that the program found something, which a chapter may want to show; any other
  /// is an error.
  std::string run(const std::string& command) const {
    const auto [name, arguments] = cut(command);
    const std::string line = fmt::format("'{}' {}", find_program(name).string(), arguments);
    std::FILE* pipe = ::popen(line.c_str(), "r");
    if (pipe == nullptr) throw environment_error("popen: " + line);
    std::string output;
    std::array<char, 4096> piece;
    for (std::size_t n; (n = std::fread(piece.data(), 1, piece.size(), pipe)) > 0;) {
      output.append(piece.data(), n);
    }
    const int status = ::pclose(pipe);
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (code > 1) throw finding(fmt::format("'{}' failed with exit code {}", command, code));
    return output;
  }

  const Chapter& chapter_;
  const Mode mode_;
  std::string language_;
  Lines fresh_;
};

}  // namespace

std::vector<Finding> weave(const Chapter& chapter, Mode mode) {
  return Weaver(chapter, mode).weave();
}

}  // namespace triptych::weave

/// \file
/// A chapter's README.md as lines, and the blocks in it that weave owns.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace triptych::weave {

using Lines = std::vector<std::string>;

/// The lines of a text; a last line need not end in a newline.
Lines split_lines(std::string_view text);
/// The words of a text, between spaces.
std::vector<std::string> split_words(std::string_view text);

/// Something that is not as it should be, at a line of the README counted from 0.
struct Finding {
  std::size_t line = 0;
  std::string text;
};

/// A comment line `<!-- kind: rest -->`, and the fenced block under it.
struct Block {
  std::string kind;         ///< code, output or picture
  std::string rest;         ///< of the comment, after the colon
  std::size_t comment = 0;  ///< the comment's line
  std::size_t end = 0;      ///< one past the closing fence; comment + 1 while there is no fence
  bool fenced = false;      ///< lines comment + 2 … end - 2 are the block's text
};

/// The file, cut.
struct Readme {
  std::filesystem::path path;
  Lines lines;
  std::vector<Block> blocks;

  /// The text between a block's fences.
  Lines text_of(const Block& block) const;
  /// Puts a fenced text under a block's comment. Blocks behind it keep their places only if this
  /// one's length stays: replace from the last block to the first.
  void replace(const Block& block, const std::string& language, const Lines& text);
};

/// Reads a README. Comments within other fenced blocks are text. Throws Error (finding) where a
/// fence does not end.
Readme read_readme(const std::filesystem::path& path);

}  // namespace triptych::weave

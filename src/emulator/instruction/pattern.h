/// \file
/// A form's pattern, read once: which modifiers an opcode may have.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace triptych::emulator {

/// What a pattern says of one opcode: how far it agrees, and what it would have liked there.
struct Agreement {
  bool whole = false;                      ///< the opcode is one of the pattern's
  std::size_t reached = 0;                 ///< modifiers that agree, from the left
  std::vector<std::string_view> expected;  ///< words that could stand at `reached`
  std::vector<std::pair<std::string_view, std::string_view>> named;  ///< if whole: name, word
};

class Pattern {
 public:
  /// The views point into `text`. Throws std::logic_error if the table is wrong.
  explicit Pattern(std::string_view text);

  std::string_view root() const { return root_; }
  /// Whether a part has this name.
  bool names(std::string_view name) const;
  /// All words that it knows.
  std::vector<std::string_view> words() const;

  Agreement match(std::span<const std::string_view> modifiers) const;
  /// The same with the modifiers in any order, as ptxas takes them: only those at the beginning
  /// that cannot be left out have to be in place, and several that could stand in one place keep
  /// their order.
  Agreement match_any_order(std::span<const std::string_view> modifiers) const;

 private:
  struct Part {
    std::string_view name;
    std::vector<std::string_view> words;
    bool accepts(std::string_view word) const;
  };
  /// Parts that are there together or, if optional, not at all.
  struct Group {
    bool optional = false;
    std::vector<Part> parts;
  };
  struct Matcher;

  static Part read_part(std::string_view& rest);

  std::string_view root_;
  std::vector<Group> groups_;
};

}  // namespace triptych::emulator

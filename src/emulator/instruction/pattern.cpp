#include "emulator/instruction/pattern.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace triptych::emulator {
namespace {

[[noreturn]] void wrong(std::string_view what, std::string_view where) {
  throw std::logic_error("table of forms: " + std::string(what) + " at '" + std::string(where) +
                         "'");
}

/// Takes what stands before the first of `ends`.
std::string_view take_until(std::string_view& rest, std::string_view ends) {
  const std::size_t n = std::min(rest.find_first_of(ends), rest.size());
  const std::string_view taken = rest.substr(0, n);
  rest.remove_prefix(n);
  return taken;
}

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::string_view word = take_until(text, " ");
    if (!word.empty()) words.push_back(word);
    if (!text.empty()) text.remove_prefix(1);
  }
  return words;
}

}  // namespace

bool Pattern::Part::accepts(std::string_view word) const {
  return std::find(words.begin(), words.end(), word) != words.end();
}

Pattern::Part Pattern::read_part(std::string_view& rest) {
  if (rest.empty() || rest[0] != '.') wrong("'.' expected", rest);
  rest.remove_prefix(1);
  Part part;
  if (!rest.empty() && rest[0] == '<') {
    rest.remove_prefix(1);
    std::string_view inside = take_until(rest, ">");
    if (rest.empty()) wrong("'>' expected", inside);
    rest.remove_prefix(1);
    if (const std::size_t colon = inside.find(": "); colon != std::string_view::npos) {
      part.name = inside.substr(0, colon);
      inside.remove_prefix(colon + 2);
    }
    part.words = split_words(inside);
  } else {
    part.words = {take_until(rest, ".{}")};
  }
  if (part.words.empty() || part.words[0].empty()) wrong("word expected", rest);
  return part;
}

Pattern::Pattern(std::string_view text) {
  root_ = take_until(text, ".{");
  while (!text.empty()) {
    Group group;
    group.optional = text[0] == '{';
    if (group.optional) text.remove_prefix(1);
    do {
      group.parts.push_back(read_part(text));
    } while (group.optional && !text.empty() && text[0] == '.');
    if (group.optional) {
      if (text.empty() || text[0] != '}') wrong("'}' expected", text);
      text.remove_prefix(1);
    }
    groups_.push_back(std::move(group));
  }
}

bool Pattern::names(std::string_view name) const {
  for (const Group& group : groups_) {
    for (const Part& part : group.parts) {
      if (part.name == name) return true;
    }
  }
  return false;
}

std::vector<std::string_view> Pattern::words() const {
  std::vector<std::string_view> all;
  for (const Group& group : groups_) {
    for (const Part& part : group.parts)
      all.insert(all.end(), part.words.begin(), part.words.end());
  }
  return all;
}

/// One attempt to read modifiers from the left, with a second thought about optional groups.
struct Pattern::Matcher {
  const std::vector<Group>& groups;
  std::span<const std::string_view> modifiers;
  Agreement found;

  void would_like(const Part& part, std::size_t at) {
    if (at < found.reached) return;
    if (at > found.reached) found.expected.clear();
    found.reached = at;
    found.expected.insert(found.expected.end(), part.words.begin(), part.words.end());
  }

  bool take(std::size_t group, std::size_t at) {
    const auto& parts = groups[group].parts;
    for (std::size_t p = 0; p < parts.size(); ++p) {
      if (at + p >= modifiers.size() || !parts[p].accepts(modifiers[at + p])) {
        would_like(parts[p], at + p);
        return false;
      }
      if (!parts[p].name.empty()) found.named.emplace_back(parts[p].name, modifiers[at + p]);
    }
    return true;
  }

  bool go(std::size_t group, std::size_t at) {
    if (group == groups.size()) {
      if (at > found.reached) {
        found.reached = at;
        found.expected.clear();
      }
      return at == modifiers.size();
    }
    const std::size_t noted = found.named.size();
    if (take(group, at) && go(group + 1, at + groups[group].parts.size())) return true;
    found.named.resize(noted);
    return groups[group].optional && go(group + 1, at);
  }
};

Agreement Pattern::match(std::span<const std::string_view> modifiers) const {
  Matcher matcher{groups_, modifiers, {}};
  matcher.found.whole = matcher.go(0, 0);
  return std::move(matcher.found);
}

Agreement Pattern::match_any_order(std::span<const std::string_view> modifiers) const {
  Agreement found;
  std::vector<const Part*> open;
  std::vector<bool> needed;
  bool leading = true;
  std::size_t at = 0;
  for (const Group& group : groups_) {
    leading = leading && !group.optional;
    for (const Part& part : group.parts) {
      if (leading) {
        if (at == modifiers.size() || !part.accepts(modifiers[at])) return found;
        found.named.emplace_back(part.name, modifiers[at++]);
      } else {
        open.push_back(&part);
        needed.push_back(!group.optional);
      }
    }
  }
  for (; at < modifiers.size(); ++at) {
    const auto part = std::find_if(open.begin(), open.end(), [&](const Part* p) {
      return p != nullptr && p->accepts(modifiers[at]);
    });
    if (part == open.end()) return found;
    found.named.emplace_back((*part)->name, modifiers[at]);
    *part = nullptr;
  }
  found.whole = true;
  for (std::size_t i = 0; i < open.size(); ++i)
    found.whole = found.whole && (open[i] == nullptr || !needed[i]);
  return found;
}

}  // namespace triptych::emulator

/// \file
/// A judge of the pages that the program writes: well-formed, and nothing from elsewhere.
#pragma once

#include <cctype>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace triptych::testing {

/// What is wrong with a page or an SVG text, or "" if its tags nest, its attributes are quoted, its
/// entities are known, and it has no script, no event handler and no address that a browser would
/// load. Written for this project's output, which closes every tag but <meta> and <!DOCTYPE>.
inline std::string markup_fault(std::string_view text) {
  static const std::set<std::string_view> entities = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
  std::vector<std::string> open;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '&') {
      const std::string_view entity = text.substr(i, text.find(';', i) + 1 - i);
      if (!entities.contains(entity)) return "a bare &: " + std::string(text.substr(i, 20));
    }
    if (text[i] == '>') return "a bare >: " + std::string(text.substr(i < 20 ? 0 : i - 20, 40));
    if (text[i] != '<') {
      ++i;
      continue;
    }
    // The tag's end: the first > outside of quotes.
    std::size_t end = i + 1;
    bool in_quotes = false;
    while (end < text.size() && (in_quotes || text[end] != '>')) {
      if (text[end] == '"') in_quotes = !in_quotes;
      if (in_quotes && text[end] == '<') return "a bare < in an attribute";
      ++end;
    }
    if (end == text.size()) return "an open tag: " + std::string(text.substr(i, 40));
    const std::string tag(text.substr(i + 1, end - i - 1));
    const std::size_t name_end = tag.find_first_of(" /\n", 1);
    const std::string name = tag.substr(0, name_end);
    i = end + 1;
    if (name == "!DOCTYPE" || name == "meta") continue;
    if (tag.starts_with('/')) {
      if (open.empty() || open.back() != tag.substr(1)) return "a stray <" + tag + ">";
      open.pop_back();
      continue;
    }
    if (name == "script" || name == "link" || name == "img" || name == "iframe") return "a " + name;
    for (const char* attribute : {" href=", " src=", " on"}) {
      if (tag.find(attribute) != std::string::npos) return "an attribute" + std::string(attribute);
    }
    for (std::size_t equals = tag.find('='); equals != std::string::npos;) {
      if (tag[equals + 1] != '"') return "an attribute without quotes: " + tag;
      const std::size_t close = tag.find('"', equals + 2);
      if (close == std::string::npos) return "an attribute without an end: " + tag;
      equals = tag.find('=', close);
    }
    if (name == "style") {  // what is inside are no tags
      const std::size_t close = text.find("</style>", i);
      const std::string_view style = text.substr(i, close - i);
      if (style.find("url(") != style.npos || style.find("@import") != style.npos) {
        return "a style sheet that loads something";
      }
      i = close;
    }
    if (!tag.ends_with('/')) open.push_back(name);
  }
  return open.empty() ? "" : "an element without an end: " + open.back();
}

/// How often `piece` occurs.
inline int count_of(std::string_view text, std::string_view piece) {
  int count = 0;
  for (std::size_t at = text.find(piece); at != text.npos; at = text.find(piece, at + 1)) ++count;
  return count;
}

}  // namespace triptych::testing

#include "model/strict_json.h"

#include <fmt/format.h>

#include <set>
#include <vector>

#include "model/file_io.h"

namespace triptych {

using nlohmann::json;

json parse_strict_json(std::string_view text, const std::string& where, ErrorKind kind,
                       const std::string& remedy) {
  // The parser takes a NUL for the end of its input, whatever follows.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    throw Error(kind, fmt::format("{}: not JSON at byte {} of {}, a NUL; {}", where, nul + 1,
                                  text.size(), remedy));
  }
  std::vector<std::set<std::string>> names;  // of the objects that are open, outermost first
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) names.emplace_back();
    if (event == json::parse_event_t::object_end) names.pop_back();
    if (event == json::parse_event_t::key &&
        !names.back().insert(parsed.get_ref<const std::string&>()).second) {
      throw Error(kind, fmt::format("{}: {} stands there twice; {}", where,
                                    quoted_text(parsed.get_ref<const std::string&>()), remedy));
    }
    if (depth > strict_json_depth) {
      throw Error(kind, fmt::format("{}: JSON nested deeper than {}; {}", where, strict_json_depth,
                                    remedy));
    }
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), watch);
  } catch (const json::parse_error& error) {
    // The library's own text may quote the input at length; the byte says enough.
    throw Error(kind, fmt::format("{}: not JSON at byte {} of {}; {}", where, error.byte,
                                  text.size(), remedy));
  } catch (const json::exception&) {
    throw Error(kind, fmt::format("{}: a number is out of range; {}", where, remedy));
  }
}

std::string shown(const json& value) {
  // Only the outermost shape of a long value is of use, and dumping it whole may take long.
  if (value.is_object()) return fmt::format("an object of {} fields", value.size());
  if (value.is_array()) return fmt::format("an array of {}", value.size());
  if (value.is_string()) return quoted_text(value.get_ref<const std::string&>());
  return value.dump();
}

}  // namespace triptych

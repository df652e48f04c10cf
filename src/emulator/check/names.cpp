#include "emulator/check/check.h"

namespace triptych::emulator {

std::string_view name_of(Check check) {
  constexpr std::string_view names[] = {"init", "race", "nc", "barrier", "async", "aligned", "undefined"};
  return names[static_cast<std::size_t>(check)];
}

std::string names_of(Checks checks) {
  std::string text;
  for (unsigned c = 0; c < static_cast<unsigned>(Check::count); ++c) {
    if ((checks >> c & 1) == 0) continue;
    if (!text.empty()) text += ", ";
    text += name_of(static_cast<Check>(c));
  }
  return text;
}

std::optional<Checks> checks_of(std::string_view text) {
  if (text == "all") return all_checks;
  if (text == "none") return 0;
  Checks checks = 0;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view word = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    bool known = false;
    for (unsigned c = 0; c < static_cast<unsigned>(Check::count); ++c) {
      if (name_of(static_cast<Check>(c)) != word) continue;
      checks |= 1u << c;
      known = true;
    }
    if (!known) return std::nullopt;
  }
  return checks;
}

}  // namespace triptych::emulator

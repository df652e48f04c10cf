#include "emulator/ptx/scope.h"

#include <charconv>

namespace triptych::emulator {

// A prefix may itself end with digits, so each way to split the name is tried: a12 is a·12 or a1·2.
const Family* Scope::family_of(std::string_view name) const {
  if (families.empty()) return nullptr;
  constexpr std::size_t longest_number = 10;  // digits of 2³²
  for (std::size_t digits = 1; digits <= longest_number && digits < name.size(); ++digits) {
    const std::size_t split = name.size() - digits;
    const char first = name[split];
    if (first < '0' || first > '9') return nullptr;
    if (first == '0' && digits > 1) continue;  // %r01 is none of %r<2>
    const auto found = families.find(name.substr(0, split));
    if (found == families.end()) continue;
    std::uint64_t number = 0;
    std::from_chars(name.data() + split, name.data() + name.size(), number);
    if (number < found->second.count) return &found->second;
  }
  return nullptr;
}

}  // namespace triptych::emulator

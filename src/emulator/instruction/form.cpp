// The table of all forms, and the search in it.
#include "emulator/instruction/form.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "emulator/instruction/match.h"
#include "emulator/instruction/pattern.h"

namespace triptych::emulator {
namespace {

/// A form, read once.
struct Entry {
  const Form* form;
  std::uint16_t index;
  Pattern pattern;
  std::vector<Element> elements;
  bool each;
};

using Table = std::map<std::string_view, std::vector<Entry>>;

Table build() {
  Table table;
  for (std::size_t i = 0; i < all_forms().size(); ++i) {
    const Form* form = all_forms()[i];
    Entry entry{form, static_cast<std::uint16_t>(i), Pattern(form->pattern),
                parse_signature(form->operands), false};
    entry.each = std::any_of(entry.elements.begin(), entry.elements.end(), [](const Element& e) {
      return e.kind == Element::Kind::immediate || e.selector;
    });
    table[entry.pattern.root()].push_back(std::move(entry));
  }
  return table;
}

const Table& table() {
  static const Table built = build();
  return built;
}

/// Adds the form if select() agrees. Forms with immediate operands are asked again for each
/// instruction.
void add(const Entry& entry, Agreement&& agreement, std::span<const std::string_view> modifiers,
         Candidates& to) {
  Candidate c;
  c.choice.form = entry.form;
  c.choice.named = std::move(agreement.named);
  c.choice.words.assign(modifiers.begin(), modifiers.end());
  c.form = entry.index;
  c.each = entry.each;
  Choice asked = c.choice;
  c.run = entry.form->select(asked);
  if (c.run == nullptr && !c.each) return;
  if (!c.each) c.choice = asked;
  c.operands = resolve_signature(entry.elements, asked);
  to.all.push_back(std::move(c));
}

std::string join(std::string_view root, std::span<const std::string_view> modifiers) {
  std::string opcode(root);
  for (const std::string_view m : modifiers) (opcode += '.') += m;
  return opcode;
}

/// What a reader needs to know about an opcode that no form fits: `best` agrees with the most of
/// it.
std::string explain(std::string_view root, std::span<const std::string_view> modifiers,
                    Agreement& best, bool refused) {
  const std::string opcode = join(root, modifiers);
  if (refused) return fmt::format("'{}': these modifiers do not go together", opcode);
  auto& words = best.expected;
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  constexpr std::size_t most = 16;
  const std::span shown = std::span(words).first(std::min(words.size(), most));
  const std::string expected = words.empty() ? "nothing more"
                                             : fmt::format(".{}{}", fmt::join(shown, ", ."),
                                                           words.size() > most ? ", …" : "");
  if (best.reached == modifiers.size())
    return fmt::format("'{}': a modifier is missing; expected {}", opcode, expected);
  return fmt::format("'{}': '.{}' is not allowed after '{}'; expected {}", opcode,
                     modifiers[best.reached], join(root, modifiers.first(best.reached)), expected);
}

}  // namespace

std::string_view Choice::operator[](std::string_view name) const {
  for (const auto& [n, word] : named) {
    if (n == name) return word;
  }
  return {};
}

bool Choice::has(std::string_view modifier) const {
  return std::find(words.begin(), words.end(), modifier) != words.end();
}

const std::vector<const Form*>& all_forms() {
  static const std::vector<const Form*> forms = [] {
    std::vector<const Form*> all;
    for (const auto family :
         {integer_forms(), logic_forms(), float_forms(), half_forms(), convert_forms(),
          memory_forms(), atomic_forms(), warp_forms(), control_forms(), matrix_forms(),
          async_forms(), mbarrier_forms(), wgmma_forms()}) {
      for (const Form& form : family) all.push_back(&form);
    }
    return all;
  }();
  return forms;
}

Candidates find_forms(std::string_view root, std::span<const std::string_view> modifiers) {
  Candidates found;
  const auto entries = table().find(root);
  if (entries == table().end()) {
    found.error = fmt::format("'{}' is no instruction of this device", root);
    return found;
  }
  Agreement best;
  bool refused = false;
  for (const Entry& entry : entries->second) {
    Agreement agreement = entry.pattern.match(modifiers);
    if (agreement.whole) {
      refused = true;
      add(entry, std::move(agreement), modifiers, found);
    } else if (agreement.reached > best.reached || best.expected.empty()) {
      best = std::move(agreement);
    } else if (agreement.reached == best.reached) {
      best.expected.insert(best.expected.end(), agreement.expected.begin(),
                           agreement.expected.end());
    }
  }
  for (auto entry = entries->second.begin(); !refused && entry != entries->second.end(); ++entry) {
    Agreement agreement = entry->pattern.match_any_order(modifiers);
    if (agreement.whole) add(*entry, std::move(agreement), modifiers, found);
  }
  if (found.all.empty()) found.error = explain(root, modifiers, best, refused);
  return found;
}

Choice match_form(std::string_view root, std::span<const std::string_view> modifiers) {
  Candidates found = find_forms(root, modifiers);
  return found.all.empty() ? Choice() : std::move(found.all.front().choice);
}

}  // namespace triptych::emulator

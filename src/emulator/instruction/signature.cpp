#include "emulator/instruction/signature.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <string>

namespace triptych::emulator {
namespace {

[[noreturn]] void wrong(std::string_view what, std::string_view where) {
  throw std::logic_error("table of forms: " + std::string(what) + " in '" + std::string(where) +
                         "'");
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// Cuts what stands before `separator` off, and the separator; empty if there is none.
std::string_view take_before(std::string_view& text, char separator) {
  const std::size_t at = text.find(separator);
  if (at == std::string_view::npos) return {};
  const std::string_view before = text.substr(0, at);
  text.remove_prefix(at + 1);
  return before;
}

/// The number in "4", "v4", "x4" or "4d"; 0 if there is none.
int number_in(std::string_view word) {
  while (!word.empty() && (word[0] < '0' || word[0] > '9')) word.remove_prefix(1);
  int number = 0;
  std::from_chars(word.data(), word.data() + word.size(), number);
  return number;
}

void read_address(std::string_view inside, Element& e) {
  e.kind = Element::Kind::address;
  e.read = true;
  e.space = inside;
  if (inside.find(',') != std::string_view::npos) {
    e.kind = Element::Kind::tensor;
    e.space = trim(take_before(inside, ','));
    e.count = trim(inside);
  }
}

void read_value(std::string_view text, Element& e) {
  if (const std::string_view count = take_before(text, '*'); !count.empty()) {
    e.kind = Element::Kind::vector;
    e.count = count;
  }
  e.wider = take(text, "~");
  if (const std::string_view first = take_before(text, '|'); !first.empty()) {
    e.kind = Element::Kind::pair;
    e.second = text;
    text = first;
  }
  e.type = text == "#" ? std::string_view() : text;
  if (text.empty()) wrong("type expected", text);
}

Element read_element(std::string_view text) {
  const std::string_view whole = text;
  Element e;
  if (const std::size_t mark = text.rfind('?'); mark != std::string_view::npos && mark != 0 &&
                                                text[mark - 1] != '=' && text[mark - 1] != '+' &&
                                                text.substr(mark).find('*') == text.npos) {
    e.optional = true;
    std::string_view when = text.substr(mark + 1);
    if (!when.empty() && !take(when, ".")) wrong("'.' expected after '?'", whole);
    e.when = when;
    text = text.substr(0, mark);
  }
  e.write = take(text, "=");
  if (take(text, "+")) e.read = e.write = true;
  e.read = e.read || !e.write;
  e.anything = take(text, "&");
  e.selector = take(text, "%");
  e.only_register = take(text, "!");
  using Kind = Element::Kind;
  constexpr std::pair<std::string_view, Kind> words[] = {
      {"imm", Kind::immediate},     {"_", Kind::sink},    {"label", Kind::label},
      {"function", Kind::function}, {"list", Kind::list}, {"cc", Kind::carry}};
  const auto word = std::find_if(std::begin(words), std::end(words),
                                 [&](const auto& w) { return w.first == text; });
  if (word != std::end(words)) {
    e.kind = word->second;
  } else if (take(text, "[")) {
    if (text.empty() || text.back() != ']') wrong("']' expected", whole);
    read_address(text.substr(0, text.size() - 1), e);
  } else {
    read_value(text, e);
  }
  return e;
}

int slots_of(Element::Kind kind) {
  using Kind = Element::Kind;
  switch (kind) {
    case Kind::pair:
      return 2;
    case Kind::value:
    case Kind::address:
    case Kind::tensor:
    case Kind::function:
    case Kind::carry:
      return 1;
    default:
      return 0;
  }
}

Type resolve_type(std::string_view name, const Choice& choice) {
  if (name.empty()) return Type::none;
  if (const std::string_view word = choice[name]; !word.empty()) name = word;
  const Type type = parse_type(name);
  if (type == Type::none) wrong("no type '" + std::string(name) + "'", choice.form->operands);
  return type;
}

Space resolve_space(std::string_view name, const Choice& choice) {
  if (choice.form != nullptr && !name.empty()) {
    if (const std::string_view word = choice[name]; !word.empty()) name = word;
  }
  if (name == "param::func") return Space::local;
  const std::string_view base = name.substr(0, name.find(':'));
  for (const Space s :
       {Space::constant, Space::global, Space::local, Space::param, Space::shared}) {
    if (name_of(s) == base) return s;
  }
  return Space::generic;
}

}  // namespace

std::vector<Element> parse_signature(std::string_view operands) {
  std::vector<Element> elements;
  std::string_view rest = trim(operands);
  int op = 0;
  while (!rest.empty()) {
    int depth = 0;
    std::size_t n = 0;
    for (; n < rest.size() && (rest[n] != ',' || depth > 0); ++n)
      depth += (rest[n] == '[') - (rest[n] == ']');
    Element e = read_element(trim(rest.substr(0, n)));
    e.ops = static_cast<std::int8_t>(slots_of(e.kind));
    if (e.ops > 0) e.op = static_cast<std::int8_t>(op);
    op += e.ops;
    if (op > static_cast<int>(Instr().op.size())) wrong("more slots than Instr::op has", operands);
    elements.push_back(e);
    if (elements.size() > most_operands) wrong("too many operands", operands);
    rest.remove_prefix(std::min(n + 1, rest.size()));
  }
  return elements;
}

std::vector<Expected> resolve_signature(const std::vector<Element>& elements,
                                        const Choice& choice) {
  std::vector<Expected> all;
  std::size_t asked = 0;
  for (const Element& e : elements) {
    Expected x{.kind = e.kind,
               .read = e.read,
               .write = e.write,
               .wider = e.wider,
               .anything = e.anything,
               .selector = e.selector,
               .only_register = e.only_register};
    x.optional = e.optional && e.when.empty();
    x.missing = !e.when.empty() && !choice.has(e.when);
    x.op = e.op;
    x.ops = e.ops;
    if (!x.missing) {
      x.type = resolve_type(e.type, choice);
      x.second = resolve_type(e.second, choice);
      x.space = resolve_space(e.space, choice);
      if (e.count == "?") {
        if (asked == choice.vector_length.size())
          wrong("Choice::vector_length is too short", choice.form->operands);
        x.count = choice.vector_length[asked++];
        x.braces = true;
      } else if (!e.count.empty()) {
        const std::string_view word = choice[e.count];
        const int number = number_in(word.empty() ? e.count : word);
        x.count = number == 0 ? 1 : number;
        x.braces = number > 1 || (number == 1 && !word.empty());
      }
    }
    all.push_back(x);
  }
  return all;
}

}  // namespace triptych::emulator

#include <bit>
#include <limits>

#include "emulator/ptx/parser.h"

namespace triptych::emulator {
namespace {

std::optional<Space> parse_space(std::string_view name) {
  if (name == "reg") return Space::reg;
  if (name == "const") return Space::constant;
  if (name == "global") return Space::global;
  if (name == "local") return Space::local;
  if (name == "param") return Space::param;
  if (name == "shared") return Space::shared;
  return std::nullopt;
}

// Types that a variable or a register may have; the others are of instructions only.
bool is_declarable(Type type) {
  return type != Type::none && type != Type::b1 && type != Type::u4 && type != Type::s4 &&
         type < Type::u16x2;
}

}  // namespace

// .global .align 16 .v4 .f32 name …;
void Parser::declaration(Head what) {
  const auto space = parse_space(token_.text);
  if (!space) unexpected("a state space such as .global or .reg");
  what.space = *space;
  const Token where = take();
  if (function_ == nullptr && (what.space == Space::reg || what.space == Space::local ||
                               what.space == Space::param)) {
    fail(where.at, fmt::format("{} is not allowed outside functions", quoted(where.text)));
  }
  what = head(what);
  if (what.space == Space::reg) {
    register_declaration(what);
  } else {
    variable_declaration(what);
  }
  expect(';', "after the declaration");
}

Head Parser::head(Head what) {
  while (head_part(what)) {
  }
  if (what.type == Type::none) unexpected("a type such as .b32");
  const std::uint32_t whole = static_cast<std::uint32_t>(bytes_of(what.type)) * what.width;
  if (what.space != Space::reg && whole > 16) {
    fail(token_.at, fmt::format("a vector of {} bytes; expected at most 16", whole));
  }
  return what;
}

bool Parser::head_part(Head& what) {
  if (token_.kind != Token::Kind::directive) return false;
  const std::string_view word = token_.text;
  if (take_if_directive("attribute")) {
    attribute(what);
  } else if (take_if_directive("align")) {
    const Position at = token_.at;
    what.align = static_cast<std::uint32_t>(expect_number("an alignment", 1, 1u << 30));
    if (!std::has_single_bit(what.align)) {
      fail(at, fmt::format("alignment {} is not a power of two", what.align));
    }
  } else if (word == "v2" || word == "v4") {
    what.width = word == "v2" ? 2 : 4;
    take();
  } else if (const Type type = parse_type(word); is_declarable(type) || is_float(type)) {
    if (what.type != Type::none) unexpected("a name after the type");
    what.type = type;
    take();
  } else if (word == "pred") {
    what.type = Type::pred;
    take();
  } else {
    return false;
  }
  return true;
}

// .attribute(.managed) or .attribute(.unified(1, 2))
void Parser::attribute(Head& what) {
  expect('(', "after .attribute");
  do {
    if (take_if_directive("managed")) {
      what.managed = true;
    } else if (take_if_directive("unified")) {
      expect('(', "after .unified");
      expect_kind(Token::Kind::integer, "the upper half of a UUID");
      expect(',', "between the UUID's halves");
      expect_kind(Token::Kind::integer, "the lower half of a UUID");
      expect(')', "after the UUID");
    } else {
      unexpected(".managed or .unified");
    }
  } while (take_if(','));
  expect(')', "after the attributes");
}

void Parser::register_declaration(const Head& what) {
  do {
    const Token name = expect_name("a register's name");
    if (token_.is('<')) {
      family(name, what);
    } else {
      declare(name, {.reg = make_register(name.text, what)});
    }
  } while (take_if(','));
}

void Parser::variable_declaration(const Head& what) {
  do {
    const Token name = expect_name("a variable's name");
    if (token_.is('<')) {
      family(name, what);
      continue;
    }
    Variable* variable = make_variable(name, what);
    declare(name, {.variable = variable});
    const std::vector<std::uint64_t> lengths = extents(*variable);
    size(*variable, name, lengths);
    if (take_if('=')) initializer(*variable, lengths);
  } while (take_if(','));
}

// name<100>
void Parser::family(const Token& name, const Head& what) {
  take();
  Family made{what, 0};
  made.count = static_cast<std::uint32_t>(
      expect_number("a number of registers", 1, std::numeric_limits<std::uint32_t>::max()));
  expect('>', "after the number of registers");
  if (!scopes_.back().families.emplace(name.text, made).second) {
    fail(name.at, fmt::format("{} is declared already in this scope", quoted(name.text)));
  }
}

// [4][8] or []; an extent that is not given is 0.
std::vector<std::uint64_t> Parser::extents(Variable& variable) {
  std::vector<std::uint64_t> lengths;
  while (token_.is('[')) {
    const Position at = take().at;
    if (token_.is(']')) {
      if (!lengths.empty()) fail(at, "only the first extent of an array may be left out");
      variable.unsized = true;
      lengths.push_back(0);
    } else {
      const std::int64_t length = integer_expression("an array's extent");
      if (length <= 0) fail(at, fmt::format("an array of {} elements; expected at least 1", length));
      lengths.push_back(static_cast<std::uint64_t>(length));
    }
    expect(']', "after the array's extent");
  }
  return lengths;
}

void Parser::size(Variable& variable, const Token& name, const std::vector<std::uint64_t>& lengths) {
  std::uint64_t bytes = static_cast<std::uint64_t>(bytes_of(variable.type)) * variable.width;
  for (const std::uint64_t length : lengths) {
    constexpr std::uint64_t most = std::uint64_t{1} << 62;
    if (length != 0 && bytes > most / length) {
      fail(name.at, fmt::format("{} is larger than the address space", quoted(name.text)));
    }
    bytes *= length;
  }
  variable.bytes = bytes;
}

}  // namespace triptych::emulator

#include <algorithm>
#include <limits>

#include "emulator/ptx/parser.h"

namespace triptych::emulator {
namespace {

constexpr std::size_t any_number = std::numeric_limits<std::size_t>::max();

std::optional<Space> parse_space(std::string_view name) {
  if (name == "reg") return Space::reg;
  if (name == "const") return Space::constant;
  if (name == "global") return Space::global;
  if (name == "local") return Space::local;
  if (name == "param") return Space::param;
  if (name == "shared") return Space::shared;
  return std::nullopt;
}

// Types that a variable may have; the others are of instructions only.
bool is_declarable(Type type) {
  switch (type) {
    case Type::none:
    case Type::b1:
    case Type::u4:
    case Type::s4:
    case Type::u16x2:
    case Type::s16x2:
    case Type::f32x2:
      return false;
    case Type::f16:
    case Type::f16x2:
    case Type::f32:
    case Type::f64:
      return true;
    default:
      return !is_float(type);
  }
}

}  // namespace

// .global .align 16 .v4 .f32 name, …;
void Parser::declaration(Linkage link) {
  const auto space = parse_space(token_.text);
  if (!space) unexpected("a state space such as .global or .reg");
  const bool inside = *space == Space::reg || *space == Space::local || *space == Space::param;
  if (function_ == nullptr && inside) unexpected(".global, .const or .shared outside functions");
  advance();
  Head what = head(*space);
  what.linkage = link;
  if (what.space == Space::reg) {
    register_declaration(what);
  } else {
    variable_declaration(what);
  }
  expect(';', "after the declaration");
}

// .attribute(.managed) .align 16 .v4 .f32
Head Parser::head(Space space) {
  Head what;
  what.space = space;
  while (token_.is_directive("attribute") || token_.is_directive("align")) {
    if (token_.text == "attribute") {
      attribute(what);
    } else {
      advance();
      what.align = expect_alignment();
    }
  }
  const Token vector = token_;
  if (vector.is_directive("v2") || vector.is_directive("v4")) {
    advance();
    what.width = vector.text == "v2" ? 2 : 4;
  }
  what.type = type(what);
  constexpr int widest = 128;
  if (bits_of(what.type) * what.width > widest) {
    fail(vector.at, fmt::format("a vector of {} bits; expected at most {}",
                                bits_of(what.type) * what.width, widest));
  }
  return what;
}

Type Parser::type(const Head& what) {
  const Token word = expect_kind(Token::Kind::directive, "a type such as .b32");
  const Type type = parse_type(word.text);
  if (!is_declarable(type)) {
    fail(word.at,
         fmt::format("{} is no type of a variable; expected one such as .b32", quoted(word)));
  }
  if (type == Type::pred && (what.space != Space::reg || what.width != 1)) {
    fail(word.at,
         fmt::format("{} is a type of single registers only; expected another", quoted(word)));
  }
  const bool packed = type == Type::f16x2;
  if (what.space == Space::param && (packed || what.width != 1)) {
    fail(word.at, fmt::format("{}{} is no type of a parameter; expected a scalar", quoted(word),
                              what.width != 1 ? " in a vector" : ""));
  }
  if (type == Type::b128) require(word, 83, 70);
  if (packed) require(word, 42, 53);
  return type;
}

// .attribute(.managed)
void Parser::attribute(Head& what) {
  require(take(), 40);
  expect('(', "after .attribute");
  do {
    if (!token_.is_directive("managed")) unexpected(".managed, the attribute that this device has");
    require(token_, 40, 30);
    if (what.space != Space::global) unexpected("an attribute of a variable in .global");
    advance();
    what.managed = true;
  } while (take_if(','));
  expect(')', "after the attributes");
}

void Parser::register_declaration(const Head& what) {
  if (token_.is(';')) return;
  do {
    const Token name = expect_name("a register's name");
    if (take_if('<')) {
      constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
      const auto count =
          static_cast<std::uint32_t>(expect_number("a number of registers", 0, most));
      expect('>', "after the number of registers");
      declare_family(name, what, count);
    } else {
      declare(name, {.reg = make_register(name.text, what)});
    }
  } while (take_if(','));
}

void Parser::variable_declaration(const Head& what) {
  if (token_.is(';')) return;
  do {
    const Token name = expect_name("a variable's name");
    if (take_if('<')) {
      constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
      const auto count =
          static_cast<std::uint32_t>(expect_number("a number of variables", 0, most));
      expect('>', "after the number of variables");
      declare_family(name, what, count);
    } else {
      one_variable(name, what);
    }
  } while (take_if(','));
}

// It gets its name when all is known: it cannot be named by its own initial value.
void Parser::one_variable(const Token& name, const Head& what) {
  Variable made = make_variable(name, what);
  const std::vector<std::uint64_t> lengths = extents(made, any_number);
  const bool initialised = take_if('=');
  check_linkage(name, made, initialised);
  if (initialised) initializer(made, lengths);
  if (made.unsized && made.linkage != Linkage::external) {
    fail(name.at, fmt::format("{} has no size; expected an extent in [ ]", quoted(name.text)));
  }
  if (function_ == nullptr && redeclare(name, made)) return;
  auto& variables = function_ != nullptr ? function_->variables : module_.variables;
  Variable* const kept = &variables.emplace_back(std::move(made));
  declare(name, {.variable = kept});
}

Variable Parser::make_variable(const Token& name, const Head& what) const {
  Variable made;
  made.name = name.text;
  made.space = what.space;
  made.type = what.type;
  made.width = what.width;
  made.bytes = static_cast<std::uint64_t>(bytes_of(what.type)) * what.width;
  // Less than the type needs is not taken literally.
  made.align = std::max(what.align, static_cast<std::uint32_t>(made.bytes));
  made.managed = what.managed;
  made.linkage = what.linkage;
  made.owner = function_;
  made.at = name.at;
  return made;
}

// [4][8] or [], whose extent counts as 0. Makes the variable as large.
std::vector<std::uint64_t> Parser::extents(Variable& variable, std::size_t most) {
  std::vector<std::uint64_t> lengths;
  while (token_.is('[') && lengths.size() < most) {
    const Position at = take().at;
    const std::uint64_t length =
        token_.is(']') ? 0
                       : expect_number("an extent", 0, std::numeric_limits<std::uint64_t>::max());
    expect(']', "after the extent");
    if (length == 0 && !lengths.empty()) fail(at, "an inner extent of 0; expected at least 1");
    if (length == 0) variable.unsized = true;
    constexpr std::uint64_t largest = std::uint64_t{1} << 62;
    if (length != 0 && variable.bytes > largest / length) {
      fail(at, fmt::format("{} is larger than any memory", quoted(variable.name)));
    }
    variable.bytes *= length;
    lengths.push_back(length);
  }
  return lengths;
}

void Parser::check_linkage(const Token& name, const Variable& variable, bool initialised) const {
  const bool may_have_value = variable.space == Space::global || variable.space == Space::constant;
  if (initialised && (!may_have_value || variable.linkage == Linkage::external)) {
    fail(name.at, fmt::format("{} cannot have an initial value: it is {}{}; expected ';'",
                              quoted(name.text), may_have_value ? ".extern" : "in .",
                              may_have_value ? "" : name_of(variable.space)));
  }
  if (variable.linkage == Linkage::common && variable.space != Space::global) {
    fail(name.at, fmt::format("{} is .common, but in .{}; expected .global", quoted(name.text),
                              name_of(variable.space)));
  }
}

// Whether it is a variable that was declared before and may be again: one of the two is .extern.
bool Parser::redeclare(const Token& name, const Variable& made) {
  const auto found = scopes_.front().names.find(name.text);
  if (found == scopes_.front().names.end() || found->second.variable == nullptr) return false;
  Variable& old = *found->second.variable;
  const bool old_extern = old.linkage == Linkage::external;
  const bool new_extern = made.linkage == Linkage::external;
  if (!old_extern && !new_extern) return false;
  const bool same_size = old.bytes == made.bytes || old.unsized || made.unsized;
  if (old.space != made.space || old.type != made.type || old.width != made.width || !same_size) {
    fail(name.at,
         fmt::format("{} was declared before with another space, type or size; expected the same",
                     quoted(name.text)));
  }
  if (old.linkage == Linkage::internal || made.linkage == Linkage::internal) {
    fail(name.at,
         fmt::format("{} is .extern in one declaration and internal in the other; expected "
                     ".visible",
                     quoted(name.text)));
  }
  if (old_extern && (!new_extern || old.unsized)) old = made;
  return true;
}

}  // namespace triptych::emulator

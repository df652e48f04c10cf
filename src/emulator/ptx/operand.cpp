#include <iterator>

#include "emulator/ptx/parser.h"

namespace triptych::emulator {
namespace {

// Of a vector register, by either name; -1 if it is none.
int component_of(std::string_view name) {
  const std::size_t i = std::string_view("xyzwrgba").find(name);
  return name.size() != 1 || i == std::string_view::npos ? -1 : static_cast<int>(i % 4);
}

// Instructions that take a variable's address as a value, where others take what lies there.
bool takes_address(std::string_view root) { return root == "mov" || root == "cvta"; }

}  // namespace

void Parser::operands(Instruction& made) {
  operands_.clear();
  if (made.root == "call") {
    call_operands(made);
  } else if (made.root == "bra") {
    operands_.push_back(branch_target());
  } else if (!token_.is(';')) {
    do {
      operands_.push_back(operand(made));
    } while (take_if(','));
  }
  expect(';', "after the instruction");
  made.operands.assign(std::make_move_iterator(operands_.begin()),
                       std::make_move_iterator(operands_.end()));
  if (made.root == "bra") {  // the operand stays where it is when `made` moves
    Operand& target = made.operands[0];
    scopes_.back().uses.push_back({target.name, target.at, &target.label});
  }
}

Operand Parser::branch_target() {
  Operand made;
  made.kind = Operand::Kind::label;
  made.at = token_.at;
  made.name = expect_name("a label").text;
  return made;
}

Operand Parser::operand(const Instruction& instruction) {
  if (token_.is('{')) return vector();
  if (token_.is('[')) return address();
  if (at_name()) {
    if (token_.text != "_") return named(instruction);
    if (!operands_.empty()) unexpected("an operand: '_' takes a result, which comes first");
    Operand made = sink();
    return token_.is('|') ? pair(std::move(made)) : made;
  }
  constexpr std::string_view begins_constant = "0123456789(!~-+";
  const bool sign = token_.is('!') || (token_.is('-') && instruction.root == "vmad");
  const bool of_constant = begins_constant.find(lexer_.ahead()) != std::string_view::npos;
  return sign && !of_constant ? negated(instruction) : constant_operand();
}

Operand Parser::sink() {
  Operand made;
  made.kind = Operand::Kind::sink;
  made.at = token_.at;
  made.name = take().text;
  return made;
}

// !p, and -a of vmad
Operand Parser::negated(const Instruction& instruction) {
  const Token sign = take();
  if (!at_name()) unexpected(sign.is('!') ? "a predicate after '!'" : "a register after '-'");
  Operand made = named(instruction);
  if (made.kind != Operand::Kind::reg) {
    fail(made.at, fmt::format("{} is not a register that {} could negate", quoted(made.name),
                              quoted(sign.text)));
  }
  made.negated = true;
  return made;
}

// A register (alone, with a component, or d|p), a variable, a function, a table of labels.
Operand Parser::named(const Instruction& instruction) {
  const Token name = take();
  const Symbol symbol = find(name.text);
  if (symbol.reg != nullptr) {
    Operand made = register_operand(name, symbol.reg);
    const bool plain = made.component < 0 && made.selector.empty();
    return plain && token_.is('|') ? pair(std::move(made)) : made;
  }
  Operand made;
  made.at = name.at;
  made.name = name.text;
  if (symbol.variable != nullptr) {
    made.kind = Operand::Kind::variable;
    made.type = symbol.variable->type;
    made.variable = symbol.variable;
    if (token_.is('[')) return indexed(std::move(made), !takes_address(instruction.root));
    made.offset = displacement();
  } else if (symbol.function != nullptr) {
    made.kind = Operand::Kind::function;
    made.function = symbol.function;
  } else if (symbol.label != nullptr) {
    made.kind = Operand::Kind::label;
    made.label = symbol.label;
    if (symbol.label->branch_targets.empty() || instruction.root != "brx") {
      fail(name.at,
           fmt::format("{} is a label, which {} does not take{}", quoted(name.text),
                       quoted(instruction.opcode),
                       instruction.root == "brx" ? "; expected one of .branchtargets" : ""));
    }
  } else if (const auto what = special_register(name.text)) {
    return special(name, *what);
  } else {
    undefined(name.text, name.at);
  }
  return made;
}

// %tid.x
Operand Parser::special(const Token& name, const SpecialRegister& what) {
  require(name, what.version, what.target);
  Operand made;
  made.kind = Operand::Kind::special;
  made.type = what.type;
  made.at = name.at;
  made.name = name.text.substr(1);
  if (token_.kind != Token::Kind::directive) return made;
  const int component = component_of(token_.text);
  if (!what.vector || component < 0) {
    fail(token_.at, fmt::format("{} has no component {}", quoted(name.text), quoted(token_.text)));
  }
  made.component = static_cast<std::int8_t>(component);
  constexpr char letters[] = "xyzw";
  const bool as_written = token_.text.data() == name.text.data() + name.text.size() + 1 &&
                          token_.text[0] == letters[component];
  made.name = as_written ? std::string_view(made.name.data(), made.name.size() + 2)
                         : intern(fmt::format("{}.{}", made.name, letters[component]));
  advance();
  return made;
}

// %r, %v.x of a vector register, or %r.b0 and %r.h32 of a video instruction.
Operand Parser::register_operand(const Token& name, const Register* reg) {
  Operand made;
  made.kind = Operand::Kind::reg;
  made.at = name.at;
  made.name = name.text;
  made.type = reg->type;
  made.reg = reg;
  if (token_.kind != Token::Kind::directive) return made;
  const int component = component_of(token_.text);
  const bool selects = token_.text[0] == 'b' || token_.text[0] == 'h';
  if (reg->width > 1 && component >= 0 && component < reg->width) {
    made.component = static_cast<std::int8_t>(component);
  } else if (reg->width == 1 && selects && token_.text.size() > 1) {
    made.selector = token_.text;
  } else {
    fail(token_.at, fmt::format("{} has no component {}", quoted(name.text), quoted(token_.text)));
  }
  advance();
  return made;
}

// a[3]: the address of an element, or in most instructions the memory there.
Operand Parser::indexed(Operand variable, bool as_address) {
  advance();
  if (at_name()) unexpected("a constant index: this device takes no registers there");
  const auto size =
      static_cast<std::uint64_t>(bytes_of(variable.type));  // of a vector's component too
  const auto index = static_cast<std::uint64_t>(integer_expression("an index"));
  expect(']', "after the index");
  const auto offset = static_cast<std::int64_t>(index * size);
  if (!as_address) {
    variable.offset = offset;
    return variable;
  }
  Operand made;
  made.kind = Operand::Kind::address;
  made.at = variable.at;
  made.offset = offset;
  made.parts.push_back(std::move(variable));
  return made;
}

// d|p
Operand Parser::pair(Operand first) {
  advance();
  Operand made;
  made.kind = Operand::Kind::pair;
  made.at = first.at;
  made.parts.push_back(std::move(first));
  if (!at_name()) unexpected("a register or '_' after '|'");
  if (token_.text == "_") {
    made.parts.push_back(sink());
    return made;
  }
  const Token name = take();
  const Register* const reg = find(name.text).reg;
  if (reg == nullptr) undefined(name.text, name.at);
  made.parts.push_back(register_operand(name, reg));
  return made;
}

Operand Parser::constant_operand() {
  Operand made;
  made.at = token_.at;
  const char* const begin = token_.text.data();
  const bool is_constant = token_.kind == Token::Kind::integer ||
                           token_.kind == Token::Kind::real ||
                           token_.kind == Token::Kind::identifier || token_.is('(') ||
                           token_.is('-') || token_.is('+') || token_.is('~') || token_.is('!');
  if (!is_constant) unexpected(operands_.empty() ? "an operand or ';'" : "an operand");
  const Constant value = expression();
  made.name = {begin, static_cast<std::size_t>(taken_ - begin)};
  made.kind = value.is_real() ? Operand::Kind::real : Operand::Kind::integer;
  made.type = value.type;
  made.bits = value.bits;
  return made;
}

}  // namespace triptych::emulator

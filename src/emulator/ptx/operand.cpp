#include "emulator/ptx/parser.h"

namespace triptych::emulator {
namespace {

// Components of a vector register, by either name; -1 if it is none.
int component_of(std::string_view name) {
  if (name.size() != 1) return -1;
  const std::size_t i = std::string_view("xyzwrgba").find(name[0]);
  return i == std::string_view::npos ? -1 : static_cast<int>(i % 4);
}

}  // namespace

void Parser::operands(Instruction& instruction) {
  if (take_if(';')) return;
  const bool call = instruction.root == "call";
  do {
    if (call && token_.is('(')) {
      instruction.operands.push_back(list(Operand::Kind::list, ')'));
    } else {
      instruction.operands.push_back(operand());
    }
  } while (take_if(','));
  expect(';', "after the instruction");
}

Operand Parser::operand() {
  Operand first = simple_operand();
  const bool may_pair = first.kind == Operand::Kind::reg || first.kind == Operand::Kind::sink;
  if (!may_pair || !take_if('|')) return first;
  Operand pair;
  pair.kind = Operand::Kind::pair;
  pair.at = first.at;
  pair.parts.push_back(std::move(first));
  pair.parts.push_back(simple_operand());
  return pair;
}

Operand Parser::simple_operand() {
  if (token_.is('{')) return list(Operand::Kind::vector, '}');
  if (token_.is('[')) return address();
  if (token_.kind == Token::Kind::identifier && token_.text != "WARP_SZ") return named_operand();
  if (token_.is('!') || token_.is('-')) {
    const Token sign = take();
    if (token_.kind == Token::Kind::identifier && token_.text != "WARP_SZ") {
      Operand negated = named_operand();
      if (negated.kind != Operand::Kind::reg) {
        fail(negated.at, fmt::format("{} is not a register that {} could negate",
                                     quoted(negated.name), quoted(sign.text)));
      }
      negated.negated = true;
      return negated;
    }
    Operand constant = constant_operand();
    const auto value = unary(sign.text[0], {constant.type, constant.bits});
    if (!value) fail(sign.at, "'!' of a floating-point number");
    constant.type = value->type;
    constant.bits = value->bits;
    constant.at = sign.at;
    return constant;
  }
  if (!begins_expression()) unexpected("an operand");
  return constant_operand();
}

Operand Parser::constant_operand() {
  Operand made;
  made.at = token_.at;
  made.name = token_.text;
  const Constant value = expression();
  made.kind = value.is_real() ? Operand::Kind::real : Operand::Kind::integer;
  made.type = value.type;
  made.bits = value.bits;
  return made;
}

Operand Parser::named_operand() {
  const Token name = take();
  Operand made;
  made.at = name.at;
  made.name = name.text;
  if (name.text == "_") {
    made.kind = Operand::Kind::sink;
    return made;
  }
  const Symbol symbol = find(name.text);
  if (symbol.reg != nullptr) return register_operand(name, symbol.reg);
  if (symbol.variable != nullptr) {
    made.kind = Operand::Kind::variable;
    made.type = symbol.variable->type;
    made.variable = symbol.variable;
    if (token_.is('+') || token_.is('-')) made.offset = displacement();
  } else if (symbol.function != nullptr) {
    made.kind = Operand::Kind::function;
    made.function = symbol.function;
  } else if (bool components = false; is_special_register(name.text, components)) {
    made.kind = Operand::Kind::special;
    made.name.remove_prefix(1);
    if (components && component_of(token_.text) >= 0 && token_.kind == Token::Kind::directive) {
      made.component = static_cast<std::int8_t>(component_of(token_.text));
      const Token part = take();
      made.name = {made.name.data(), static_cast<std::size_t>(part.text.end() - made.name.begin())};
    }
  } else {
    made.kind = Operand::Kind::label;
    made.label = symbol.label;
  }
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
  const Token part = take();
  if (reg->width == 1) {
    made.selector = part.text;
  } else if (const int component = component_of(part.text);
             component >= 0 && component < reg->width) {
    made.component = static_cast<std::int8_t>(component);
  } else {
    fail(part.at, fmt::format("{} has no component {}", quoted(name.text), quoted(part.text)));
  }
  return made;
}

// { a, b } or ( a, b )
Operand Parser::list(Operand::Kind kind, char close) {
  const Nest nest(*this);
  Operand made;
  made.kind = kind;
  made.at = take().at;
  if (!token_.is(close)) {
    do {
      made.parts.push_back(simple_operand());
      const Operand& part = made.parts.back();
      if (part.kind == Operand::Kind::label) undefined(part.name, part.at);
    } while (take_if(','));
  }
  expect(close, "after the list");
  return made;
}

// [a], [a+4], [16], [map, {x, y}], …
Operand Parser::address() {
  const Nest nest(*this);
  Operand made;
  made.kind = Operand::Kind::address;
  made.at = take().at;
  do {
    made.parts.push_back(simple_operand());
    Operand& part = made.parts.back();
    if (part.kind == Operand::Kind::label) undefined(part.name, part.at);
    if (part.kind == Operand::Kind::reg && token_.is('+')) made.offset = displacement();
    if (part.kind == Operand::Kind::variable) made.offset += std::exchange(part.offset, 0);
  } while (take_if(','));
  expect(']', "after the address");
  if (token_.is_directive("unified")) made.selector = take().text;
  return made;
}

// +4, +-4 after a register or a variable.
std::int64_t Parser::displacement() {
  if (!token_.is('+') && !token_.is('-')) return 0;
  const bool minus = take().is('-');
  const std::int64_t value = integer_expression("an offset");
  return minus ? static_cast<std::int64_t>(0 - static_cast<std::uint64_t>(value)) : value;
}

}  // namespace triptych::emulator

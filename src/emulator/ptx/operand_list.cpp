#include "emulator/ptx/parser.h"

namespace triptych::emulator {

// { a, b.x, 1, _ }
Operand Parser::vector() {
  Operand made;
  made.kind = Operand::Kind::vector;
  made.at = take().at;
  do {
    made.parts.push_back(element());
    const Operand& part = made.parts.back();
    if (part.kind == Operand::Kind::variable) {
      fail(part.at, fmt::format("{} is a variable; expected a register or a constant in a vector",
                                quoted(part.name)));
    }
  } while (take_if(','));
  expect('}', "after the vector's elements");
  return made;
}

// What may stand in { } and in the ( ) of a call: registers, constants, variables of calls, _.
Operand Parser::element() {
  if (!at_name()) return constant_operand();
  if (token_.text == "_") return sink();
  const Token name = take();
  const Symbol symbol = find(name.text);
  if (symbol.reg != nullptr) return register_operand(name, symbol.reg);
  if (symbol.variable != nullptr) {
    Operand made;
    made.kind = Operand::Kind::variable;
    made.at = name.at;
    made.name = name.text;
    made.type = symbol.variable->type;
    made.variable = symbol.variable;
    return made;
  }
  const auto what = special_register(name.text);
  if (!what) undefined(name.text, name.at);
  return special(name, *what);
}

// [a], [a+4], [16], [map, {x, y}], …
Operand Parser::address() {
  Operand made;
  made.kind = Operand::Kind::address;
  made.at = take().at;
  if (at_name()) {
    made.parts.push_back(address_part());
    made.offset = displacement();
    const bool plain = taken_ == made.parts[0].name.data() + made.parts[0].name.size();
    while (plain && take_if(',')) made.parts.push_back(token_.is('{') ? vector() : address_part());
  } else {
    made.parts.push_back(constant_operand());
    if (made.parts[0].kind != Operand::Kind::integer) {
      fail(made.parts[0].at,
           fmt::format("{} as an address; expected an integer", quoted(made.parts[0].name)));
    }
  }
  expect(']', "after the address");
  if (token_.is_directive("unified")) made.selector = take().text;
  return made;
}

Operand Parser::address_part() {
  const Token name = expect_name("a register or a variable");
  const Symbol symbol = find(name.text);
  Operand made;
  made.at = name.at;
  made.name = name.text;
  if (symbol.reg != nullptr) {
    made.kind = Operand::Kind::reg;
    made.type = symbol.reg->type;
    made.reg = symbol.reg;
  } else if (symbol.variable != nullptr) {
    made.kind = Operand::Kind::variable;
    made.type = symbol.variable->type;
    made.variable = symbol.variable;
  } else if (symbol) {
    fail(name.at,
         fmt::format("{} is no address; expected a register or a variable", quoted(name.text)));
  } else {
    undefined(name.text, name.at);
  }
  return made;
}

// +4, +-4 behind a register or a variable.
std::int64_t Parser::displacement() {
  if (token_.is('-')) unexpected("'+' and a negative number, as in +-4");
  return take_if('+') ? integer_expression("an offset") : 0;
}

// (results), function, (arguments), table: all but the function may be left out.
void Parser::call_operands(Instruction& made) {
  if (token_.is('(')) {
    operands_.push_back(list());
    expect(',', "before the function");
  }
  const Token name = expect_name("a function, or a register with its address");
  const Symbol symbol = find(name.text);
  Operand target;
  target.at = name.at;
  target.name = name.text;
  if (symbol.function != nullptr && !symbol.function->entry) {
    target.kind = Operand::Kind::function;
    target.function = symbol.function;
  } else if (symbol.reg != nullptr) {
    target = register_operand(name, symbol.reg);
  } else {
    fail(name.at,
         fmt::format("{} is not a .func that is declared before, or a register; expected one",
                     quoted(name.text)));
  }
  operands_.push_back(std::move(target));
  bool more = take_if(',');
  if (more && token_.is('(')) {
    operands_.push_back(list());
    more = take_if(',');
  }
  if (symbol.function != nullptr) {
    if (more) unexpected("';': who is called is known");
    check_call(made);
    return;
  }
  if (!more) unexpected("',' and what may be called: a label of .callprototype or .calltargets");
  const Token table = expect_name("a label of .callprototype or .calltargets");
  Operand who;
  who.kind = Operand::Kind::label;
  who.at = table.at;
  who.name = table.text;
  who.label = find(table.text).label;
  if (who.label == nullptr ||
      (who.label->prototype == nullptr && who.label->call_targets.empty())) {
    fail(table.at,
         fmt::format("{} is not a label of .callprototype or .calltargets that stands before",
                     quoted(table.text)));
  }
  operands_.push_back(std::move(who));
  check_call(made);
}

// ( a, b )
Operand Parser::list() {
  Operand made;
  made.kind = Operand::Kind::list;
  made.at = take().at;
  if (!token_.is(')')) {
    do {
      made.parts.push_back(element());
    } while (take_if(','));
  }
  expect(')', "after the list");
  return made;
}

// As many arguments as parameters, as many results as the function has.
void Parser::check_call(const Instruction& made) const {
  const Operand& last = operands_.back();
  std::size_t results = 0, arguments = 0;
  const Function* callee = nullptr;
  bool before = true;
  for (const Operand& operand : operands_) {
    if (operand.kind == Operand::Kind::list) (before ? results : arguments) = operand.parts.size();
    if (operand.kind == Operand::Kind::list) continue;
    before = false;
    if (operand.kind == Operand::Kind::function) callee = operand.function;
  }
  if (last.kind == Operand::Kind::label) {
    callee = last.label->prototype != nullptr ? last.label->prototype : last.label->call_targets[0];
  }
  if (results != callee->results.size() || arguments != callee->parameters.size()) {
    fail(made.at,
         fmt::format("a call with {} results and {} arguments; expected {} and {}", results,
                     arguments, callee->results.size(), callee->parameters.size()));
  }
}

}  // namespace triptych::emulator

#include "emulator/ptx/parser.h"

namespace triptych::emulator {

// Constant expressions, as in C: a ? b : c binds least, then || && | ^ & == < << + *, then casts
// and unary operators.
Constant Parser::expression() {
  const Nest nest(*this);
  const Position at = token_.at;
  const Constant condition = binary_expression(1);
  if (!take_if('?')) return condition;
  const Constant yes = expression();
  expect(':', "in the conditional expression");
  const Constant no = expression();
  if (condition.is_real() || yes.is_real() || no.is_real()) {
    fail(at, "a floating-point number in a conditional expression; expected integers");
  }
  return condition.bits != 0 ? yes : no;
}

Constant Parser::binary_expression(int least) {
  Constant left = unary_expression();
  for (int level = precedence(token_.symbol); level >= least; level = precedence(token_.symbol)) {
    const Token op = take();
    const Constant right = binary_expression(level + 1);
    const auto value = binary(op.symbol, left, right);
    if (!value) undefined_operator(op, left, right);
    left = *value;
  }
  return left;
}

void Parser::undefined_operator(const Token& op, Constant left, Constant right) const {
  const auto description = [](Constant value) {
    return value.is_real() ? "a floating-point number" : "an integer";
  };
  if (left.type == Type::f32 || right.type == Type::f32) {
    fail(op.at, fmt::format("{} of a 0f… number; expected 0d… or a decimal number in arithmetic",
                            quoted(op)));
  }
  const bool alike = left.is_real() == right.is_real();
  if (alike && (op.is('/') || op.is('%')) && right.bits << 1 == 0) {
    fail(op.at, fmt::format("{} by zero", quoted(op)));
  }
  fail(op.at, alike ? fmt::format("{} of {}; expected an integer", quoted(op), description(left))
                    : fmt::format("{} of {} and {}; expected two of a kind", quoted(op),
                                  description(left), description(right)));
}

Constant Parser::unary_expression() {
  if (!token_.is('-') && !token_.is('+') && !token_.is('!') && !token_.is('~')) {
    return primary_expression();
  }
  const Nest nest(*this);
  const Token op = take();
  const Constant operand = unary_expression();
  const auto value = unary(op.text[0], operand);
  if (!value) undefined_operator(op, operand, operand);
  return *value;
}

Constant Parser::primary_expression() {
  if (token_.kind == Token::Kind::integer || token_.kind == Token::Kind::real) {
    const Token number = take();
    return {number.type, number.bits};
  }
  if (is_warp_size(token_)) {
    take();
    return Constant::integer(32);
  }
  if (!take_if('(')) unexpected("a constant");
  const bool to_signed = token_.is_directive("s64");
  if (to_signed || token_.is_directive("u64")) {
    const Nest nest(*this);
    take();
    expect(')', "after the type of a cast");
    const Position at = token_.at;
    const Constant value = unary_expression();
    if (value.is_real()) fail(at, "a cast of a floating-point number; expected an integer");
    return {to_signed ? Type::s64 : Type::u64, value.bits};
  }
  const Constant value = expression();
  expect(')', "after the expression");
  return value;
}

std::int64_t Parser::integer_expression(std::string_view what) {
  const Position at = token_.at;
  const Constant value = expression();
  if (value.is_real())
    fail(at, fmt::format("{} is a floating-point number; expected an integer", what));
  return static_cast<std::int64_t>(value.bits);
}

bool Parser::is_warp_size(const Token& token) {
  return token.kind == Token::Kind::identifier && token.text == "WARP_SZ";
}

}  // namespace triptych::emulator

#include "emulator/ptx/parser.h"

namespace triptych::emulator {

bool Parser::begins_expression() const {
  return token_.kind == Token::Kind::integer || token_.kind == Token::Kind::real || token_.is('(') ||
         token_.is('-') || token_.is('+') || token_.is('!') || token_.is('~') ||
         (token_.kind == Token::Kind::identifier && token_.text == "WARP_SZ");
}

// condition ? a : b, which binds least.
Constant Parser::expression() {
  const Nest nest(*this);
  const Position at = token_.at;
  const Constant condition = binary_expression(1);
  if (!take_if('?')) return condition;
  if (condition.is_real()) fail(at, "the condition before '?' is a floating-point number");
  Constant yes = expression();
  expect(':', "in the conditional expression");
  Constant no = expression();
  if (yes.is_real() != no.is_real()) fail(at, "an integer and a floating-point number after '?'");
  if (!yes.is_real() && (yes.type == Type::u64 || no.type == Type::u64)) {
    yes.type = no.type = Type::u64;
  }
  return condition.bits != 0 ? yes : no;
}

Constant Parser::binary_expression(int least) {
  Constant left = unary_expression();
  for (int level = precedence(token_.symbol); level >= least && level > 0;
       level = precedence(token_.symbol)) {
    const Token op = take();
    const Constant right = binary_expression(level + 1);
    const auto value = binary(op.symbol, left, right);
    if (!value) fail(op.at, fmt::format("{} is not defined for these operands", quoted(op.text)));
    left = *value;
  }
  return left;
}

Constant Parser::unary_expression() {
  if (!token_.is('-') && !token_.is('+') && !token_.is('!') && !token_.is('~')) {
    return primary_expression();
  }
  const Nest nest(*this);
  const Token op = take();
  const auto value = unary(op.text[0], unary_expression());
  if (!value) fail(op.at, fmt::format("{} is not defined for floating-point numbers", quoted(op.text)));
  return *value;
}

Constant Parser::primary_expression() {
  if (token_.kind == Token::Kind::integer || token_.kind == Token::Kind::real) {
    const Token number = take();
    return {number.type, number.bits};
  }
  if (token_.kind == Token::Kind::identifier && token_.text == "WARP_SZ") {
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
  if (value.is_real()) fail(at, fmt::format("{} is a floating-point number", what));
  return static_cast<std::int64_t>(value.bits);
}

}  // namespace triptych::emulator

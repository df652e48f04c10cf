#include "emulator/ptx/constant.h"

#include "emulator/ptx/lexer.h"

namespace triptych::emulator {
namespace {

std::optional<Constant> of_reals(std::uint16_t op, double a, double b) {
  switch (op) {
    case '+':
      return Constant::real(a + b);
    case '-':
      return Constant::real(a - b);
    case '*':
      return Constant::real(a * b);
    case '/':
      if (b == 0) return std::nullopt;
      return Constant::real(a / b);
    case '<':
      return Constant::integer(a < b);
    case '>':
      return Constant::integer(a > b);
    case pair_of('<', '='):
      return Constant::integer(a <= b);
    case pair_of('>', '='):
      return Constant::integer(a >= b);
    case pair_of('=', '='):
      return Constant::integer(a == b);
    case pair_of('!', '='):
      return Constant::integer(a != b);
    default:
      return std::nullopt;
  }
}

// Operators for which it matters whether the operands are signed. Overflow wraps.
std::optional<Constant> divide_or_compare(std::uint16_t op, std::uint64_t a, std::uint64_t b,
                                          bool is_signed) {
  const auto s = static_cast<std::int64_t>(a), t = static_cast<std::int64_t>(b);
  switch (op) {
    case '/':
      if (b == 0) return std::nullopt;
      if (!is_signed) return Constant{Type::u64, a / b};
      return Constant{Type::s64, t == -1 ? 0 - a : static_cast<std::uint64_t>(s / t)};
    case '%':  // always unsigned
      if (b == 0) return std::nullopt;
      return Constant{Type::u64, a % b};
    case '<':
      return Constant::integer(is_signed ? s < t : a < b);
    case '>':
      return Constant::integer(is_signed ? s > t : a > b);
    case pair_of('<', '='):
      return Constant::integer(is_signed ? s <= t : a <= b);
    case pair_of('>', '='):
      return Constant::integer(is_signed ? s >= t : a >= b);
    default:
      return std::nullopt;
  }
}

// Only the lower six bits of a distance count.
Constant shift(std::uint16_t op, Constant a, std::uint64_t by) {
  by %= 64;
  if (op == pair_of('<', '<')) return {a.type, a.bits << by};
  if (a.type == Type::u64) return {a.type, a.bits >> by};
  return Constant::integer(static_cast<std::int64_t>(a.bits) >> by);
}

std::optional<Constant> of_integers(std::uint16_t op, Constant a, Constant b) {
  const bool both_signed = a.type == Type::s64 && b.type == Type::s64;
  const Type common = both_signed ? Type::s64 : Type::u64;
  switch (op) {
    case '+':
      return Constant{common, a.bits + b.bits};
    case '-':
      return Constant{common, a.bits - b.bits};
    case '*':
      return Constant{common, a.bits * b.bits};
    case '&':
      return Constant{common, a.bits & b.bits};
    case '|':
      return Constant{common, a.bits | b.bits};
    case '^':
      return Constant{common, a.bits ^ b.bits};
    case pair_of('<', '<'):
    case pair_of('>', '>'):
      return shift(op, a, b.bits);
    case pair_of('=', '='):
      return Constant::integer(a.bits == b.bits);
    case pair_of('!', '='):
      return Constant::integer(a.bits != b.bits);
    case pair_of('&', '&'):
      return Constant::integer(a.bits != 0 && b.bits != 0);
    case pair_of('|', '|'):
      return Constant::integer(a.bits != 0 || b.bits != 0);
    default:
      return divide_or_compare(op, a.bits, b.bits, both_signed);
  }
}

double as_double(Constant a) { return std::bit_cast<double>(a.bits); }

}  // namespace

std::optional<std::uint64_t> Constant::bits_as(Type wanted) const {
  if (wanted == Type::f16 || wanted == Type::f16x2) return std::nullopt;
  if (!is_real()) return is_float(wanted) ? std::nullopt : std::optional(bits);
  if (is_integer(wanted)) return std::nullopt;
  if (type == Type::f64 && bits_of(wanted) == 32) {
    return std::bit_cast<std::uint32_t>(static_cast<float>(std::bit_cast<double>(bits)));
  }
  return bits;  // of 0f… they are taken as they stand, for f64 too
}

std::optional<Constant> unary(char op, Constant a) {
  if (a.type == Type::f32) return std::nullopt;
  switch (op) {
    case '+':
      return a;
    case '-':
      return a.is_real() ? Constant::real(-as_double(a)) : Constant{a.type, 0 - a.bits};
    case '!':
      if (a.is_real()) return std::nullopt;
      return Constant::integer(a.bits == 0);
    default:
      if (a.is_real()) return std::nullopt;
      return Constant{Type::u64, ~a.bits};
  }
}

std::optional<Constant> binary(std::uint16_t op, Constant a, Constant b) {
  if (a.is_real() != b.is_real() || a.type == Type::f32 || b.type == Type::f32) return std::nullopt;
  return a.is_real() ? of_reals(op, as_double(a), as_double(b)) : of_integers(op, a, b);
}

int precedence(std::uint16_t op) {
  switch (op) {
    case pair_of('|', '|'):
      return 1;
    case pair_of('&', '&'):
      return 2;
    case '|':
      return 3;
    case '^':
      return 4;
    case '&':
      return 5;
    case pair_of('=', '='):
    case pair_of('!', '='):
      return 6;
    case '<':
    case '>':
    case pair_of('<', '='):
    case pair_of('>', '='):
      return 7;
    case pair_of('<', '<'):
    case pair_of('>', '>'):
      return 8;
    case '+':
    case '-':
      return 9;
    case '*':
    case '/':
    case '%':
      return 10;
    default:
      return 0;
  }
}

}  // namespace triptych::emulator

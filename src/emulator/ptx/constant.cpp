#include "emulator/ptx/constant.h"

#include "emulator/ptx/lexer.h"

namespace triptych::emulator {
namespace {

std::optional<Constant> of_reals(std::uint16_t op, double a, double b) {
  switch (op) {
    case '+': return Constant::real(a + b);
    case '-': return Constant::real(a - b);
    case '*': return Constant::real(a * b);
    case '/': return Constant::real(a / b);
    case '<': return Constant::integer(a < b);
    case '>': return Constant::integer(a > b);
    case pair_of('<', '='): return Constant::integer(a <= b);
    case pair_of('>', '='): return Constant::integer(a >= b);
    case pair_of('=', '='): return Constant::integer(a == b);
    case pair_of('!', '='): return Constant::integer(a != b);
    default: return std::nullopt;
  }
}

// Operators whose result depends on whether the operands are signed. Overflow wraps.
std::optional<Constant> divide_or_compare(std::uint16_t op, std::uint64_t a, std::uint64_t b,
                                          bool is_signed) {
  const auto s = static_cast<std::int64_t>(a), t = static_cast<std::int64_t>(b);
  const Type type = is_signed ? Type::s64 : Type::u64;
  switch (op) {
    case '/':
      if (b == 0) return std::nullopt;
      if (!is_signed) return Constant{type, a / b};
      return Constant{type, t == -1 ? 0 - a : static_cast<std::uint64_t>(s / t)};
    case '%':
      if (b == 0) return std::nullopt;
      if (!is_signed) return Constant{type, a % b};
      return Constant{type, t == -1 ? 0 : static_cast<std::uint64_t>(s % t)};
    case '<': return Constant::integer(is_signed ? s < t : a < b);
    case '>': return Constant::integer(is_signed ? s > t : a > b);
    case pair_of('<', '='): return Constant::integer(is_signed ? s <= t : a <= b);
    case pair_of('>', '='): return Constant::integer(is_signed ? s >= t : a >= b);
    default: return std::nullopt;
  }
}

// Shifts by 64 and more give what a shift by 63 and one more gives.
Constant shift(std::uint16_t op, Constant a, std::uint64_t by) {
  if (op == pair_of('<', '<')) return {a.type, by < 64 ? a.bits << by : 0};
  if (a.type == Type::u64) return {a.type, by < 64 ? a.bits >> by : 0};
  return Constant::integer(static_cast<std::int64_t>(a.bits) >> (by < 64 ? by : 63));
}

std::optional<Constant> of_integers(std::uint16_t op, Constant a, Constant b) {
  const bool both_signed = a.type == Type::s64 && b.type == Type::s64;
  const Type common = both_signed ? Type::s64 : Type::u64;
  switch (op) {
    case '+': return Constant{common, a.bits + b.bits};
    case '-': return Constant{common, a.bits - b.bits};
    case '*': return Constant{common, a.bits * b.bits};
    case '&': return Constant{Type::u64, a.bits & b.bits};
    case '|': return Constant{Type::u64, a.bits | b.bits};
    case '^': return Constant{Type::u64, a.bits ^ b.bits};
    case pair_of('<', '<'):
    case pair_of('>', '>'): return shift(op, a, b.bits);
    case pair_of('=', '='): return Constant::integer(a.bits == b.bits);
    case pair_of('!', '='): return Constant::integer(a.bits != b.bits);
    case pair_of('&', '&'): return Constant::integer(a.bits != 0 && b.bits != 0);
    case pair_of('|', '|'): return Constant::integer(a.bits != 0 || b.bits != 0);
    default: return divide_or_compare(op, a.bits, b.bits, both_signed);
  }
}

}  // namespace

double Constant::as_real() const {
  switch (type) {
    case Type::f64: return std::bit_cast<double>(bits);
    case Type::f32:
      return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    case Type::u64: return static_cast<double>(bits);
    default: return static_cast<double>(static_cast<std::int64_t>(bits));
  }
}

std::optional<std::uint64_t> Constant::bits_as(Type wanted) const {
  if (!is_real()) {
    if (is_float(wanted)) return std::nullopt;
    return bits;
  }
  if (wanted == Type::f64) return std::bit_cast<std::uint64_t>(as_real());
  if (wanted == Type::f32) return std::bit_cast<std::uint32_t>(static_cast<float>(as_real()));
  return std::nullopt;
}

std::optional<Constant> unary(char op, Constant a) {
  switch (op) {
    case '+': return a;
    case '-':
      return a.is_real() ? Constant::real(-a.as_real()) : Constant{a.type, 0 - a.bits};
    case '!':
      if (a.is_real()) return std::nullopt;
      return Constant::integer(a.bits == 0);
    default:
      if (a.is_real()) return std::nullopt;
      return Constant{Type::u64, ~a.bits};
  }
}

std::optional<Constant> binary(std::uint16_t op, Constant a, Constant b) {
  return a.is_real() || b.is_real() ? of_reals(op, a.as_real(), b.as_real()) : of_integers(op, a, b);
}

int precedence(std::uint16_t op) {
  switch (op) {
    case pair_of('|', '|'): return 1;
    case pair_of('&', '&'): return 2;
    case '|': return 3;
    case '^': return 4;
    case '&': return 5;
    case pair_of('=', '='):
    case pair_of('!', '='): return 6;
    case '<':
    case '>':
    case pair_of('<', '='):
    case pair_of('>', '='): return 7;
    case pair_of('<', '<'):
    case pair_of('>', '>'): return 8;
    case '+':
    case '-': return 9;
    case '*':
    case '/':
    case '%': return 10;
    default: return 0;
  }
}

}  // namespace triptych::emulator

#include <algorithm>
#include <bit>

#include "emulator/ptx/parser.h"

namespace triptych::emulator {

// = 1   = {1, 2}   = {{1, 2}, {3, 4}}   = {a, b+8, generic(c), f}   = {0xFF(a), 0xFF00(a)}
void Parser::initializer(Variable& variable, std::vector<std::uint64_t> extents) {
  if (variable.width > 1) extents.push_back(variable.width);
  if (extents.empty()) return initial_value(variable, 0);
  Shape shape{std::move(extents), {}};
  shape.strides.resize(shape.extents.size());
  std::uint64_t stride = static_cast<std::uint64_t>(bytes_of(variable.type));
  for (std::size_t i = shape.extents.size(); i-- > 0;) {
    shape.strides[i] = stride;
    stride *= shape.extents[i];
  }
  const Position at = token_.at;
  const std::uint64_t count = initial_list(variable, shape, 0, 0);
  if (!variable.unsized) return;
  if (count == 0) fail(at, "no initial values for an array without an extent; expected some");
  if (count > (std::uint64_t{1} << 62) / shape.strides[0]) fail(at, "larger than any memory");
  variable.bytes = count * shape.strides[0];
  variable.unsized = false;
}

// { … } of one dimension; returns how many elements it has. What is left out is zero, but a vector
// has all its elements.
std::uint64_t Parser::initial_list(Variable& variable, const Shape& shape, std::size_t level,
                                   std::uint64_t at) {
  const Nest nest(*this);
  const Position begin = token_.at;
  expect('{', "before the elements");
  const bool innermost = level + 1 == shape.extents.size();
  const std::uint64_t length = shape.extents[level];
  std::uint64_t count = 0;
  if (!token_.is('}')) {
    do {
      if (length != 0 && count == length) {
        fail(token_.at, fmt::format("too many initial values; expected at most {} here", length));
      }
      const std::uint64_t element = at + count++ * shape.strides[level];
      if (innermost) {
        initial_value(variable, element);
      } else {
        initial_list(variable, shape, level + 1, element);
      }
    } while (take_if(','));
  }
  expect('}', "after the elements");
  if (innermost && variable.width > 1 && count != variable.width) {
    fail(begin, fmt::format("{} initial values of a vector; expected {}", count, variable.width));
  }
  return count;
}

void Parser::initial_value(Variable& variable, std::uint64_t at) {
  const Position begin = token_.at;
  const bool masked = token_.kind == Token::Kind::integer && lexer_.ahead() == '(';
  if (masked || at_name()) return initial_address(variable, at);
  const Constant value = expression();
  const auto bits = value.bits_as(variable.type);
  if (!bits) {
    fail(begin, fmt::format("{} as initial value of type .{}; expected one of that type",
                            value.is_real() ? "a floating-point number" : "an integer",
                            name_of(variable.type)));
  }
  store(variable, at, *bits, bytes_of(variable.type));
}

// a, a+4, generic(a)+4, a function, or one byte of these: 0xFF00(a). Filled when the module is
// loaded.
void Parser::initial_address(Variable& variable, std::uint64_t at) {
  const bool masked = token_.kind == Token::Kind::integer;
  Relocation made;
  made.at = at;
  made.bytes = bytes_of(variable.type);
  require(token_, masked ? 71 : 21);
  if (masked) made.shift = mask(variable);
  Token name = expect_name("the name of a variable or a function");
  made.generic = name.text == "generic" && token_.is('(');
  if (made.generic) {
    require(name, 31);
    advance();
    name = expect_name("a variable's name");
    expect(')', "after the variable's name");
  }
  const Symbol symbol = find(name.text);
  made.variable = symbol.variable;
  made.function = symbol.function;
  const bool in_memory = made.variable != nullptr && (made.variable->space == Space::global ||
                                                      made.variable->space == Space::constant);
  if (!in_memory && (made.function == nullptr || made.generic)) {
    fail(name.at, fmt::format("{} is not the name of a variable in .global or .const, or of a "
                              "function, that is declared before; expected one",
                              quoted(name.text)));
  }
  if (in_memory) made.addend = displacement();
  if (masked) expect(')', "after the address");
  if (!masked && variable.type != Type::u32 && variable.type != Type::u64) {
    fail(name.at, fmt::format("an address as initial value of type .{}; expected .u64",
                              name_of(variable.type)));
  }
  store(variable, at, 0, made.bytes);
  variable.relocations.push_back(made);
}

// 0xFF00( : the address's second byte, bits 8 … 15. Returns the lowest bit.
int Parser::mask(const Variable& variable) {
  const Token number = take();
  advance();
  const int lowest = std::countr_zero(number.bits);
  if (number.bits == 0 || lowest % 8 != 0 || number.bits >> lowest != 0xFF) {
    fail(number.at,
         fmt::format("a mask of {}; expected one of 0xFF, 0xFF00, …", quoted(number.text)));
  }
  if (variable.type != Type::u8) {
    fail(number.at, fmt::format("one byte of an address as initial value of type .{}; expected .u8",
                                name_of(variable.type)));
  }
  return lowest;
}

void Parser::store(Variable& variable, std::uint64_t at, std::uint64_t bits, int bytes) {
  const std::uint64_t end = at + static_cast<std::uint64_t>(bytes);
  std::vector<std::uint8_t>& initial = variable.initial;
  if (end > initial.size()) {
    // Gaps between the rows of a large array must not take memory without bound.
    initialised_ += end - initial.size();
    if (initialised_ > (std::uint64_t{1} << 26) + 64 * module_.text.size()) {
      fail(token_.at, "the initial values leave too large gaps between them");
    }
    if (end > initial.capacity())
      initial.reserve(std::max<std::uint64_t>(end, 2 * initial.capacity()));
    initial.resize(end);
  }
  for (int i = 0; i < bytes && i < 8; ++i) {
    initial[at + static_cast<std::uint64_t>(i)] = static_cast<std::uint8_t>(bits >> 8 * i);
  }
}

}  // namespace triptych::emulator

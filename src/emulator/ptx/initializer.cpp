#include <algorithm>

#include "emulator/ptx/parser.h"

namespace triptych::emulator {

// = 1   = {1, 2, {3, 4}}   = {a, b+8, generic(c), 0xFF(d)}
void Parser::initializer(Variable& variable, const std::vector<std::uint64_t>& extents) {
  if (variable.space != Space::global && variable.space != Space::constant) {
    fail(token_.at, fmt::format("a variable in .{} has no initialiser; expected ';'",
                                name_of(variable.space)));
  }
  Shape shape{extents, {}};
  if (variable.width > 1) shape.extents.push_back(variable.width);
  shape.strides.resize(shape.extents.size());
  std::uint64_t stride = static_cast<std::uint64_t>(bytes_of(variable.type));
  for (std::size_t i = shape.extents.size(); i-- > 0;) {
    shape.strides[i] = stride;
    stride *= shape.extents[i];
  }
  if (shape.extents.empty()) {
    initial_value(variable, 0);
    return;
  }
  if (!token_.is('{')) unexpected("'{' before the array's elements");
  const std::uint64_t count = initial_list(variable, shape, 0, 0);
  if (variable.unsized) {
    variable.bytes = count * shape.strides[0];
    variable.unsized = false;
  }
}

// Reads { … } of one dimension and returns how many elements it has. A list that is nested less
// deeply than the array goes on filling it in order, as in C.
std::uint64_t Parser::initial_list(Variable& variable, const Shape& shape, std::size_t level,
                                   std::uint64_t at) {
  const Nest nest(*this);
  const Position begin = take().at;
  const std::uint64_t stride = shape.strides[level], length = shape.extents[level];
  const std::uint64_t scalar = shape.strides.back();
  const std::uint64_t room = length == 0 ? ~std::uint64_t{0} : length * stride;
  std::uint64_t filled = 0;
  if (!token_.is('}')) {
    do {
      const bool nested = token_.is('{');
      if (nested && level + 1 == shape.extents.size()) unexpected("a number");
      if (filled + (nested ? stride : scalar) > room) {
        fail(token_.at, fmt::format("more initial values than the array has elements ({})", length));
      }
      if (nested) {
        filled = (filled + stride - 1) / stride * stride;
        initial_list(variable, shape, level + 1, at + filled);
        filled += stride;
      } else {
        initial_value(variable, at + filled);
        filled += scalar;
      }
    } while (take_if(',') && !token_.is('}'));
  }
  expect('}', "after the initial values");
  if (filled == 0 && length == 0) fail(begin, "an array without an extent needs initial values");
  return (filled + stride - 1) / stride;
}

void Parser::initial_value(Variable& variable, std::uint64_t at) {
  if (initial_address(variable, at)) return;
  const Position begin = token_.at;
  const Constant value = expression();
  const auto bits = value.bits_as(variable.type);
  if (!bits) {
    fail(begin, fmt::format("{} value for a variable of type .{}",
                            value.is_real() ? "a floating-point" : "an integer",
                            name_of(variable.type)));
  }
  store(variable, at, *bits, bytes_of(variable.type));
}

// name, name+4, generic(name)+4, 0xFF00(name): filled when the module is loaded.
bool Parser::initial_address(Variable& variable, std::uint64_t at) {
  Relocation made;
  made.at = at;
  made.bytes = bytes_of(variable.type);
  bool parenthesis = false;
  if (token_.kind != Token::Kind::identifier || token_.text == "WARP_SZ") return false;
  Token name = take();
  if (name.text == "generic" && token_.is('(')) {
    take();
    made.generic = parenthesis = true;
    name = expect_name("a variable's name");
  }
  const Symbol symbol = find(name.text);
  if (symbol.variable == nullptr && symbol.function == nullptr) undefined(name.text, name.at);
  made.variable = symbol.variable;
  made.function = symbol.function;
  if (parenthesis) expect(')', "after the variable's name");
  made.addend = displacement();
  store(variable, at, 0, made.bytes);
  variable.relocations.push_back(made);
  return true;
}

void Parser::store(Variable& variable, std::uint64_t at, std::uint64_t bits, int bytes) {
  const std::uint64_t end = at + static_cast<std::uint64_t>(bytes);
  if (end > variable.initial.size()) {
    // Gaps between the rows of a large array must not take more memory than the text warrants.
    initialised_ += end - variable.initial.size();
    if (initialised_ > (std::uint64_t{1} << 26) + 64 * module_.text.size()) {
      fail(token_.at, "the initial values leave larger gaps than this program wants to fill");
    }
    if (end > variable.initial.capacity()) {
      variable.initial.reserve(std::max<std::uint64_t>(end, 2 * variable.initial.capacity()));
    }
    variable.initial.resize(end);
  }
  for (int i = 0; i < bytes && i < 8; ++i) {
    variable.initial[at + static_cast<std::uint64_t>(i)] = static_cast<std::uint8_t>(bits >> 8 * i);
  }
}

}  // namespace triptych::emulator

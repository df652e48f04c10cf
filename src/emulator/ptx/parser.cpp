#include "emulator/ptx/parser.h"

#include <bit>
#include <limits>

namespace triptych::emulator {

std::string SyntaxError::str() const {
  return fmt::format("{}:{}:{}: {}", file, at.line, at.column, message);
}

Parsed parse(std::string text, std::string name) {
  Parsed parsed;
  auto module = std::make_unique<Module>();
  module->name = std::move(name);
  module->text = std::move(text);
  module->files.push_back(module->name);
  try {
    Parser(*module).run();
    parsed.module = std::move(module);
  } catch (Failure& failure) {
    parsed.error = {module->files[failure.at.file], failure.at, std::move(failure.message)};
  }
  return parsed;
}

Parser::Parser(Module& module) : module_(module), lexer_(module.text, module.files), scopes_(1) {}

Parser::Nest::Nest(Parser& parser) : parser_(parser) {
  constexpr int deepest = 100;
  if (++parser_.depth_ > deepest) {
    parser_.fail(parser_.token_.at, fmt::format("nested more than {} deep", deepest));
  }
}

void Parser::advance() {
  taken_ = token_.text.data() + token_.text.size();
  token_ = lexer_.next();
}

Token Parser::take() {
  Token token = token_;
  advance();
  return token;
}

bool Parser::take_if(char c) {
  if (!token_.is(c)) return false;
  advance();
  return true;
}

bool Parser::take_if_directive(std::string_view name) {
  if (!token_.is_directive(name)) return false;
  advance();
  return true;
}

void Parser::fail(const Position& at, std::string message) const {
  throw Failure{at, std::move(message)};
}

void Parser::unexpected(std::string_view expected) const {
  std::string found = "the text ends here";
  if (token_.kind == Token::Kind::string) {
    found = "unexpected string " + quoted(token_);
  } else if (token_.kind != Token::Kind::end) {
    found = "unexpected " + quoted(token_);
  }
  fail(token_.at, fmt::format("{}; expected {}", found, expected));
}

void Parser::expect(char c, std::string_view where) {
  if (!take_if(c)) unexpected(fmt::format("'{}' {}", c, where));
}

Token Parser::expect_kind(Token::Kind kind, std::string_view what) {
  if (token_.kind != kind) unexpected(what);
  return take();
}

// _ and WARP_SZ are no names.
Token Parser::expect_name(std::string_view what) {
  if (!at_name() || token_.text == "_") unexpected(what);
  return take();
}

// A number, or WARP_SZ in its place.
std::uint64_t Parser::expect_number(std::string_view what, std::uint64_t least,
                                    std::uint64_t most) {
  if (is_warp_size(token_)) {
    token_.kind = Token::Kind::integer;
    token_.bits = 32;
  }
  const Token number = expect_kind(Token::Kind::integer, what);
  if (number.bits < least || number.bits > most) {
    fail(number.at, fmt::format("{} is out of range; expected {} from {} to {}",
                                quoted(number.text), what, least, most));
  }
  return number.bits;
}

std::uint32_t Parser::expect_positive() {
  constexpr std::uint32_t most = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(expect_number("a number", 1, most));
}

std::uint32_t Parser::expect_alignment() {
  const Position at = token_.at;
  constexpr std::uint32_t most = 1u << 30;
  const auto align = static_cast<std::uint32_t>(expect_number("an alignment", 0, most));
  if (!std::has_single_bit(align)) {
    fail(at, fmt::format("an alignment of {}; expected a power of two", align));
  }
  return align;
}

// `token` may be used from this version and this target on.
void Parser::require(const Token& token, int version, int target) const {
  if (module_.version < version) {
    fail(token.at,
         fmt::format("{} needs .version {}.{} or later; this module has {}.{}", quoted(token),
                     version / 10, version % 10, module_.version / 10, module_.version % 10));
  }
  if (module_.target < target) {
    fail(token.at, fmt::format("{} needs .target sm_{} or later; this module has sm_{}",
                               quoted(token), target, module_.target));
  }
}

}  // namespace triptych::emulator

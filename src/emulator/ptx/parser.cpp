#include "emulator/ptx/parser.h"

#include <algorithm>

namespace triptych::emulator {

std::string quoted(std::string_view text) {
  constexpr std::size_t longest = 60;
  std::string shown = "'";
  for (const char c : text.substr(0, longest)) shown += c >= ' ' && c < 0x7F ? c : '?';
  return shown + (text.size() > longest ? "…'" : "'");
}

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
  constexpr int deepest = 200;
  if (++parser_.depth_ > deepest) {
    --parser_.depth_;
    parser_.fail(parser_.token_.at, fmt::format("nested more than {} deep", deepest));
  }
}

Token Parser::take() { return std::exchange(token_, lexer_.next()); }

bool Parser::take_if(char c) {
  if (!token_.is(c)) return false;
  token_ = lexer_.next();
  return true;
}

bool Parser::take_if_directive(std::string_view name) {
  if (!token_.is_directive(name)) return false;
  token_ = lexer_.next();
  return true;
}

void Parser::fail(const Position& at, std::string message) const {
  throw Failure{at, std::move(message)};
}

void Parser::unexpected(std::string_view expected) const {
  std::string found;
  if (token_.kind == Token::Kind::end) {
    found = "the text ends here";
  } else if (token_.kind == Token::Kind::directive) {
    found = "unexpected " + quoted("." + std::string(token_.text.substr(0, 100)));
  } else {
    found = "unexpected " + quoted(token_.text);
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

Token Parser::expect_name(std::string_view what) {
  return expect_kind(Token::Kind::identifier, what);
}

std::uint64_t Parser::expect_number(std::string_view what, std::uint64_t least, std::uint64_t most) {
  const Token number = expect_kind(Token::Kind::integer, what);
  if (number.bits < least || number.bits > most) {
    fail(number.at, fmt::format("{} is not {}: it lies outside {} … {}", quoted(number.text), what,
                                least, most));
  }
  return number.bits;
}

// `token` may be used from this version and target on.
void Parser::require(const Token& token, int version, int target) {
  if (module_.version < version) {
    fail(token.at, fmt::format("{} needs .version {}.{} or later, and this is {}.{}",
                               quoted(token.text), version / 10, version % 10, module_.version / 10,
                               module_.version % 10));
  }
  if (module_.target < target) {
    fail(token.at, fmt::format("{} needs .target sm_{} or later, and this is sm_{}",
                               quoted(token.text), target, module_.target));
  }
}

std::string_view Parser::intern(std::string text) {
  return module_.strings.emplace_back(std::move(text));
}

Symbol Parser::find_here(std::string_view name) {
  Scope& scope = scopes_.back();
  if (const auto found = scope.names.find(name); found != scope.names.end()) return found->second;
  if (const Family* family = scope.family_of(name)) return make_member(scope, name, *family);
  return {};
}

Symbol Parser::find(std::string_view name) {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    if (const auto found = scope->names.find(name); found != scope->names.end()) {
      return found->second;
    }
    if (const Family* family = scope->family_of(name)) return make_member(*scope, name, *family);
  }
  return {};
}

Symbol Parser::make_member(Scope& scope, std::string_view name, const Family& family) {
  Symbol symbol;
  if (family.head.space == Space::reg) {
    symbol.reg = make_register(name, family.head);
  } else {
    Token token;
    token.text = name;
    symbol.variable = make_variable(token, family.head);
    symbol.variable->bytes = std::uint64_t{symbol.variable->width} *
                             static_cast<std::uint64_t>(bytes_of(family.head.type));
  }
  scope.names.emplace(name, symbol);
  return symbol;
}

void Parser::declare(const Token& name, Symbol symbol) {
  if (find_here(name.text)) {
    fail(name.at, fmt::format("{} is declared already in this scope", quoted(name.text)));
  }
  scopes_.back().names.emplace(name.text, symbol);
}

const Register* Parser::make_register(std::string_view name, const Head& head) {
  Register& made = function_->registers.emplace_back();
  made.name = name;
  made.type = head.type;
  made.width = head.width;
  made.index = static_cast<std::uint32_t>(function_->registers.size() - 1);
  return &made;
}

Variable* Parser::make_variable(const Token& name, const Head& head) {
  auto& variables = function_ != nullptr ? function_->variables : module_.variables;
  Variable& made = variables.emplace_back();
  made.name = name.text;
  made.space = head.space;
  made.type = head.type;
  made.width = head.width;
  made.align = head.align != 0 ? head.align
                               : static_cast<std::uint32_t>(bytes_of(head.type)) * head.width;
  made.managed = head.managed;
  made.linkage = head.linkage;
  made.owner = function_;
  made.at = name.at;
  return &made;
}

void Parser::undefined(std::string_view name, const Position& at) const {
  fail(at, fmt::format("{} is not declared", quoted(name)));
}

}  // namespace triptych::emulator

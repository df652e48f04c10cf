#include <algorithm>

#include "emulator/ptx/parser.h"

namespace triptych::emulator {

// From the innermost block outwards.
Symbol Parser::find(std::string_view name) {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    if (const Symbol symbol = find_in(*scope, name)) return symbol;
  }
  return {};
}

Symbol Parser::find_in(Scope& scope, std::string_view name) {
  if (const auto found = scope.names.find(name); found != scope.names.end()) return found->second;
  if (scope.families.empty()) return {};
  const auto member = numbered(name);
  if (!member) return {};
  const auto family = scope.families.find(member->prefix);
  if (family == scope.families.end() || member->number >= family->second.count) return {};
  if (!member->leading_zeros) return make_member(scope, name, family->second);
  return find_in(scope, intern(fmt::format("{}{}", member->prefix, member->number)));
}

Symbol Parser::make_member(Scope& scope, std::string_view name, const Family& family) {
  Symbol symbol;
  if (family.head.space == Space::reg) {
    symbol.reg = make_register(name, family.head);
  } else {
    Token token;
    token.text = name;
    const bool global = &scope == &scopes_.front();
    auto& variables = global ? module_.variables : function_->variables;
    symbol.variable = &variables.emplace_back(make_variable(token, family.head));
    symbol.variable->owner = global ? nullptr : function_;
  }
  scope.names.emplace(name, symbol);
  return symbol;
}

void Parser::declare(const Token& name, const Symbol& symbol) {
  Scope& scope = scopes_.back();
  if (find_in(scope, name.text)) {
    fail(name.at, fmt::format("{} is declared already in this block; expected another name",
                              quoted(name.text)));
  }
  scope.names.emplace(name.text, symbol);
  if (symbol.label != nullptr) return;
  if (const auto member = numbered(name.text)) {
    const auto lowest = scope.lowest_number.try_emplace(member->prefix, member->number).first;
    lowest->second = std::min(lowest->second, member->number);
  }
}

void Parser::declare_family(const Token& name, const Head& head, std::uint32_t count) {
  Scope& scope = scopes_.back();
  const auto single = scope.lowest_number.find(name.text);
  if (single != scope.lowest_number.end() && single->second < count) {
    fail(name.at,
         fmt::format("'{0}{1}' is declared already in this block, and {0}<{2}> has a {0}{1} too",
                     name.text.substr(0, 40), single->second, count));
  }
  if (!scope.families.try_emplace(name.text, Family{head, count}).second) {
    fail(name.at, fmt::format("'{}<…>' is declared already in this block; expected another name",
                              name.text.substr(0, 40)));
  }
}

const Register* Parser::make_register(std::string_view name, const Head& head) {
  Register& made = function_->registers.emplace_back();
  made.name = name;
  made.type = head.type;
  made.width = head.width;
  made.index = static_cast<std::uint32_t>(function_->registers.size() - 1);
  return &made;
}

void Parser::undefined(std::string_view name, const Position& at) const {
  fail(at, fmt::format("{} is not declared in this block or one around it", quoted(name)));
}

}  // namespace triptych::emulator

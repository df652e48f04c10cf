#include <algorithm>

#include "emulator/ptx/parser.h"

namespace triptych::emulator {

// .visible .func (results) name (parameters) directives { body }, or ; in place of the body.
void Parser::function(Linkage link) {
  Function& made = module_.functions.emplace_back();
  made.entry = take().text == "entry";
  made.linkage = link;
  function_ = &made;
  scopes_.emplace_back();
  if (!made.entry && token_.is('(')) made.results = parameters(true);
  const Token name = expect_name("the function's name");
  made.name = name.text;
  made.at = name.at;
  if (token_.is('(')) made.parameters = parameters(false);
  const bool directed = directives(made.directives, made.entry);
  made.defined = token_.is('{');
  if (!made.defined && (made.entry && directed)) unexpected("'{' before the function's body");
  if (!made.defined && !token_.is(';')) unexpected("'{' before the function's body, or ';'");
  check_parameters(made);

  Scope own = std::move(scopes_.back());
  scopes_.pop_back();
  function_ = introduce(made, name);
  if (function_ != nullptr && function_->defined) {
    scopes_.push_back(std::move(own));
    body();
    scopes_.pop_back();
  } else {
    advance();  // the ';'
  }
  function_ = nullptr;
}

// Gives the function its name, or merges it with its prototype, to which calls may already point.
// Returns nullptr if it was one more prototype.
Function* Parser::introduce(Function& made, const Token& name) {
  if (made.defined && made.linkage == Linkage::external) {
    fail(name.at, fmt::format("{} is .extern, but has a body; expected ';'", quoted(name.text)));
  }
  const auto found = scopes_.front().names.find(name.text);
  if (found == scopes_.front().names.end()) {
    declare(name, {.function = &made});
    return &made;
  }
  Function* const old = found->second.function;
  if (old == nullptr || old->defined || old->alias_of != nullptr) {
    fail(name.at, fmt::format("{} is {} already; expected another name", quoted(name.text),
                              old == nullptr ? "declared" : "defined"));
  }
  const bool inherits = made.linkage == Linkage::internal && old->linkage != Linkage::external;
  if (inherits) made.linkage = old->linkage;
  if (const std::string what = difference(*old, made); !what.empty()) {
    fail(name.at, fmt::format("{} was declared before with a different {}; expected the same",
                              quoted(name.text), what));
  }
  const bool defined = made.defined;
  if (defined) {
    *old = std::move(made);
    for (Variable& variable : old->variables) variable.owner = old;
  }
  module_.functions.pop_back();
  return defined ? old : nullptr;
}

// What two declarations of a function do not have in common; empty if they agree.
std::string Parser::difference(const Function& old, const Function& made) const {
  const auto differ = [](const std::vector<const Variable*>& a,
                         const std::vector<const Variable*>& b) {
    return !std::equal(
        a.begin(), a.end(), b.begin(), b.end(), [](const Variable* x, const Variable* y) {
          return x->space == y->space && x->type == y->type && x->width == y->width &&
                 x->bytes == y->bytes && x->unsized == y->unsized && x->align == y->align;
        });
  };
  if (old.entry != made.entry) return "keyword, .entry or .func";
  if (old.results.size() != made.results.size()) return "number of results";
  if (old.parameters.size() != made.parameters.size()) return "number of parameters";
  if (differ(old.results, made.results)) return "type of its result";
  if (differ(old.parameters, made.parameters)) return "type of a parameter";
  const bool is_alias = old.defined;  // whose linkage may be another
  if (old.linkage != made.linkage && !is_alias) return "linkage";
  if (old.directives.noreturn != made.directives.noreturn) return ".noreturn";
  return {};
}

// ( .param .b32 a, .reg .f32 b )
std::vector<const Variable*> Parser::parameters(bool result) {
  std::vector<const Variable*> list;
  expect('(', "before the parameters");
  if (take_if(')')) return list;
  do {
    list.push_back(parameter(result));
    function_->variables.back().ordinal = static_cast<std::uint32_t>(list.size() - 1);
  } while (take_if(','));
  expect(')', "after the parameters");
  return list;
}

// .param .u64 .ptr .global .align 16 name   .param .align 8 .b8 name[24]   .reg .f32 name
const Variable* Parser::parameter(bool result) {
  const bool in_register = token_.is_directive("reg");
  if (!in_register && !token_.is_directive("param")) {
    unexpected(function_->entry ? ".param" : ".param or .reg");
  }
  if (in_register && function_->entry) unexpected(".param");
  advance();
  const Head what = head(in_register ? Space::reg : Space::param);
  if (token_.is_directive("ptr") || token_.is_directive("align")) pointer_attribute();
  const bool for_call = !module_.prototypes.empty() && function_ == &module_.prototypes.back();
  const bool nameless = for_call && token_.text == "_";
  const Token name = nameless ? take() : expect_name("the parameter's name");
  Variable& made = function_->variables.emplace_back(make_variable(name, what));
  extents(made, 1);
  check_parameter(name, made, result);
  if (in_register) made.reg = make_register(name.text, what);
  if (!nameless) declare(name, in_register ? Symbol{.reg = made.reg} : Symbol{.variable = &made});
  return &made;
}

// .ptr .global .align 16: what the pointer points to, which helps the compiler only.
void Parser::pointer_attribute() {
  if (!function_->entry) unexpected("a name: only parameters of an .entry have attributes");
  if (token_.is_directive("ptr")) {
    require(take(), 22);
    for (const std::string_view space : {"const", "global", "local", "shared"}) {
      if (take_if_directive(space)) break;
    }
  }
  if (take_if_directive("align")) expect_alignment();
}

void Parser::check_parameter(const Token& name, const Variable& made, bool result) const {
  const bool in_register = made.space == Space::reg;
  if (in_register && made.bytes != static_cast<std::uint64_t>(bytes_of(made.type)) * made.width) {
    fail(name.at, fmt::format("{} is an array in a register; expected .param", quoted(name.text)));
  }
  if (made.unsized && (function_->entry || result)) {
    fail(name.at, fmt::format("{} has no size; expected an extent in [ ]", quoted(name.text)));
  }
}

void Parser::check_parameters(const Function& made) const {
  const bool several = made.results.size() > 1;
  for (const Variable* result : made.results) {
    if (several && result->space == Space::param) {
      fail(result->at, "several results in .param; expected one, or results in .reg");
    }
  }
  std::uint64_t bytes = 0;
  for (const Variable* parameter : made.parameters) {
    if (parameter->unsized && parameter != made.parameters.back()) {
      fail(parameter->at,
           fmt::format("{} has no size; expected an extent: it is not the last parameter",
                       quoted(parameter->name)));
    }
    bytes = (bytes + parameter->align - 1) / parameter->align * parameter->align + parameter->bytes;
  }
  const bool large = module_.version >= 81 && module_.target >= 70;
  const std::uint64_t most = large ? 32764 : 4352;
  if (made.entry && bytes > most) {
    fail(made.at,
         fmt::format("{} has {} bytes of parameters; expected at most {}{}", quoted(made.name),
                     bytes, most, large ? "" : " (32764 from .version 8.1 and sm_70 on)"));
  }
}

}  // namespace triptych::emulator

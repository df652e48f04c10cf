#include "emulator/ptx/parser.h"

namespace triptych::emulator {

// .visible .func (results) name (parameters) directives { body }
void Parser::function(Linkage link) {
  const Token keyword = take();
  const bool entry = keyword.text == "entry";
  Function& made = module_.functions.emplace_back();
  made.entry = entry;
  made.linkage = link;
  Head attributes;
  if (take_if_directive("attribute")) attribute(attributes);
  function_ = &made;
  scopes_.emplace_back();
  if (!entry && token_.is('(')) made.results = parameters(false);
  const Token name = expect_name("the function's name");
  made.name = name.text;
  made.at = name.at;
  if (token_.is('(')) made.parameters = parameters(false);
  directives(made.directives, entry);

  Scope own = std::move(scopes_.back());
  scopes_.pop_back();
  Function* target = &made;
  if (const Symbol known = find(name.text)) {
    if (known.function == nullptr || known.function->entry != entry) {
      fail(name.at, fmt::format("{} is declared already", quoted(name.text)));
    }
    target = known.function;
    if (!token_.is('{')) {  // another prototype
      module_.functions.pop_back();
      target = nullptr;
    } else if (target->defined) {
      fail(name.at, fmt::format("{} is defined already", quoted(name.text)));
    } else {
      // The definition takes the prototype's place, which calls may already point to.
      *target = std::move(made);
      module_.functions.pop_back();
      for (Variable& variable : target->variables) variable.owner = target;
    }
  } else {
    declare(name, {.function = target});
  }
  if (token_.is('{')) {
    target->defined = true;
    function_ = target;
    scopes_.push_back(std::move(own));
    body();
    scopes_.pop_back();
  } else {
    take_if(';');
  }
  function_ = nullptr;
}

// ( .param .b32 a, .reg .f32 b )
std::vector<const Variable*> Parser::parameters(bool of_call) {
  std::vector<const Variable*> list;
  expect('(', "before the parameters");
  if (take_if(')')) return list;
  do {
    Variable* made = parameter();
    made->ordinal = static_cast<std::uint32_t>(list.size());
    list.push_back(made);
  } while (take_if(','));
  expect(')', of_call ? "after the prototype's parameters" : "after the parameters");
  return list;
}

// .param .u64 .ptr .global .align 16 name   .param .align 8 .b8 name[24]   .reg .f32 name
Variable* Parser::parameter() {
  Head what;
  if (take_if_directive("reg")) {
    what.space = Space::reg;
  } else if (take_if_directive("param")) {
    what.space = Space::param;
  } else {
    unexpected(".param or .reg");
  }
  what = head(what);
  if (take_if_directive("ptr")) {
    for (const std::string_view space : {"const", "global", "local", "shared"}) {
      if (take_if_directive(space)) break;
    }
    if (take_if_directive("align")) expect_number("an alignment", 1, 1u << 30);
  }
  const Token name = expect_name("the parameter's name");
  Variable* made = make_variable(name, what);
  Symbol symbol{.variable = made};
  if (what.space == Space::reg) {
    made->reg = symbol.reg = make_register(name.text, what);
    symbol.variable = nullptr;
  }
  if (name.text != "_") declare(name, symbol);
  size(*made, name, extents(*made));
  return made;
}

void Parser::directives(Directives& to, bool entry) {
  while (token_.kind == Token::Kind::directive && directive(to, entry)) {
  }
}

bool Parser::directive(Directives& to, bool entry) {
  const Token word = token_;
  const auto number = [&](std::uint32_t& value) {
    take();
    value = static_cast<std::uint32_t>(expect_number("a positive number", 1, 0xFFFFFFFF));
  };
  if (word.text == "pragma") {
    take();
    pragmas(to);
    return true;
  }
  if (word.text == "noreturn") {
    take();
    to.noreturn = true;
    return true;
  }
  if (!entry) return false;
  if (word.text == "maxntid") {
    extent(to.maxntid);
  } else if (word.text == "reqntid") {
    extent(to.reqntid);
  } else if (word.text == "reqnctapercluster") {
    require(word, 78, 90);
    extent(to.cluster);
  } else if (word.text == "explicitcluster") {
    require(word, 78, 90);
    take();
    to.explicit_cluster = true;
  } else if (word.text == "maxclusterrank") {
    require(word, 78, 90);
    number(to.maxclusterrank);
  } else if (word.text == "minnctapersm") {
    number(to.minnctapersm);
  } else if (word.text == "maxnctapersm") {
    number(to.maxnctapersm);
  } else if (word.text == "maxnreg") {
    number(to.maxnreg);
  } else {
    return false;
  }
  return true;
}

// .maxntid 16, 4: what is not given is 1.
void Parser::extent(std::array<std::uint32_t, 3>& to) {
  take();
  to = {1, 1, 1};
  std::size_t i = 0;
  do {
    to[i++] = static_cast<std::uint32_t>(expect_number("a positive number", 1, 0xFFFFFFFF));
  } while (i < 3 && take_if(','));
}

// .pragma "nounroll", "…";
void Parser::pragmas(Directives& to) {
  do {
    to.pragmas.push_back(expect_kind(Token::Kind::string, "a pragma in quotes").text);
  } while (take_if(','));
  expect(';', "after .pragma");
}

}  // namespace triptych::emulator

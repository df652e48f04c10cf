#include "emulator/ptx/parser.h"

namespace triptych::emulator {

// A label belongs to its block, all of it: a branch may stand before it, also if there is a label
// of the same name further out. So who names one is answered when its block ends.
void Parser::resolve_labels(Scope& scope) {
  std::erase_if(scope.uses, [&](const LabelUse& use) {
    const auto found = scope.names.find(use.name);
    if (found == scope.names.end()) return false;
    const Label* const label = found->second.label;
    const bool is_place = label != nullptr && label->branch_targets.empty() &&
                          label->call_targets.empty() && label->prototype == nullptr;
    if (!is_place) {
      fail(use.at,
           fmt::format("{} is not a place to branch to; expected a label before an instruction",
                       quoted(use.name)));
    }
    *use.place = label;
    return true;
  });
}

// name:  or one of name: .branchtargets …; name: .calltargets …; name: .callprototype …;
void Parser::label(const Token& name) {
  advance();  // the ':'
  Label& made = function_->labels.emplace_back();
  made.name = name.text;
  made.at = name.at;
  made.target = static_cast<std::uint32_t>(function_->body.size());
  if (token_.is_directive("branchtargets")) branch_targets(made);
  if (token_.is_directive("calltargets")) call_targets(made);
  if (token_.is_directive("callprototype")) call_prototype(made);
  declare(name, {.label = &made});
}

void Parser::branch_targets(Label& made) {
  require(take(), 51, 30);
  std::vector<Token> names;
  do {
    names.push_back(expect_name("a label"));
    if (token_.is('<')) unexpected("',' or ';': this device takes no ranges of labels");
  } while (take_if(','));
  expect(';', "after the labels");
  made.branch_targets.resize(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    scopes_.back().uses.push_back({names[i].text, names[i].at, &made.branch_targets[i]});
  }
}

void Parser::call_targets(Label& made) {
  require(take(), 21, 20);
  do {
    const Token name = expect_name("a function");
    const Function* const function = find(name.text).function;
    if (function == nullptr || function->entry) {
      fail(name.at, fmt::format("{} is not a .func that is declared before; expected one",
                                quoted(name.text)));
    }
    made.call_targets.push_back(function);
  } while (take_if(','));
  expect(';', "after the functions");
}

// proto: .callprototype (.param .b32 _) _ (.param .b64 _);
void Parser::call_prototype(Label& made) {
  require(take(), 21, 20);
  Function& prototype = module_.prototypes.emplace_back();
  prototype.at = made.at;
  prototype.name = made.name;
  Function* const caller = std::exchange(function_, &prototype);
  scopes_.emplace_back();
  if (token_.is('(')) prototype.results = parameters(true);
  if (token_.text != "_") unexpected("'_' in place of the function's name");
  advance();
  if (token_.is('(')) prototype.parameters = parameters(false);
  directives(prototype.directives, false);
  check_parameters(prototype);
  scopes_.pop_back();
  function_ = caller;
  made.prototype = &prototype;
  expect(';', "after the prototype");
}

}  // namespace triptych::emulator

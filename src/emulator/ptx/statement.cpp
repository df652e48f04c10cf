#include <limits>

#include "emulator/ptx/parser.h"

namespace triptych::emulator {

void Parser::body() {
  const std::size_t outer = scopes_.size();
  take();
  do {
    if (token_.kind == Token::Kind::end) unexpected("'}' after the function's body");
    if (token_.is('{')) {
      open_block();
    } else if (!token_.is('}')) {
      statement();
    } else if (scopes_.size() > outer) {
      close_block();
    } else {
      break;
    }
  } while (true);
  take();
  resolve_labels(scopes_.back());
  for (const LabelUse& use : scopes_.back().uses) undefined(use.name, use.at);
}

void Parser::open_block() {
  constexpr std::size_t deepest = 1000;
  if (scopes_.size() >= deepest) {
    fail(token_.at, fmt::format("blocks nest more than {} deep", deepest));
  }
  take();
  scopes_.emplace_back();
}

// What the block's own labels do not answer may be answered by labels further out.
void Parser::close_block() {
  take();
  resolve_labels(scopes_.back());
  const std::vector<LabelUse> open = std::move(scopes_.back().uses);
  scopes_.pop_back();
  auto& uses = scopes_.back().uses;
  uses.insert(uses.end(), open.begin(), open.end());
}

void Parser::resolve_labels(Scope& scope) {
  std::erase_if(scope.uses, [&](const LabelUse& use) {
    const auto found = scope.names.find(use.name);
    if (found == scope.names.end() || found->second.label == nullptr) return false;
    *use.place = found->second.label;
    return true;
  });
}

void Parser::statement() {
  if (token_.kind == Token::Kind::directive) return local_directive(token_);
  if (take_if(';')) return;
  if (take_if('@')) {
    const bool negated = take_if('!');
    const Token guard = expect_name("a predicate after '@'");
    return instruction(&guard, negated);
  }
  if (token_.kind != Token::Kind::identifier) unexpected("an instruction, a label or a directive");
  instruction(nullptr, false);
}

void Parser::local_directive(const Token& word) {
  if (take_if_directive("loc")) return loc();
  if (take_if_directive("pragma")) return pragmas(function_->directives);
  Head what;
  what.linkage = linkage();
  if (word.kind != Token::Kind::directive) unexpected("a declaration");
  declaration(what);
}

// .loc 1 12 5 [, function_name label [+ 4], inlined_at 1 20 3]
void Parser::loc() {
  Loc made;
  made.function = function_;
  made.first = static_cast<std::uint32_t>(function_->body.size());
  constexpr std::uint64_t most = 0xFFFFFFFF;
  made.at.file = static_cast<std::uint32_t>(expect_number("a file's number", 0, most));
  made.at.line = static_cast<std::uint32_t>(expect_number("a line", 0, most));
  made.at.column = static_cast<std::uint32_t>(expect_number("a column", 0, most));
  while (take_if(',')) {
    const Token attribute = expect_name("function_name or inlined_at");
    if (attribute.text == "function_name") {
      expect_name("a label in .debug_str");
      if (take_if('+')) expect_number("an offset", 0, most);
    } else if (attribute.text == "inlined_at") {
      for (int i = 0; i < 3; ++i) expect_number("a file, a line and a column", 0, most);
    } else {
      fail(attribute.at, fmt::format("{} is not function_name or inlined_at", quoted(attribute.text)));
    }
  }
  module_.locs.push_back(made);
}

// name:  or  name: .branchtargets a, b;
void Parser::label(const Token& name) {
  Label& made = function_->labels.emplace_back();
  made.name = name.text;
  made.at = name.at;
  made.target = static_cast<std::uint32_t>(function_->body.size());
  declare(name, {.label = &made});
  if (token_.is_directive("branchtargets") || token_.is_directive("calltargets")) table(made);
  if (token_.is_directive("callprototype")) call_prototype(made);
}

void Parser::table(Label& made) {
  const bool branches = take().text == "branchtargets";
  std::vector<Token> names;
  do {
    const Token name = expect_name("a target's name");
    const Symbol known = find(name.text);
    if (branches) {
      names.push_back(name);
    } else if (known.function != nullptr) {
      made.call_targets.push_back(known.function);
    } else {
      fail(name.at, fmt::format("{} is not a declared function", quoted(name.text)));
    }
  } while (take_if(','));
  expect(';', "after the targets");
  made.branch_targets.resize(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    scopes_.back().uses.push_back({names[i].text, names[i].at, &made.branch_targets[i]});
  }
}

// proto: .callprototype (.param .b32 _) _ (.param .b64 _);
void Parser::call_prototype(Label& made) {
  take();
  Function& prototype = module_.prototypes.emplace_back();
  prototype.at = made.at;
  prototype.name = made.name;
  Function* const caller = std::exchange(function_, &prototype);
  scopes_.emplace_back();
  if (token_.is('(')) prototype.results = parameters(true);
  if (expect_name("'_' in place of a function's name").text != "_") {
    fail(token_.at, "a prototype has '_' in place of the function's name");
  }
  prototype.parameters = parameters(true);
  directives(prototype.directives, false);
  scopes_.pop_back();
  function_ = caller;
  made.prototype = &prototype;
  expect(';', "after the prototype");
}

void Parser::instruction(const Token* guard, bool negated) {
  const Token root = expect_name("an instruction");
  if (guard == nullptr && take_if(':')) return label(root);
  Instruction made;
  made.at = root.at;
  if (guard != nullptr) {
    made.guard = find(guard->text).reg;
    made.guard_negated = negated;
    if (made.guard == nullptr) undefined(guard->text, guard->at);
    if (made.guard->type != Type::pred) {
      fail(guard->at, fmt::format("{} guards an instruction, but is of type .{}; expected .pred",
                                  quoted(guard->text), name_of(made.guard->type)));
    }
  }
  opcode(made, root);
  operands(made);
  auto& body = function_->body;
  if (!body.empty() && body.back().at.line == made.at.line && body.back().at.file == made.at.file &&
      body.back().within_line < std::numeric_limits<std::uint16_t>::max()) {
    made.within_line = static_cast<std::uint16_t>(body.back().within_line + 1);
  }
  for (Operand& operand : made.operands) {  // which stay where they are when `made` moves
    if (operand.kind == Operand::Kind::label && operand.label == nullptr) {
      scopes_.back().uses.push_back({operand.name, operand.at, &operand.label});
    }
  }
  body.push_back(std::move(made));
}

// Each opcode is kept once, so that two are the same if their texts lie at the same address.
void Parser::opcode(Instruction& made, const Token& root) {
  const char* const begin = root.text.data();
  const char* end = begin + root.text.size();
  bool contiguous = true;
  std::vector<std::string_view> modifiers;
  while (token_.kind == Token::Kind::directive) {
    contiguous = contiguous && token_.text.data() == end + 1;
    end = token_.text.data() + token_.text.size();
    modifiers.push_back(take().text);
  }
  std::string_view text(begin, static_cast<std::size_t>(end - begin));
  std::string joined;
  if (!contiguous) {  // blanks between its parts
    joined = root.text;
    for (const std::string_view modifier : modifiers) joined.append(".").append(modifier);
    text = joined;
  }
  auto known = opcodes_.find(text);
  if (known == opcodes_.end()) {
    if (!contiguous) text = intern(std::move(joined));
    known = opcodes_.emplace(text, Opcode{text, root.text, modifiers}).first;
  }
  made.opcode = known->second.text;
  made.root = known->second.root;
  made.modifiers = std::move(modifiers);
}

}  // namespace triptych::emulator

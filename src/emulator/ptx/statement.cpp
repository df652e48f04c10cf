#include <limits>

#include "emulator/ptx/parser.h"

namespace triptych::emulator {

// { … } of the function at hand, whose parameters' scope is the innermost. Blocks are counted, not
// recursed into.
void Parser::body() {
  const std::size_t outermost = scopes_.size();
  expect('{', "before the function's body");
  while (scopes_.size() > outermost || !token_.is('}')) {
    if (token_.kind == Token::Kind::end) unexpected("'}' after the function's body");
    if (token_.is('{')) {
      open_block();
    } else if (token_.is('}')) {
      close_block();
    } else {
      statement();
    }
  }
  advance();
  resolve_labels(scopes_.back());
  for (const LabelUse& use : scopes_.back().uses) {
    fail(use.at, fmt::format("{} is no label of this block or one around it", quoted(use.name)));
  }
}

void Parser::open_block() {
  constexpr std::size_t deepest = 100;
  if (scopes_.size() >= deepest) {
    fail(token_.at, fmt::format("blocks nest deeper than {}", deepest));
  }
  advance();
  scopes_.emplace_back();
}

// What the block's own labels do not answer may be answered by labels further out.
void Parser::close_block() {
  advance();
  resolve_labels(scopes_.back());
  const std::vector<LabelUse> open = std::move(scopes_.back().uses);
  scopes_.pop_back();
  auto& uses = scopes_.back().uses;
  uses.insert(uses.end(), open.begin(), open.end());
}

void Parser::statement() {
  if (token_.kind == Token::Kind::identifier) return instruction(nullptr, false);
  if (take_if_directive("loc")) return loc();
  if (token_.is_directive("pragma")) return pragmas(function_->directives.pragmas);
  if (token_.kind == Token::Kind::directive) return declaration(Linkage::internal);
  if (!take_if('@')) unexpected("an instruction, a label, a declaration or '}'");
  const bool negated = take_if('!');
  const Token name = expect_name("a predicate after '@'");
  instruction(&name, negated);
}

// add.s32 a, b, c;  or  label:
void Parser::instruction(const Token* guard_name, bool negated) {
  const Token root = expect_name("an instruction");
  if (guard_name == nullptr && token_.is(':')) return label(root);
  Instruction made;
  made.at = root.at;
  if (guard_name != nullptr) guard(made, *guard_name, negated);
  opcode(made, root);
  operands(made);
  number_within_line(made);
  function_->body.push_back(std::move(made));
}

void Parser::guard(Instruction& made, const Token& name, bool negated) {
  made.guard = find(name.text).reg;
  made.guard_negated = negated;
  if (made.guard == nullptr || made.guard->type != Type::pred) {
    fail(name.at, fmt::format("{} is not a predicate; expected a register of type .pred",
                              quoted(name.text)));
  }
}

// Each opcode is kept once: two are the same if their texts lie at the same address.
void Parser::opcode(Instruction& made, const Token& root) {
  const char* const begin = root.text.data();
  const char* end = begin + root.text.size();
  bool contiguous = true;
  modifiers_.clear();
  while (token_.kind == Token::Kind::directive) {
    contiguous = contiguous && token_.text.data() == end + 1;
    end = token_.text.data() + token_.text.size();
    modifiers_.push_back(token_.text);
    advance();
  }
  std::string_view text(begin, static_cast<std::size_t>(end - begin));
  std::string joined;
  if (!contiguous) {  // there are blanks in it
    joined = root.text;
    for (const std::string_view modifier : modifiers_) joined.append(".").append(modifier);
    text = joined;
  }
  auto known = opcodes_.find(text);
  if (known == opcodes_.end()) {
    if (!contiguous) text = intern(std::move(joined));
    known = opcodes_.emplace(text, Opcode{text, root.text, modifiers_}).first;
  }
  made.opcode = known->second.text;
  made.root = known->second.root;
  made.modifiers = known->second.modifiers;
}

// The preprocessor puts all instructions of a macro into one line.
void Parser::number_within_line(Instruction& made) const {
  if (function_->body.empty()) return;
  const Instruction& last = function_->body.back();
  constexpr auto most = std::numeric_limits<std::uint16_t>::max();
  if (last.at.line == made.at.line && last.at.file == made.at.file) {
    made.within_line = last.within_line < most ? last.within_line + 1 : most;
  }
}

}  // namespace triptych::emulator

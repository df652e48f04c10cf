#include "emulator/decode/bind.h"

#include <fmt/format.h>

#include <algorithm>

#include "emulator/decode/error.h"

namespace triptych::emulator {
namespace {

/// Whether an operand is the address of a parameter or .param variable of a device function.
bool in_function_parameter(const Operand& o) {
  if (o.kind != Operand::Kind::address || o.parts[0].kind != Operand::Kind::variable) return false;
  const Variable& v = *o.parts[0].variable;
  if (v.space != Space::param || v.owner == nullptr) return false;
  const auto& of_entry = v.owner->parameters;
  return !v.owner->entry || std::find(of_entry.begin(), of_entry.end(), &v) == of_entry.end();
}

}  // namespace

const Candidates& Opcodes::find(const Instruction& instruction, bool function_parameter) {
  auto& known = function_parameter ? of_functions_ : plain_;
  const auto [at, fresh] = known.try_emplace(instruction.opcode.data());
  if (fresh) {
    std::vector<std::string_view> modifiers = instruction.modifiers;
    if (function_parameter)
      std::replace(modifiers.begin(), modifiers.end(), std::string_view("param"),
                   std::string_view("param::func"));
    at->second = find_forms(instruction.root, modifiers);
  }
  return at->second;
}

Binder::Binder(Context& context, const Function& function, Lowered& lowered)
    : context_(context),
      function_(function),
      lowered_(lowered),
      code_(lowered.code),
      constants_(code_.constants) {
  lowered_.register_of.assign(function.registers.size(), no_register);
  lowered_.first_ref.push_back(0);
  first_of_.reserve(function.body.size() + 1);
  lowered_.first_ref.reserve(function.body.size() + 16);
  code_.instrs.reserve(function.body.size() + 16);
  lowered_.refs.reserve(function.body.size() * 4);
}

void Binder::bind() {
  parameters();
  for (const Instruction& i : function_.body) instruction(i);
  end_of_function();
  resolve_branches();
}

void Binder::check_version(const Form& form) const {
  const Module& m = context_.module;
  if (m.version < form.version) {
    fail(m, source_->at,
         fmt::format("'{}' needs .version {}.{} or later; the module has {}.{}", source_->opcode,
                     form.version / 10, form.version % 10, m.version / 10, m.version % 10));
  }
  if (m.target < form.target || (form.needs_a && !m.target_a)) {
    fail(m, source_->at,
         fmt::format("'{}' needs .target sm_{}{} or later; the module has sm_{}{}", source_->opcode,
                     form.target, form.needs_a ? "a" : "", m.target, m.target_a ? "a" : ""));
  }
}

const Candidate& Binder::choose(const Instruction& source, Fitted& fitted) {
  const bool of_function =
      std::any_of(source.operands.begin(), source.operands.end(), in_function_parameter);
  const Candidates& candidates = context_.opcodes.find(source, of_function);
  if (candidates.all.empty()) fail(context_.module, source.at, candidates.error);
  std::size_t furthest = 0;
  std::string expected;
  for (const Candidate& c : candidates.all) {
    std::size_t reached = 0;
    std::string wanted;
    if (fit(c.operands, source.operands, fitted, reached, wanted)) return c;
    if (expected.empty() || reached > furthest) {
      furthest = reached;
      expected = wanted;
    }
  }
  const bool has = furthest < source.operands.size();
  fail(context_.module, has ? source.operands[furthest].at : source.at,
       fmt::format("'{}': operand {} {}; expected {}", source.opcode, furthest + 1,
                   has ? "does not fit" : "is missing", expected));
}

/// Asks select() of a form that wants to see immediate operands and selectors.
Choice Binder::choice_of(const Candidate& candidate, const Fitted& fitted, Run& run) const {
  Choice choice = candidate.choice;
  const Operand* last = nullptr;
  for (std::size_t e = 0; e < candidate.operands.size(); ++e) {
    if (candidate.operands[e].selector) {
      if (fitted[e] != nullptr && fitted[e]->negated) choice.negated |= 1u << choice.selectors.size();
      choice.selectors.push_back(fitted[e] == nullptr ? std::string_view() : fitted[e]->selector);
    }
    if (fitted[e] == nullptr) continue;
    if (candidate.operands[e].kind != Element::Kind::immediate) continue;
    choice.imm.push_back(static_cast<std::int64_t>(fitted[e]->bits));
    last = fitted[e];
  }
  run = choice.form->select(choice);
  if (run == nullptr) {
    if (last != nullptr) refuse(*last, "is not among the values that this instruction takes");
    fail(context_.module, source_->at,
         fmt::format("'{}': these selectors do not go together", source_->opcode));
  }
  return choice;
}

void Binder::instruction(const Instruction& source) {
  source_ = &source;
  first_of_.push_back(static_cast<std::uint32_t>(code_.instrs.size()));
  instr_ = {};
  Fitted fitted;
  const Candidate& candidate = choose(source, fitted);
  const Form& form = *candidate.choice.form;
  check_version(form);
  instr_.run = candidate.run;
  instr_.form = candidate.form;
  instr_.flags = form.flags;
  instr_.extra = candidate.choice.extra;
  instr_.ticks = static_cast<std::uint8_t>(candidate.choice.ticks);
  if (candidate.each) {
    const Choice choice = choice_of(candidate, fitted, instr_.run);
    instr_.extra = choice.extra;
    instr_.ticks = static_cast<std::uint8_t>(choice.ticks);
  }
  if (source.guard != nullptr) refer(guard());
  if (source.root == "call") {
    call(source.operands);
  } else {
    for (std::size_t e = 0; e < candidate.operands.size(); ++e) {
      element(candidate.operands[e], fitted[e]);
    }
  }
  // The hardware writes these while the warp goes on.
  if (source.root == "wgmma") {
    for (const Ref& ref : refs_) {
      if (ref.place == Ref::Place::list) lowered_.own_row[ref.reg] = true;
    }
  }
  finish(flow_of(source.root));
}

void Binder::element(const Expected& x, const Operand* operand) {
  using Kind = Element::Kind;
  if (x.kind == Kind::carry) {
    return refer({.reg = carry(),
                  .index = static_cast<std::uint32_t>(x.op),
                  .place = Ref::Place::op,
                  .read = x.read,
                  .write = x.write});
  }
  if (operand == nullptr) return;
  const Operand& o = *operand;
  switch (x.kind) {
    case Kind::value:
      return value(x, o, Ref::Place::op, static_cast<std::size_t>(x.op));
    case Kind::pair:
      return pair(x, o);
    case Kind::vector:
      vector(x, o);
      break;
    case Kind::address:
      return bind_address(x, o);
    case Kind::tensor:
      bind_address(x, o);
      break;
    case Kind::label:
      label(o);
      break;
    default:
      break;
  }
  if (!list_seen_ && !list_.empty()) {
    instr_.at_list = static_cast<std::uint16_t>(list_.size());
    list_seen_ = true;
  }
}

}  // namespace triptych::emulator

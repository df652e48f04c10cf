#include "emulator/decode/bind.h"

#include <fmt/format.h>

#include <algorithm>

#include "emulator/decode/error.h"
#include "emulator/decode/moves.h"

namespace triptych::emulator {
namespace {

Flow flow_of(std::string_view root) {
  if (root == "bra") return Flow::branch;
  if (root == "brx") return Flow::table;
  if (root == "ret" || root == "exit" || root == "trap") return Flow::end;
  return Flow::next;
}

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
    if (function_parameter) std::replace(modifiers.begin(), modifiers.end(), std::string_view("param"), std::string_view("param::func"));
    at->second = find_forms(instruction.root, modifiers);
  }
  return at->second;
}

Binder::Binder(Context& context, const Function& function, Lowered& lowered)
    : context_(context), function_(function), lowered_(lowered), code_(lowered.code), constants_(code_.constants) {
  lowered_.register_of.assign(function.registers.size(), no_register);
  lowered_.first_ref.push_back(0);
  first_of_.reserve(function.body.size() + 1);
  lowered_.first_ref.reserve(function.body.size() + 16);
  code_.instrs.reserve(function.body.size() + 16);
  lowered_.refs.reserve(function.body.size() * 4);
}

void Binder::bind() {
  if (!function_.entry && code_.local_bytes > 0) {
    frame_base_ = added(moves::frame_base, {}, RegisterClass::wide).reg;
  }
  parameters();
  for (const Instruction& i : function_.body) instruction(i);
  end_of_function();
  resolve_branches();
}

/// Parameters and results of a device function: registers, or places in its frame.
void Binder::parameters() {
  if (function_.entry) return;
  const auto add = [&](const std::vector<const Variable*>& from, std::vector<CallValue>& to, Ref::Place place) {
    for (const Variable* v : from) {
      CallValue value{.bytes = v->type == Type::pred ? 0 : static_cast<std::uint32_t>(v->bytes)};
      if (v->reg != nullptr) {
        // A parameter has its value when the function begins; a result is read by ret.
        const bool read = place == Ref::Place::parameter;
        refer({.reg = register_of(*v->reg, -1), .index = static_cast<std::uint32_t>(to.size()), .place = place, .read = read});
      } else {
        value.local = code_.local_at.at(v);
      }
      to.push_back(value);
    }
  };
  add(function_.parameters, code_.parameters, Ref::Place::parameter);
  add(function_.results, code_.results, Ref::Place::returned);
}

void Binder::check_version(const Form& form) const {
  const Module& m = context_.module;
  if (m.version < form.version) {
    fail(m, source_->at, fmt::format("'{}' needs .version {}.{} or later; the module has {}.{}", source_->opcode, form.version / 10,
                                     form.version % 10, m.version / 10, m.version % 10));
  }
  if (m.target < form.target || (form.needs_a && !m.target_a)) {
    fail(m, source_->at, fmt::format("'{}' needs .target sm_{}{} or later; the module has sm_{}{}", source_->opcode, form.target,
                                     form.needs_a ? "a" : "", m.target, m.target_a ? "a" : ""));
  }
}

const Candidate& Binder::choose(const Instruction& source, Fitted& fitted) {
  const bool of_function = std::any_of(source.operands.begin(), source.operands.end(), in_function_parameter);
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
       fmt::format("'{}': operand {} {}; expected {}", source.opcode, furthest + 1, has ? "does not fit" : "is missing", expected));
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
    fail(context_.module, source_->at, fmt::format("'{}': these selectors do not go together", source_->opcode));
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
  if (source.guard != nullptr) {
    refer({.reg = register_of(*source.guard, -1), .place = Ref::Place::guard, .read = true, .negated = source.guard_negated});
  }
  if (source.root == "call") {
    call(source.operands);
  } else {
    for (std::size_t e = 0; e < candidate.operands.size(); ++e) element(candidate.operands[e], fitted[e]);
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
    return refer({.reg = carry(), .index = static_cast<std::uint32_t>(x.op), .place = Ref::Place::op, .read = x.read, .write = x.write});
  }
  if (operand == nullptr) return;
  const Operand& o = *operand;
  switch (x.kind) {
    case Kind::value: return value(x, o, Ref::Place::op, static_cast<std::size_t>(x.op));
    case Kind::pair: return pair(x, o);
    case Kind::vector: vector(x, o); break;
    case Kind::address: return bind_address(x, o);
    case Kind::tensor: bind_address(x, o); break;
    case Kind::label:
      if (o.label->branch_targets.empty()) {
        instr_.imm = o.label->target;
        break;
      }
      if (o.label->branch_targets.size() > 0xFFFF) refuse(o, "has more than 65535 targets");
      if (code_.targets.size() > 1u << 20) refuse(o, "is one too many: a million branch targets in one function");
      instr_.list = static_cast<std::uint32_t>(code_.targets.size());
      instr_.list_count = static_cast<std::uint16_t>(o.label->branch_targets.size());
      for (const Label* target : o.label->branch_targets) code_.targets.push_back(target->target);
      break;
    default: break;
  }
  if (!list_seen_ && !list_.empty()) {
    instr_.at_list = static_cast<std::uint16_t>(list_.size());
    list_seen_ = true;
  }
}

/// Appends the instruction at hand, and the moves that its results need.
void Binder::finish(Flow flow) {
  const auto number = static_cast<std::uint32_t>(code_.instrs.size());
  if (!list_.empty()) {
    instr_.list = static_cast<std::uint32_t>(code_.lists.size());
    instr_.list_count = static_cast<std::uint16_t>(list_.size());
    for (Ref& ref : refs_) {
      if (ref.place == Ref::Place::list) ref.index += instr_.list;
    }
    code_.lists.insert(code_.lists.end(), list_.begin(), list_.end());
  }
  if (flow == Flow::branch) branches_.push_back(number);
  if (flow == Flow::end && source_->root == "ret") {
    for (const Variable* v : function_.results) {
      if (v->reg != nullptr) refer({.reg = register_of(*v->reg, -1), .read = true});
    }
  }
  code_.instrs.push_back(instr_);
  code_.sites.push_back({source_});
  lowered_.flow.push_back(flow);
  lowered_.refs.insert(lowered_.refs.end(), refs_.begin(), refs_.end());
  lowered_.first_ref.push_back(static_cast<std::uint32_t>(lowered_.refs.size()));
  refs_.clear();
  list_.clear();
  address_seen_ = list_seen_ = false;
  for (const Move& move : after_) {
    instr_ = {};
    instr_.run = move.run;
    instr_.flags = Instr::added;
    code_.instrs.push_back(instr_);
    code_.sites.push_back({source_});
    lowered_.flow.push_back(Flow::next);
    auto& refs = lowered_.refs;
    refs.push_back({.reg = move.to, .index = 0, .place = Ref::Place::op, .write = true});
    refs.push_back({.reg = move.from, .index = 1, .place = Ref::Place::op, .read = true});
    if (source_->guard != nullptr) {
      refs.push_back({.reg = register_of(*source_->guard, -1), .place = Ref::Place::guard, .read = true, .negated = source_->guard_negated});
    }
    lowered_.first_ref.push_back(static_cast<std::uint32_t>(refs.size()));
  }
  after_.clear();
}

/// A function whose text ends without a jump returns there.
void Binder::end_of_function() {
  const auto size = static_cast<std::uint32_t>(function_.body.size());
  first_of_.push_back(static_cast<std::uint32_t>(code_.instrs.size()));
  const bool reached = std::any_of(function_.labels.begin(), function_.labels.end(), [&](const Label& l) { return l.target == size; });
  if (size != 0 && !reached && function_.body.back().guard == nullptr && flow_of(function_.body.back().root) != Flow::next) return;
  static constexpr std::string_view ret = "ret";
  static const Candidates forms = find_forms(ret, {});
  Instruction added;
  added.opcode = added.root = ret;
  source_ = &added;
  instr_ = {};
  instr_.run = forms.all.at(0).run;
  instr_.form = forms.all[0].form;
  instr_.flags = forms.all[0].choice.form->flags | Instr::added;
  finish(Flow::end);
  code_.sites.back().source = size != 0 ? &function_.body.back() : nullptr;
}

/// Targets are known when all instructions have their numbers.
void Binder::resolve_branches() {
  for (const std::uint32_t b : branches_) {
    code_.instrs[b].imm = first_of_[static_cast<std::size_t>(code_.instrs[b].imm)];
  }
  for (std::uint32_t& target : code_.targets) target = first_of_[target];
}

}  // namespace triptych::emulator

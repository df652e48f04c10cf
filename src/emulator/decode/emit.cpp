// The code grows: instructions, what is added around them, and branches.
#include <fmt/format.h>

#include <algorithm>

#include "emulator/decode/bind.h"
#include "emulator/decode/moves.h"

namespace triptych::emulator {

Flow flow_of(std::string_view root) {
  if (root == "bra") return Flow::branch;
  if (root == "brx") return Flow::table;
  if (root == "ret" || root == "exit" || root == "trap") return Flow::end;
  return Flow::next;
}

void Binder::append(const Instr& instr, Flow flow, std::span<const Ref> refs) {
  code_.instrs.push_back(instr);
  code_.sites.push_back({source_});
  lowered_.flow.push_back(flow);
  lowered_.refs.insert(lowered_.refs.end(), refs.begin(), refs.end());
  lowered_.first_ref.push_back(static_cast<std::uint32_t>(lowered_.refs.size()));
}

/// Puts an instruction before the one at hand: a new register = run(from).
Binder::Source Binder::added(Run run, const Source& from, RegisterClass to, std::int64_t imm,
                             std::uint32_t extra) {
  const std::uint32_t reg = fresh(to);
  Instr move{.run = run, .flags = Instr::added, .extra = extra, .imm = imm};
  move.op[1] = from.slot;
  const Ref refs[] = {{.reg = reg, .place = Ref::Place::op, .write = true, .whole = true},
                      {.reg = from.reg, .index = 1, .place = Ref::Place::op, .read = true}};
  append(move, Flow::next, std::span(refs).first(from.reg == no_register ? 1 : 2));
  return {.reg = reg};
}

Ref Binder::guard() {
  return {.reg = register_of(*source_->guard, -1),
          .place = Ref::Place::guard,
          .read = true,
          .negated = source_->guard_negated};
}

/// Appends the instruction at hand, and the moves that its results need.
void Binder::finish(Flow flow) {
  if (!list_.empty()) {
    instr_.list = static_cast<std::uint32_t>(code_.lists.size());
    instr_.list_count = static_cast<std::uint16_t>(list_.size());
    for (Ref& ref : refs_) {
      if (ref.place == Ref::Place::list) ref.index += instr_.list;
    }
    code_.lists.insert(code_.lists.end(), list_.begin(), list_.end());
  }
  if (flow == Flow::branch) branches_.push_back(static_cast<std::uint32_t>(code_.instrs.size()));
  if (source_->root == "ret") {
    for (const Variable* v : function_.results) {
      if (v->reg != nullptr) refer({.reg = register_of(*v->reg, -1), .read = true});
    }
  }
  append(instr_, flow, refs_);
  for (const Move& move : after_) {
    refs_ = {{.reg = move.to, .place = Ref::Place::op, .write = true},
             {.reg = move.from, .index = 1, .place = Ref::Place::op, .read = true}};
    if (source_->guard != nullptr) refer(guard());
    append({.run = move.run, .flags = Instr::added}, Flow::next, refs_);
  }
  refs_.clear();
  list_.clear();
  after_.clear();
  address_seen_ = list_seen_ = false;
}

/// Parameters and results of a device function: registers, or places in its frame.
void Binder::parameters() {
  if (function_.entry) return;
  if (code_.local_bytes > 0) frame_base_ = added(moves::frame_base, {}, RegisterClass::wide).reg;
  const auto add = [&](const std::vector<const Variable*>& from, std::vector<CallValue>& to,
                       Ref::Place place) {
    for (const Variable* v : from) {
      CallValue value{.bytes = v->type == Type::pred ? 0 : static_cast<std::uint32_t>(v->bytes)};
      if (v->reg != nullptr) {
        // A parameter has its value when the function begins; a result is read by ret.
        const bool read = place == Ref::Place::parameter;
        refer({.reg = register_of(*v->reg, -1),
               .index = static_cast<std::uint32_t>(to.size()),
               .place = place,
               .read = read});
      } else {
        value.local = code_.local_at.at(v);
      }
      to.push_back(value);
    }
  };
  add(function_.parameters, code_.parameters, Ref::Place::parameter);
  add(function_.results, code_.results, Ref::Place::returned);
}

/// The target of bra, or the targets of brx.idx.
void Binder::label(const Operand& o) {
  const auto& targets = o.label->branch_targets;
  const bool table = source_->root == "brx";
  if (table == targets.empty() || o.label->prototype != nullptr || !o.label->call_targets.empty()) {
    refuse(o, table ? "is no .branchtargets label" : "is a declaration's label; expected a place");
  }
  if (!table) {
    instr_.imm = o.label->target;
    return;
  }
  constexpr std::size_t most = 0xFFFF, most_of_function = std::size_t{1} << 20;
  if (targets.size() > most || code_.targets.size() > most_of_function) {
    refuse(o, fmt::format("has too many targets; at most {} are possible, {} in a function", most,
                          most_of_function));
  }
  instr_.list = static_cast<std::uint32_t>(code_.targets.size());
  instr_.list_count = static_cast<std::uint16_t>(targets.size());
  for (const Label* target : targets) code_.targets.push_back(target->target);
}

/// A function whose text ends without a jump returns there.
void Binder::end_of_function() {
  const auto size = static_cast<std::uint32_t>(function_.body.size());
  first_of_.push_back(static_cast<std::uint32_t>(code_.instrs.size()));
  const bool reached = std::any_of(function_.labels.begin(), function_.labels.end(),
                                   [&](const Label& l) { return l.target == size; });
  const bool jumps = size != 0 && function_.body.back().guard == nullptr &&
                     flow_of(function_.body.back().root) != Flow::next;
  if (jumps && !reached) return;
  static const Candidates forms = find_forms("ret", {});
  const Candidate& ret = forms.all.at(0);
  Instruction added;
  added.root = "ret";
  source_ = &added;
  instr_ = {.run = ret.run, .flags = Instr::added, .form = ret.form};
  instr_.flags |= ret.choice.form->flags;
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

// Calls: what is passed, and to whom.
#include <fmt/format.h>

#include "emulator/decode/bind.h"
#include "emulator/decode/error.h"

namespace triptych::emulator {

using Is = Operand::Kind;

const Function& Binder::callee(const Operand& o, const Operand* table, CallSite& site) {
  if (o.kind == Is::function) {
    const Function& target = *target_of(o.function);
    if (target.entry) refuse(o, "is an entry, which only a launch can start");
    if (!target.defined && !is_builtin(target.name))
      refuse(o, "is declared but not defined in this module");
    site.callee = context_.places.at(&target).code;
    return target;
  }
  if (o.kind != Is::reg || is_float(o.type) || bits_of(o.type) != 64) {
    refuse(o, "is no function; expected a function's name or a 64-bit register with its address");
  }
  refer(Ref::Place::op, 0, {.reg = register_of(*o.reg, o.component)});
  if (table != nullptr && table->label != nullptr) {
    if (table->label->prototype != nullptr) return *table->label->prototype;
    if (!table->label->call_targets.empty()) return *table->label->call_targets[0];
  }
  refuse(o,
         "holds a function's address: expected a .callprototype or .calltargets label after the "
         "arguments");
}

CallValue Binder::passed(const Operand& o, const Variable& formal, Ref::Place place,
                         std::size_t index) {
  const bool result = place == Ref::Place::result;
  const auto bytes = formal.type == Type::pred ? 0u : static_cast<std::uint32_t>(formal.bytes);
  if (o.kind == Is::variable) {
    const auto at = code_.local_at.find(o.variable);
    if (at == code_.local_at.end() || o.variable->space != Space::param)
      refuse(o, "is not in .param and cannot be passed");
    if (o.variable->bytes != formal.bytes) {
      refuse(o, fmt::format("has {} bytes, but the function's '{}' has {}", o.variable->bytes,
                            formal.name, formal.bytes));
    }
    return {.local = at->second, .bytes = bytes};
  }
  const Expected scalar{.read = !result, .write = result, .type = formal.type};
  Ref ref{.index = static_cast<std::uint32_t>(index), .call = instr_.list, .place = place};
  if (result && o.kind == Is::sink) {
    if (bytes > 16) refuse(o, "cannot take an array; expected a .param variable");
    ref.reg = fresh(class_of(formal.type));
    ref.write = ref.whole = true;
    refer(ref);
  } else if (result) {
    destination(scalar, o, place, index);
    refs_.back().call = ref.call;
  } else {
    const Source from = source(scalar, o);
    if (from.reg == no_register) return {.slot = from.slot, .bytes = bytes};
    ref.reg = from.reg;
    ref.read = true;
    ref.negated = from.negated;
    refer(ref);
  }
  return {.bytes = bytes};
}

void Binder::pass(const Operand* list, const std::vector<const Variable*>& formals,
                  Ref::Place place, const char* what) {
  const std::size_t given = list == nullptr ? 0 : list->parts.size();
  if (given != formals.size()) {
    fail(context_.module, list == nullptr ? source_->at : list->at,
         fmt::format("'{}': {} {} given; expected {}", source_->opcode, given, what,
                     formals.size()));
  }
  for (std::size_t i = 0; i < given; ++i) {
    const CallValue value = passed(list->parts[i], *formals[i], place, i);
    CallSite& site = code_.calls.back();
    (place == Ref::Place::result ? site.results : site.arguments).push_back(value);
  }
}

void Binder::call(const std::vector<Operand>& operands) {
  const Operand *results = nullptr, *function = nullptr, *arguments = nullptr, *table = nullptr;
  for (const Operand& o : operands) {
    if (o.kind == Is::list) {
      (function == nullptr ? results : arguments) = &o;
    } else if (o.kind == Is::label) {
      table = &o;
    } else {
      function = &o;
    }
  }
  CallSite site;
  const Function& formals = callee(*function, table, site);
  instr_.list = static_cast<std::uint32_t>(code_.calls.size());
  code_.calls.push_back(site);
  pass(results, formals.results, Ref::Place::result, "results");
  pass(arguments, formals.parameters, Ref::Place::argument, "arguments");
}

}  // namespace triptych::emulator

#include "emulator/decode/layout.h"

#include <algorithm>
#include <set>
#include <string>
#include <tuple>

#include "emulator/decode/error.h"
#include "emulator/machine/machine.h"

namespace triptych::emulator {
namespace {

/// Static shared memory of a CTA, and local memory of a thread: ptxas allows no more.
constexpr std::uint64_t most_shared = 48 << 10;
/// Parameters of an entry from PTX ISA 8.1 on.
constexpr std::uint64_t most_parameters = 32764;
/// Dynamic shared memory begins at a multiple of this at least.
constexpr std::uint32_t dynamic_align = 16;

constexpr std::uint64_t align_up(std::uint64_t value, std::uint64_t align) {
  return (value + align - 1) / align * align;
}

/// Calls visit(operand) for an operand and all its parts.
template <class F>
void each_part(const Operand& operand, const F& visit) {
  visit(operand);
  for (const Operand& part : operand.parts) each_part(part, visit);
}

bool is_called(const Instruction& i, const Operand& operand) {
  return i.root == "call" && operand.kind == Operand::Kind::function;
}

bool declared_before(const Variable* a, const Variable* b) {
  return std::tie(a->at.line, a->at.column, a->name) < std::tie(b->at.line, b->at.column, b->name);
}

/// Puts a variable at the end of a region.
std::uint32_t append(const Module& module, const Variable& v, std::uint64_t& end,
                     std::uint64_t most, const char* what) {
  const std::uint64_t at = align_up(end, std::max(1u, v.align));
  if (v.bytes > most || at + v.bytes > most) {
    fail(module, v.at,
         "'" + std::string(v.name) + "' makes " + std::to_string(at + v.bytes) + " bytes of " +
             what + "; at most " + std::to_string(most) + " are possible");
  }
  end = at + v.bytes;
  return static_cast<std::uint32_t>(at);
}

}  // namespace

SharedLayout::SharedLayout(const Module& module, const FunctionPlaces& places) {
  scan(module);
  for (const Function& f : module.functions) {
    if (!f.entry) continue;
    for (const Function* inside : reached(f)) {
      auto& entries = uses_[inside].entries;
      if (entries.size() < 2) entries.push_back(&f);
    }
  }
  lay_out(module, places);
}

void SharedLayout::scan(const Module& module) {
  std::set<const Function*> addressed;
  for (const Function& f : module.functions) {
    Use& use = uses_[&f];
    for (const Instruction& i : f.body) {
      if (i.root == "call") {
        use.indirect =
            use.indirect || std::none_of(i.operands.begin(), i.operands.end(),
                                         [&](const Operand& o) { return is_called(i, o); });
      }
      for (const Operand& operand : i.operands) {
        each_part(operand, [&](const Operand& o) {
          if (o.kind == Operand::Kind::variable && o.variable->space == Space::shared) {
            use.variables.push_back(o.variable);
          } else if (o.kind == Operand::Kind::function) {
            if (is_called(i, o)) {
              use.callees.push_back(target_of(o.function));
            } else {
              addressed.insert(target_of(o.function));
            }
          }
        });
      }
    }
    std::sort(use.variables.begin(), use.variables.end(), declared_before);
    use.variables.erase(std::unique(use.variables.begin(), use.variables.end()),
                        use.variables.end());
  }
  for (const Variable& v : module.variables) {
    for (const Relocation& r : v.relocations) {
      if (r.function != nullptr) addressed.insert(target_of(r.function));
    }
  }
  addressed_.assign(addressed.begin(), addressed.end());
}

std::vector<const Function*> SharedLayout::reached(const Function& entry) const {
  std::vector<const Function*> found{&entry};
  std::set<const Function*> known{&entry};
  const auto add = [&](const Function* f) {
    if (known.insert(f).second) found.push_back(f);
  };
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto use = uses_.find(found[i]);
    if (use == uses_.end()) continue;
    for (const Function* callee : use->second.callees) add(callee);
    if (!use->second.indirect) continue;
    for (const Function* callee : addressed_) add(callee);
  }
  return found;
}

void SharedLayout::lay_out(const Module& module, const FunctionPlaces& places) {
  std::uint64_t common_end = 0;  // offsets begin after what is reserved
  for (const Function& f : module.functions) {
    const Use& use = uses_[&f];
    if (f.entry || use.entries.size() == 1) continue;
    for (const Variable* v : use.variables) {
      if (v->unsized || common_.count(v) != 0) continue;
      common_[v] =
          shared_reserved + append(module, *v, common_end, most_shared, "static shared memory");
    }
  }
  for (const Function& f : module.functions) {
    if (!f.entry) continue;
    auto& own = of_entry_[&f];
    std::vector<const Variable*> wanted;
    for (const Function* inside : reached(f)) {
      const auto& variables = uses_[inside].variables;
      wanted.insert(wanted.end(), variables.begin(), variables.end());
    }
    const bool any_common = std::any_of(wanted.begin(), wanted.end(),
                                        [&](const Variable* v) { return common_.count(v) != 0; });
    std::uint64_t end = any_common ? common_end : 0;
    std::uint32_t align = 0;
    for (const Variable* v : wanted) {
      if (v->unsized) {
        align = std::max({align, dynamic_align, v->align});
      } else if (const auto at = common_.find(v); at != common_.end()) {
        own[v] = at->second;
      } else if (own.count(v) == 0) {
        own[v] = shared_reserved + append(module, *v, end, most_shared, "static shared memory");
      }
    }
    if (align != 0) end = align_up(end, align);
    for (const Variable* v : wanted) {
      if (v->unsized) own[v] = static_cast<std::uint32_t>(shared_reserved + end);
    }
    FunctionCode& code = *places.at(&f).code;
    code.static_shared_bytes = static_cast<std::uint32_t>(end);
    code.shared_at = own;
  }
}

std::optional<std::uint32_t> SharedLayout::address(const Function& user,
                                                   const Variable& variable) const {
  const Use& use = uses_.at(&user);
  if (variable.unsized && !user.entry) return std::nullopt;
  if (const auto at = common_.find(&variable); at != common_.end()) return at->second;
  return of_entry_.at(user.entry ? &user : use.entries.at(0)).at(&variable);
}

void lay_out_frame(const Module& module, const Function& function, FunctionCode& code) {
  std::uint64_t local = 0, parameters = 0;
  std::uint32_t align = 16;
  for (const auto* list : {&function.results, &function.parameters}) {
    for (const Variable* v : *list) {
      if (v->reg != nullptr) continue;
      if (function.entry) {
        code.parameter_at[v] = append(module, *v, parameters, most_parameters, "parameters");
      } else {
        code.local_at[v] = append(module, *v, local, most_local, "local memory");
        align = std::max(align, v->align);
      }
    }
  }
  for (const Variable& v : function.variables) {
    if ((v.space != Space::local && v.space != Space::param) || code.parameter_at.count(&v) != 0 ||
        code.local_at.count(&v) != 0) {
      continue;
    }
    code.local_at[&v] = append(module, v, local, most_local, "local memory");
    align = std::max(align, v.align);
  }
  code.parameter_bytes = static_cast<std::uint32_t>(parameters);
  code.local_align = align;
  code.local_bytes = static_cast<std::uint32_t>(align_up(local, align));
}

}  // namespace triptych::emulator

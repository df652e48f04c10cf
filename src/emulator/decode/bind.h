/// \file
/// Operands are bound to what the handlers expect, by the convention of instruction/form.h.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "emulator/decode/context.h"
#include "emulator/decode/lowered.h"
#include "emulator/decode/value.h"
#include "emulator/instruction/match.h"
#include "emulator/ptx/syntax.h"

namespace triptych::emulator {

/// Operands of an instruction by element of the form's signature; null: left out.
using Fitted = std::array<const Operand*, most_operands>;

/// Tells which operand stands for which element, by number and kind. False if it does not fit;
/// `reached` is then the first operand that does not, and `wanted` what stands there in the
/// signature.
bool fit(const std::vector<Expected>& signature, const std::vector<Operand>& operands,
         Fitted& fitted, std::size_t& reached, std::string& wanted);

/// "a register or constant of type .u32"
std::string describe(const Expected& expected);

/// How control goes on after an instruction.
Flow flow_of(std::string_view root);

/// Decodes one function up to the placement of its registers.
class Binder {
 public:
  Binder(Context& context, const Function& function, Lowered& lowered);
  void bind();

 private:
  /// Where a value is: a slot that is known already, or a virtual register.
  struct Source {
    Slot slot;
    std::uint32_t reg = no_register;
    bool negated = false;
    bool absent() const { return slot.absent() && reg == no_register; }
  };
  /// base + value; the base is absent where the address is a constant.
  struct Address {
    Source base;
    RegisterClass base_class = RegisterClass::wide;
    std::uint64_t value = 0;
  };
  struct Move {
    Run run;
    std::uint32_t to, from;
  };

  [[noreturn]] void refuse(const Operand& operand, const std::string& message) const;

  // bind.cpp: instructions
  void instruction(const Instruction& source);
  const Candidate& choose(const Instruction& source, Fitted& fitted);
  void check_version(const Form& form) const;
  Choice choice_of(const Candidate& candidate, const Fitted& fitted, Run& run) const;
  void element(const Expected& expected, const Operand* operand);

  // emit.cpp: the code
  void append(const Instr& instr, Flow flow, std::span<const Ref> refs);
  Source added(Run run, const Source& from, RegisterClass to, std::int64_t imm = 0,
               std::uint32_t extra = 0);
  Ref guard();
  void finish(Flow flow);
  void parameters();
  void label(const Operand& operand);
  void end_of_function();
  void resolve_branches();

  // operand.cpp: values
  std::uint32_t fresh(RegisterClass c);
  std::uint32_t register_of(const Register& reg, int component);
  std::uint32_t zero_predicate();
  std::uint32_t carry();
  void refer(Ref::Place place, std::size_t index, const Source& source);
  void refer(const Ref& ref) { refs_.push_back(ref); }
  void value(const Expected& expected, const Operand& operand, Ref::Place place, std::size_t index);
  void destination(const Expected& expected, const Operand& operand, Ref::Place place,
                   std::size_t index);
  void check_bare(const Expected& expected, const Operand& operand) const;
  Source source(const Expected& expected, const Operand& operand);
  Source special(const Expected& expected, const Operand& operand);
  Source predicate(const Operand& operand);
  Source resize(const Source& source, RegisterClass from, RegisterClass to);
  void vector(const Expected& expected, const Operand& operand);
  void pair(const Expected& expected, const Operand& operand);

  // address.cpp
  Address address_of(const Variable& variable);
  Source complete(const Address& address, RegisterClass to);
  Source frame_base();
  Address address(const Expected& expected, const Operand& operand);
  Address register_base(const Expected& expected, const Operand& operand, const Operand& base);
  void bind_address(const Expected& expected, const Operand& operand);

  // call.cpp
  void call(const std::vector<Operand>& operands);
  const Function& callee(const Operand& operand, const Operand* table, CallSite& site);
  void pass(const Operand* list, const std::vector<const Variable*>& formals, Ref::Place place,
            const char* what);
  CallValue passed(const Operand& operand, const Variable& formal, Ref::Place place,
                   std::size_t index);

  Context& context_;
  const Function& function_;
  Lowered& lowered_;
  FunctionCode& code_;
  Constants constants_;
  std::vector<std::uint32_t> first_of_;  // instruction of the source to instruction of the code
  std::vector<std::uint32_t> branches_;  // instructions whose imm is an instruction of the source
  std::uint32_t frame_base_ = no_register, zero_predicate_ = no_register, carry_ = no_register;

  // The instruction at hand.
  const Instruction* source_ = nullptr;
  Instr instr_;
  std::vector<Ref> refs_;
  std::vector<Slot> list_;
  std::vector<Move> after_;  // widening of its results
  bool address_seen_ = false, list_seen_ = false;
};

}  // namespace triptych::emulator

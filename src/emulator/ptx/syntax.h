/// \file
/// A PTX module as it was written: what the parser makes and the decoder reads. Names are resolved,
/// types are checked against declarations; no instruction is interpreted yet.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/ptx/type.h"

namespace triptych::emulator {

/// A place in the source that a reader can open: line markers (`# 12 "a.ptx"`) are followed.
struct Position {
  std::uint32_t file = 0;    ///< index in Module::files
  std::uint32_t line = 0;    ///< from 1
  std::uint32_t column = 0;  ///< from 1
};

struct Function;
struct Register;
struct Variable;
struct Label;

/// One operand of an instruction, or a part of one.
struct Operand {
  enum class Kind : std::uint8_t {
    none,
    reg,       ///< a register, `component` .x … .w of a vector register or -1
    special,   ///< a special register: `name` without its %, with its component: "tid.x"
    variable,  ///< a variable's address (or a param's, in a call)
    function,  ///< a function's address
    label,     ///< a branch's target, or a .branchtargets, .calltargets or .callprototype label
    integer,   ///< a constant; `bits` two's complement, `type` u64 or s64
    real,      ///< a constant; `bits` of an f64 (`type` f64), or of an f32 written as 0f…
    vector,    ///< { parts }
    address,   ///< [ parts[0] + offset ] or [ parts… ] with a tensor map and its coordinates
    pair,      ///< parts[0] | parts[1]
    list,      ///< ( parts ): the arguments or results of a call
    sink,      ///< _
  };
  Kind kind = Kind::none;
  Type type = Type::none;         ///< of a register, a constant or a variable
  bool negated = false;           ///< !p, or -r where the ISA allows it
  std::int8_t component = -1;     ///< of a vector register
  std::int64_t offset = 0;        ///< of an address, or added to a variable's own address
  std::uint64_t bits = 0;         ///< of a constant
  std::string_view name;          ///< as it was written
  std::string_view selector;      ///< of a video instruction's register: "b0", "h32"; "unified" of an address
  union {
    const Register* reg = nullptr;
    const Variable* variable;
    const Function* function;
    const Label* label;
  };
  std::vector<Operand> parts;
  Position at;
};

/// A register. Each declaration in each scope makes registers of its own, so shadowing is resolved.
struct Register {
  std::string_view name;
  Type type = Type::none;
  std::uint8_t width = 1;     ///< 2 or 4 for .v2, .v4
  std::uint32_t index = 0;    ///< in Function::registers
};

/// A value in an initialiser that is known when the module is loaded: an address, and what is added.
struct Relocation {
  std::uint64_t at = 0;             ///< byte in the initialiser
  int bytes = 8;                    ///< how many are filled
  int shift = 0;                    ///< of 0xFF00(x): the address is shifted right by so many bits
  bool generic = false;             ///< generic(x)
  const Variable* variable = nullptr;
  const Function* function = nullptr;
  std::int64_t addend = 0;
};

enum class Linkage : std::uint8_t { internal, visible, external, weak, common };

/// A variable in memory: global, constant, shared, local or param.
struct Variable {
  std::string_view name;
  Space space = Space::global;
  Type type = Type::none;
  std::uint8_t width = 1;                 ///< of .v2, .v4
  std::uint32_t align = 1;                ///< bytes
  std::uint64_t bytes = 0;                ///< 0 for an extern array without extent
  bool unsized = false;                   ///< `[]`: dynamic shared memory, or given elsewhere
  bool managed = false;                   ///< .attribute(.managed)
  Linkage linkage = Linkage::internal;
  std::vector<std::uint8_t> initial;      ///< may be shorter than `bytes`: the rest is zero
  std::vector<Relocation> relocations;
  const Function* owner = nullptr;        ///< the function it was declared in, if any
  const Register* reg = nullptr;          ///< a .reg parameter of a .func
  std::uint32_t ordinal = 0;              ///< of a parameter: its place in the list
  Position at;
};

struct Label {
  std::string_view name;
  std::uint32_t target = 0;                    ///< index in Function::body
  std::vector<const Label*> branch_targets;    ///< of a .branchtargets declaration
  std::vector<const Function*> call_targets;   ///< of a .calltargets declaration
  const Function* prototype = nullptr;         ///< of a .callprototype declaration
  Position at;
};

/// One instruction.
struct Instruction {
  const Register* guard = nullptr;            ///< @p
  bool guard_negated = false;                 ///< @!p
  std::string_view opcode;                    ///< whole, "add.rn.f32": interned within the module
  std::string_view root;                      ///< "add"
  std::vector<std::string_view> modifiers;    ///< "rn", "f32"; "shared::cta" is one
  std::vector<Operand> operands;
  Position at;
  std::uint16_t within_line = 0;              ///< which instruction of its line, from 0
};

/// Performance directives of a function; 0 or empty where not given.
struct Directives {
  std::array<std::uint32_t, 3> maxntid{}, reqntid{}, cluster{};
  std::uint32_t minnctapersm = 0, maxnctapersm = 0, maxnreg = 0, maxclusterrank = 0;
  bool explicit_cluster = false, blocks_are_clusters = false, noreturn = false;
  std::vector<std::string_view> pragmas;
};

/// An entry, a function, or a prototype of one.
struct Function {
  std::string_view name;
  bool entry = false;
  bool defined = false;
  Linkage linkage = Linkage::internal;
  std::vector<const Variable*> results, parameters;   ///< space param, or reg
  Directives directives;
  std::deque<Register> registers;
  std::deque<Variable> variables;                     ///< declared inside: local, shared, param, …
  std::deque<Label> labels;
  std::vector<Instruction> body;
  const Function* alias_of = nullptr;                 ///< .alias: calls go there
  Position at;
};

/// Debug line: instructions from `first` on come from this place of the high-level source.
struct Loc {
  const Function* function = nullptr;
  std::uint32_t first = 0;
  Position at;
};

/// A parsed module. It owns its text, into which all string_views point.
struct Module {
  std::string name;                  ///< the file's, for messages
  std::string text;
  std::deque<std::string> strings;   ///< interned opcodes and names that are not in `text`
  int version = 0;                   ///< 90 for .version 9.0
  int target = 0;                    ///< 90 for sm_90a
  bool target_a = false;             ///< the `a` of sm_90a
  int address_size = 64;
  std::vector<std::string> files;    ///< of positions; [0] is `name`
  std::deque<Variable> variables;    ///< at module scope
  std::deque<Function> functions;
  std::deque<Function> prototypes;   ///< of .callprototype
  std::vector<Loc> locs;

  Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
};

/// What is wrong, where, in one line: `a.ptx:3:17: 'foo' … expected …`.
struct SyntaxError {
  std::string file;
  Position at;
  std::string message;
  std::string str() const;
};

/// Parses a module's text. Either a module or the first error.
struct Parsed {
  std::unique_ptr<Module> module;
  std::optional<SyntaxError> error;
};
Parsed parse(std::string text, std::string name);

}  // namespace triptych::emulator

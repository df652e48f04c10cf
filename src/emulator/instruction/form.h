/// \file
/// The table of instructions: for each form its syntax, as the ISA prints it, its operands, and how
/// the function is chosen that executes it. The list in docs/ is generated from this table.
///
/// A pattern is the opcode with its modifiers in order:
///
///     add{.<R: rn rz rm rp>}{.ftz}{.sat}.f32
///
/// A `.word` must be there, `{.word}` may, `.<N: a b c>` is one of several and is remembered as N.
///
/// An operand list names each operand's role and type, in order, separated by commas. T stands for
/// a type's name or for a name from the pattern; "slots" says what the operand takes of Instr::op,
/// from left to right. What op has no room for is an error of the table, found by the tests.
///
///     written     operand                                                        slots
///     =T          destination: a register of type T, or _                        the row
///     T           source: a register or a constant                               the row
///     !T          source: a register, no constant                                the row
///     &T          source that may also be a special register, or the address of  the row
///                 a variable or function (mov, cvt, cvta, …); also &~T
///     +T          a register that is read and written                            the row
///     ~T  =~T     a register that may be wider than T (ld, st, cvt); the row has the row
///                 T's width, and of =~T the handler fills the whole lane:
///                 sign-extended for signed types, zero-extended for others
///     %T  =%T     an operand that may have a selector or be negated (video):     the row
///                 Choice::selectors, Choice::negated
///     #  =#       a register of any type                                         the row
///     =pred pred  predicates; a source may be negated or the constant 0 or 1     the predicate
///     =T|pred     destination with an optional second one, d|p or d              row, predicate
///     =pred|pred  likewise                                                       two predicates
///     V*T         vector { } of V elements, V a number or name of the pattern    in the list
///                 (v2, x4); also =V*T, +V*T, V*~T. A scalar, with or without
///                 braces, if V was left out or the number is 1
///     ?*T         vector of as many elements as Choice::vector_length says       in the list
///     [S]         address in space S, a space's name or one from the pattern;    base, see below
///                 generic where it was left out; [] is generic
///     [S,N]       tensor map and coordinates: [map, {c0, …}]; N a number or      base of the map;
///                 name of the pattern (1d … 5d)                                  in the list
///     imm         integer constant, see Choice::imm                              none
///     _           a sink and nothing else                                        none
///     label       of bra: Instr::imm is the target, an index in instrs. Of       none
///                 brx.idx: list, list_count are a range of FunctionCode::targets
///     function    of call: Instr::list is an index in FunctionCode::calls.       row of addresses,
///                 Through a register: the row holds addresses of functions       or absent
///     list        arguments and results of a call: in FunctionCode::calls        none
///     cc =cc      the carry flag, a predicate that no operand names              the predicate
///     x?          may be left out: its slots are absent, or it adds nothing to the list
///     x?.m        is there exactly if the opcode has the modifier .m
///
/// Where several forms fit an opcode, the first whose operands have the right number and kinds is
/// taken: mov.b64 with a scalar, with two halves and with four quarters are three forms.
///
/// Destinations. A sink is a row or predicate that nobody reads: handlers write without asking. A
/// destination never lies where a source of the same instruction lies, unless both are the same
/// register.
///
/// Lists. Warp::list(instr, i): the elements of all V*T, ?*T and [S,N] operands one after the other
/// in the order of the syntax; list_count is their number, at_list that of the first such operand.
///
/// Addresses. Addresses in shared memory are rows of 32 bits, all others (generic, global, const,
/// local, param) of 64: see wide(). A base is a row of that width, or absent, which stands for
/// zero: registers of the other width have been zero-extended or cut. Instr::imm is added to the
/// *first* address of the instruction: its displacement, and the variable's address where one was
/// named. Any further address is complete in its base. A global or const variable is at a device
/// address; a shared one at its offset in the CTA's shared memory; an entry's parameter at its
/// offset among the parameters. Local variables and the parameters of device functions lie in the
/// frame's local memory: the base holds the address in the thread's local memory, so handlers never
/// add Frame::local_base. A .param that is not an entry's is matched as .param::func, which is the
/// same as .local; an entry's as written (.param or .param::entry).
///
/// Sources. A constant is a row of 32 equal lanes, converted to T; a special register a row of the
/// bank `specials`, or if it changes with time, copied to a row by an instruction that the decoder
/// puts before. A variable's address as a source T is the one in its own space, as mov gives it.
///
/// Packed types (f16x2, e4m3x2, …) and fragments are rows of the register that holds them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "emulator/machine/instr.h"
#include "emulator/ptx/type.h"

namespace triptych::emulator {

struct Form;

/// What was chosen among a pattern's alternatives, for select().
class Choice {
 public:
  /// What stands for the name N of the pattern; empty if the element was left out.
  std::string_view operator[](std::string_view name) const;
  /// Whether the opcode has this modifier.
  bool has(std::string_view modifier) const;
  /// The type that stands for N (Type::none if it was left out).
  Type type(std::string_view name) const { return parse_type((*this)[name]); }

  std::uint32_t extra = 0;         ///< becomes Instr::extra
  int ticks = 1;                   ///< becomes Instr::ticks
  std::vector<int> vector_length;  ///< of the `?*T` operands in order
  /// The `imm` operands in order; one that was left out is not among them. select() checks them and
  /// puts what the handler needs into `extra`. Empty where no instruction is at hand
  /// (documentation, tests).
  std::vector<std::int64_t> imm;

  /// The selectors of the `%T` operands in order, "b0" or "h32"; empty where none was written.
  std::vector<std::string_view> selectors;
  std::uint32_t negated = 0;               ///< a bit for each of them, the first lowest

  // Filled by the matcher.
  const Form* form = nullptr;
  std::vector<std::pair<std::string_view, std::string_view>> named;  ///< name, word
  std::vector<std::string_view> words;                               ///< all modifiers
};

/// Returns the function that executes the chosen variant, or nullptr if the ISA does not allow this
/// combination of modifiers or an `imm` operand's value.
using Select = Run (*)(Choice& choice);

struct Form {
  const char* pattern;
  const char* operands;
  Select select;
  std::uint8_t flags = 0;     ///< Instr::Flag
  std::uint8_t version = 10;  ///< lowest PTX version ×10
  std::uint8_t target = 20;   ///< lowest sm_XX; an `a` target is needed if `needs_a`
  bool needs_a = false;
  const char* test = "";  ///< test program and suite that proves it: "integer"
};

/// The families. Each is a file of src/emulator/instruction, with a test of the same name.
std::span<const Form> integer_forms();   // add … bfi, carry chains, dot products, video
std::span<const Form> logic_forms();     // and, or, xor, shifts, lop3, prmt, set, setp, selp, slct
std::span<const Form> float_forms();     // f32 and f64 arithmetic, approximations, testp, copysign
std::span<const Form> half_forms();      // f16, bf16 and their pairs
std::span<const Form> convert_forms();   // cvt, FP8, cvta, isspacep, mov, packing
std::span<const Form> memory_forms();    // ld, st, prefetch, alloca, …
std::span<const Form> atomic_forms();    // atom, red, fences
std::span<const Form> warp_forms();      // shfl, vote, match, redux, elect, activemask
std::span<const Form> control_forms();   // bra, call, ret, exit, trap, bar, barrier, nanosleep
std::span<const Form> matrix_forms();    // ldmatrix, stmatrix, movmatrix, mma, wmma
std::span<const Form> async_forms();     // cp.async, bulk copies, tensor maps
std::span<const Form> mbarrier_forms();  // mbarrier, clusters, mapa, setmaxnreg, …
std::span<const Form> wgmma_forms();     // wgmma

/// Whether the width of addresses in this space is 64 bits.
constexpr bool wide(Space space) { return space != Space::shared; }

/// Functions of the system that a module may declare and call without a body: vprintf,
/// __assertfail, …. The handler of call knows them by FunctionCode::source->name. In control.cpp.
bool is_builtin(std::string_view function);

/// All of them, in this order; Instr::form is an index of it.
const std::vector<const Form*>& all_forms();

/// Finds the form of an opcode such as "add.rn.f32" and its choice; nullptr form if there is none.
Choice match_form(std::string_view root, std::span<const std::string_view> modifiers);

}  // namespace triptych::emulator

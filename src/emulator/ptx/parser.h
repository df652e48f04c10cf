/// \file
/// The parser: recursive descent with one token of lookahead. Its member functions are spread by
/// idea:
///
///     parser.cpp       tokens, and what all others use
///     names.cpp        what names stand for
///     module.cpp       .version, .target, and what stands outside functions
///     debug.cpp        .file, .loc and .section
///     declaration.cpp  registers and variables
///     initializer.cpp  what variables hold at first
///     function.cpp     .entry and .func, their parameters and prototypes
///     directive.cpp    .maxntid, .pragma and the like
///     statement.cpp    bodies: blocks, instructions
///     label.cpp        labels, and tables of them
///     operand.cpp      operands
///     expression.cpp   constant expressions
///
/// What ptxas refuses is refused; where the ISA's text leaves room, what ptxas 13 does was taken.
#pragma once

#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "emulator/ptx/constant.h"
#include "emulator/ptx/lexer.h"
#include "emulator/ptx/scope.h"
#include "emulator/ptx/syntax.h"

namespace triptych::emulator {

class Parser {
 public:
  explicit Parser(Module& module);
  /// Fills the module. Throws Failure.
  void run();

 private:
  // Tokens.
  void advance();
  Token take();  // the current token; the next one becomes current
  bool take_if(char c);
  bool take_if_directive(std::string_view name);
  void expect(char c, std::string_view where);
  Token expect_kind(Token::Kind kind, std::string_view what);
  Token expect_name(std::string_view what);
  std::uint64_t expect_number(std::string_view what, std::uint64_t least, std::uint64_t most);
  std::uint32_t expect_positive();
  std::uint32_t expect_alignment();
  [[noreturn]] void fail(const Position& at, std::string message) const;
  [[noreturn]] void unexpected(std::string_view expected) const;
  void require(const Token& token, int version, int target = 10) const;

  // Names.
  Symbol find(std::string_view name);
  Symbol find_in(Scope& scope, std::string_view name);
  Symbol make_member(Scope& scope, std::string_view name, const Family& family);
  void declare(const Token& name, const Symbol& symbol);
  void declare_family(const Token& name, const Head& head, std::uint32_t count);
  const Register* make_register(std::string_view name, const Head& head);
  std::string_view intern(std::string text) {
    return module_.strings.emplace_back(std::move(text));
  }
  [[noreturn]] void undefined(std::string_view name, const Position& at) const;

  // The module.
  void header();
  void version();
  void target();
  void address_size();
  void outside();
  void alias();
  Linkage linkage();

  // For debuggers.
  void file();
  void loc();
  void section();
  void section_data();
  void resolve_locs();

  // Declarations.
  void declaration(Linkage linkage);
  Head head(Space space);
  void attribute(Head& head);
  Type type(const Head& head);
  void register_declaration(const Head& head);
  void variable_declaration(const Head& head);
  void one_variable(const Token& name, const Head& head);
  Variable make_variable(const Token& name, const Head& head) const;
  std::vector<std::uint64_t> extents(Variable& variable, std::size_t most);
  bool redeclare(const Token& name, const Variable& made);
  void check_linkage(const Token& name, const Variable& variable, bool initialised) const;

  // Initialisers.
  struct Shape {
    std::vector<std::uint64_t> extents;  // outermost first; a vector's width is the last
    std::vector<std::uint64_t> strides;  // bytes
  };
  void initializer(Variable& variable, std::vector<std::uint64_t> extents);
  std::uint64_t initial_list(Variable& variable, const Shape& shape, std::size_t level,
                             std::uint64_t at);
  void initial_value(Variable& variable, std::uint64_t at);
  void initial_address(Variable& variable, std::uint64_t at);
  int mask(const Variable& variable);
  void store(Variable& variable, std::uint64_t at, std::uint64_t bits, int bytes);

  // Functions.
  void function(Linkage linkage);
  Function* introduce(Function& made, const Token& name);
  std::string difference(const Function& old, const Function& made) const;
  std::vector<const Variable*> parameters(bool result);
  const Variable* parameter(bool result);
  void pointer_attribute();
  void check_parameter(const Token& name, const Variable& made, bool result) const;
  void check_parameters(const Function& made) const;

  // Directives of functions.
  bool directives(Directives& directives, bool entry);
  bool entry_directive(Directives& directives);
  bool func_directive(Directives& directives);
  void check_directives(const Token& first, const Directives& directives) const;
  void extent(std::array<std::uint32_t, 3>& to);
  void pragmas(std::vector<std::string_view>& to);
  void module_pragmas();

  // Bodies.
  void body();
  void statement();
  void open_block();
  void close_block();
  void instruction(const Token* guard, bool negated);
  void guard(Instruction& instruction, const Token& name, bool negated);
  void opcode(Instruction& instruction, const Token& root);
  void number_within_line(Instruction& instruction) const;

  // Labels.
  void label(const Token& name);
  void branch_targets(Label& label);
  void call_targets(Label& label);
  void call_prototype(Label& label);
  void resolve_labels(Scope& scope);

  // Operands.
  void operands(Instruction& instruction);
  void call_operands(Instruction& instruction);
  void check_call(const Instruction& instruction) const;
  Operand operand(const Instruction& instruction);
  Operand branch_target();
  Operand named(const Instruction& instruction);
  Operand negated(const Instruction& instruction);
  Operand register_operand(const Token& name, const Register* reg);
  Operand special(const Token& name, const SpecialRegister& what);
  Operand indexed(Operand variable, bool as_address);
  Operand pair(Operand first);
  Operand vector();
  Operand element();
  Operand list();
  Operand address();
  Operand address_part();
  Operand constant_operand();
  Operand sink();
  std::int64_t displacement();

  // Constant expressions.
  Constant expression();
  Constant binary_expression(int least);
  Constant unary_expression();
  Constant primary_expression();
  std::int64_t integer_expression(std::string_view what);
  [[noreturn]] void undefined_operator(const Token& op, Constant left, Constant right) const;
  static bool is_warp_size(const Token& token);
  bool at_name() const { return token_.kind == Token::Kind::identifier && !is_warp_size(token_); }

  // Counts how deeply the input nests, so that the stack stays small.
  class Nest {
   public:
    explicit Nest(Parser& parser);
    ~Nest() { --parser_.depth_; }

   private:
    Parser& parser_;
  };

  struct Opcode {
    std::string_view text, root;
    std::vector<std::string_view> modifiers;
  };

  Module& module_;
  Lexer lexer_;
  Token token_;                   // the current one
  const char* taken_ = nullptr;   // the end of the one before
  Function* function_ = nullptr;  // whose parameters or body are being read
  std::vector<Scope> scopes_;     // the module's first
  std::unordered_map<std::string_view, Opcode> opcodes_;
  std::unordered_map<std::uint32_t, std::uint32_t> debug_files_;  // number in .file → Module::files
  std::vector<std::string_view> modifiers_;                       // of the instruction at hand
  std::vector<Operand> operands_;
  std::uint64_t initialised_ = 0;  // bytes of all initialisers
  int depth_ = 0;
  bool debug_target_ = false, has_section_ = false;
};

}  // namespace triptych::emulator

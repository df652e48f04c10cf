/// \file
/// The parser: recursive descent with one token of lookahead. Its member functions are spread by idea:
///
///     parser.cpp       tokens, names, and what all others use
///     module.cpp       .version, .target, and what stands outside functions
///     declaration.cpp  registers and variables
///     initializer.cpp  what variables hold at first
///     function.cpp     .entry and .func with their parameters and directives
///     statement.cpp    bodies: blocks, labels, instructions
///     operand.cpp      operands
///     expression.cpp   constant expressions
#pragma once

#include <fmt/format.h>

#include <span>
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
  Token take();                            // the current token; the next one becomes current
  bool take_if(char c);
  bool take_if_directive(std::string_view name);
  void expect(char c, std::string_view where);
  Token expect_kind(Token::Kind kind, std::string_view what);
  Token expect_name(std::string_view what);
  std::uint64_t expect_number(std::string_view what, std::uint64_t least, std::uint64_t most);
  [[noreturn]] void fail(const Position& at, std::string message) const;
  [[noreturn]] void unexpected(std::string_view expected) const;
  void require(const Token& token, int version, int target);
  std::string_view intern(std::string text);

  // Names.
  Symbol find(std::string_view name);
  Symbol find_here(std::string_view name);
  Symbol make_member(Scope& scope, std::string_view name, const Family& family);
  void declare(const Token& name, Symbol symbol);
  const Register* make_register(std::string_view name, const Head& head);
  Variable* make_variable(const Token& name, const Head& head);
  [[noreturn]] void undefined(std::string_view name, const Position& at) const;

  // The module.
  void header();
  void target();
  void outside();
  void file();
  void section();
  void alias();
  void resolve_locs();

  // Declarations.
  void declaration(Head head);
  Head head(Head head);
  bool head_part(Head& head);
  void attribute(Head& head);
  void register_declaration(const Head& head);
  void variable_declaration(const Head& head);
  void family(const Token& name, const Head& head);
  std::vector<std::uint64_t> extents(Variable& variable);
  void size(Variable& variable, const Token& name, const std::vector<std::uint64_t>& extents);
  Linkage linkage();

  // Initialisers.
  struct Shape {
    std::vector<std::uint64_t> extents;   // innermost last
    std::vector<std::uint64_t> strides;   // bytes
  };
  void initializer(Variable& variable, const std::vector<std::uint64_t>& extents);
  std::uint64_t initial_list(Variable& variable, const Shape& shape, std::size_t level, std::uint64_t at);
  void initial_value(Variable& variable, std::uint64_t at);
  bool initial_address(Variable& variable, std::uint64_t at);
  void store(Variable& variable, std::uint64_t at, std::uint64_t bits, int bytes);

  // Functions.
  void function(Linkage linkage);
  std::vector<const Variable*> parameters(bool of_call);
  Variable* parameter();
  void directives(Directives& directives, bool entry);
  bool directive(Directives& directives, bool entry);
  void extent(std::array<std::uint32_t, 3>& to);
  void pragmas(Directives& directives);
  void define(Function& function);

  // Bodies.
  void body();
  void statement();
  void local_directive(const Token& token);
  void loc();
  void open_block();
  void close_block();
  void label(const Token& name);
  void table(Label& label);
  void call_prototype(Label& label);
  void instruction(const Token* guard, bool negated);
  void opcode(Instruction& instruction, const Token& root);
  void resolve_labels(Scope& scope);

  // Operands.
  void operands(Instruction& instruction);
  Operand operand();
  Operand simple_operand();
  Operand named_operand();
  Operand register_operand(const Token& name, const Register* reg);
  Operand list(Operand::Kind kind, char close);
  Operand address();
  Operand constant_operand();
  std::int64_t displacement();

  // Constant expressions.
  Constant expression();
  Constant binary_expression(int least);
  Constant unary_expression();
  Constant primary_expression();
  std::int64_t integer_expression(std::string_view what);
  bool begins_expression() const;

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
  Token token_;                            // the current one
  Function* function_ = nullptr;           // whose parameters or body are being read
  std::vector<Scope> scopes_;
  std::unordered_map<std::string_view, Opcode> opcodes_;
  std::unordered_map<std::uint32_t, std::uint32_t> debug_files_;   // number in .file → Module::files
  std::uint64_t initialised_ = 0;          // bytes of all initialisers
  int depth_ = 0;
};

/// The input's text for a message: shortened, and printable.
std::string quoted(std::string_view text);

}  // namespace triptych::emulator

/// \file
/// Splits PTX text into tokens, and knows where in which file each of them stands.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "emulator/ptx/syntax.h"

namespace triptych::emulator {

/// Thrown inside the front end; parse() makes a SyntaxError of it.
struct Failure {
  Position at;
  std::string message;
};

struct Token {
  enum class Kind : std::uint8_t {
    end,
    identifier,  ///< add, %r1, $L_1, _
    directive,   ///< .reg, .shared::cta, .1d; `text` has no dot
    integer,
    real,
    string,  ///< `text` has no quotes
    symbol,
  };
  Kind kind = Kind::end;
  Type type = Type::none;    ///< of a number: s64, u64, f64; f32 for 0f…
  std::uint16_t symbol = 0;  ///< one character, or two: pair_of('<', '<')
  std::uint64_t bits = 0;    ///< of a number; of 0f… those of an f32
  std::string_view text;
  Position at;

  bool is(char c) const { return symbol == static_cast<std::uint8_t>(c); }
  bool is_directive(std::string_view name) const { return kind == Kind::directive && text == name; }
};

constexpr std::uint16_t pair_of(char a, char b) {
  return static_cast<std::uint16_t>(static_cast<std::uint8_t>(a) | static_cast<std::uint8_t>(b)
                                                                       << 8);
}

/// The input's text for a message: in quotes, shortened, and printable.
std::string quoted(std::string_view text);
std::string quoted(const Token& token);  ///< a directive with its dot

class Lexer {
 public:
  /// `files` grows with the names of line markers (`# 12 "a.ptx"`); [0] is the text's own.
  Lexer(std::string_view text, std::vector<std::string>& files);
  /// The next token; `end` for ever at the end. Throws Failure.
  Token next();
  /// The first character that is no blank and not yet part of a token.
  char ahead();

 private:
  void skip_blanks();
  void skip_line_comment();
  void skip_comment();
  void check_character();
  void line_marker();
  void enter_file(std::string_view name);
  void word(Token& token);
  void string(Token& token);
  void number(Token& token);
  void hexadecimal_float(Token& token, std::size_t digits);
  void real(Token& token);
  void integer(Token& token);
  void symbol(Token& token);
  bool begins_fraction() const;
  void new_line();
  Position here() const;
  char peek(std::size_t n = 0) const {
    return n < static_cast<std::size_t>(end_ - at_) ? at_[n] : '\0';
  }
  std::string_view since(const char* begin) const {
    return {begin, static_cast<std::size_t>(at_ - begin)};
  }

  const char* at_;
  const char* end_;
  const char* line_begin_;
  std::uint32_t file_ = 0, line_ = 1;
  std::vector<std::string>& files_;
  std::unordered_map<std::string, std::uint32_t> known_files_;
};

}  // namespace triptych::emulator

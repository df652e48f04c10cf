#include "emulator/ptx/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>

namespace triptych::emulator {
namespace {

enum Class : std::uint8_t { letter = 1, digit = 2, hexadecimal = 4, first = 8, blank = 16 };

// What each byte may be part of: letters and digits continue a word, `first` begins one.
constexpr std::array<std::uint8_t, 256> classes = [] {
  std::array<std::uint8_t, 256> table{};
  for (int c = 'a'; c <= 'z'; ++c) table[c] = table[c - 32] = letter | first;
  for (int c = '0'; c <= '9'; ++c) table[c] = digit | hexadecimal;
  for (int c = 'a'; c <= 'f'; ++c) table[c] = table[c - 32] = letter | first | hexadecimal;
  table['_'] = table['$'] = letter | first;
  table['%'] = first;
  table[' '] = table['\t'] = table['\r'] = table['\f'] = blank;
  return table;
}();

bool is(char c, std::uint8_t wanted) {
  return (classes[static_cast<std::uint8_t>(c)] & wanted) != 0;
}
bool is_word(char c) { return is(c, letter | digit); }

}  // namespace

std::string quoted(std::string_view text) {
  constexpr std::size_t longest = 60;
  std::string shown = "'";
  for (const char c : text.substr(0, longest)) shown += c >= ' ' && c < 0x7F ? c : '?';
  return shown + (text.size() > longest ? "…'" : "'");
}

std::string quoted(const Token& token) {
  std::string shown = quoted(token.text);
  if (token.kind == Token::Kind::directive) shown.insert(1, 1, '.');
  return shown;
}

Lexer::Lexer(std::string_view text, std::vector<std::string>& files)
    : at_(text.data()),
      end_(at_ + text.size()),
      line_begin_(at_),
      files_(files),
      known_files_{{files[0], 0}} {}

Position Lexer::here() const {
  return {file_, line_, static_cast<std::uint32_t>(at_ - line_begin_) + 1};
}

// at_ stands behind a newline.
void Lexer::new_line() {
  line_begin_ = at_;
  ++line_;
}

// Comments and strings too are ASCII.
void Lexer::check_character() {
  const auto c = static_cast<std::uint8_t>(*at_);
  if (c == 0 || c >= 0x80) {
    throw Failure{here(), fmt::format("byte 0x{:02x} is not ASCII text; PTX is, comments too", c)};
  }
}

void Lexer::skip_line_comment() {
  for (; at_ < end_ && *at_ != '\n'; ++at_) check_character();
}

void Lexer::skip_comment() {
  const Position begin = here();
  for (at_ += 2; at_ < end_;) {
    if (*at_ == '*' && peek(1) == '/') {
      at_ += 2;
      return;
    }
    check_character();
    if (*at_++ == '\n') new_line();
  }
  throw Failure{begin, "'/*' begins a comment that never ends; expected '*/'"};
}

// `# 12 "a.ptx" 1 3`: the next line is line 12 of that file. The numbers behind do not matter.
void Lexer::line_marker() {
  const Position begin = here();
  const char* const line_end = std::find(at_, end_, '\n');
  const auto skip = [&](std::uint8_t wanted) {
    while (at_ < line_end && is(*at_, wanted)) ++at_;
  };
  ++at_;
  skip(blank);
  if (std::string_view(at_, static_cast<std::size_t>(line_end - at_)).starts_with("line")) at_ += 4;
  skip(blank);
  std::uint32_t line = 0;
  const auto [number_end, error] = std::from_chars(at_, line_end, line);
  at_ = number_end;
  skip(blank);
  const char* const name = at_ + 1;
  const char* const quote =
      at_ < line_end && *at_ == '"' ? std::find(name, line_end, '"') : line_end;
  at_ = quote < line_end ? quote + 1 : line_end;
  skip(blank | digit);
  if (error != std::errc() || quote == line_end || at_ != line_end) {
    throw Failure{begin,
                  "'#' begins no line marker; expected one as in # 12 \"a.ptx\" (other lines of a "
                  "preprocessor must be gone before)"};
  }
  enter_file({name, static_cast<std::size_t>(quote - name)});
  line_ = line - 1;  // the newline behind the marker counts
}

void Lexer::enter_file(std::string_view name) {
  const auto [known, is_new] =
      known_files_.try_emplace(std::string(name), static_cast<std::uint32_t>(files_.size()));
  if (is_new) files_.emplace_back(name);
  file_ = known->second;
}

void Lexer::skip_blanks() {
  while (at_ < end_) {
    const char c = *at_;
    if (c == '\n') {
      ++at_;
      new_line();
    } else if (is(c, blank)) {
      ++at_;
    } else if (c == '/' && peek(1) == '/') {
      skip_line_comment();
    } else if (c == '/' && peek(1) == '*') {
      skip_comment();
    } else if (c == '#') {
      line_marker();
    } else {
      return;
    }
  }
}

char Lexer::ahead() {
  skip_blanks();
  return peek();
}

Token Lexer::next() {
  skip_blanks();
  Token token;
  token.at = here();
  if (at_ == end_) return token;
  const char* const begin = at_;
  const char c = *at_;
  const char d = peek(1);
  if (is(c, digit) || (c == '.' && begins_fraction())) {
    number(token);
  } else if (is(c, first) && (is_word(d) || (c != '%' && c != '$'))) {
    token.kind = Token::Kind::identifier;
    ++at_;
    while (at_ < end_ && is_word(*at_)) ++at_;
  } else if (c == '.' && is_word(d)) {
    word(token);
    return token;
  } else if (c == '"') {
    string(token);
    return token;
  } else {
    symbol(token);
  }
  token.text = since(begin);
  return token;
}

void Lexer::word(Token& token) {
  token.kind = Token::Kind::directive;
  const char* const begin = ++at_;
  while (is_word(peek()) || (peek() == ':' && peek(1) == ':' && is_word(peek(2)))) {
    at_ += *at_ == ':' ? 2 : 1;
  }
  token.text = since(begin);
}

void Lexer::string(Token& token) {
  token.kind = Token::Kind::string;
  const char* const begin = ++at_;
  for (; at_ < end_ && *at_ != '"' && *at_ != '\n'; ++at_) check_character();
  token.text = since(begin);
  if (peek() != '"') throw Failure{token.at, "'\"' begins a string that does not end in its line"};
  ++at_;
}

void Lexer::symbol(Token& token) {
  token.kind = Token::Kind::symbol;
  check_character();
  const char c = *at_, d = peek(1);
  constexpr std::string_view singles = "(){}[]<>,;:+-*/%!~&|^=?@";
  if (singles.find(c) == std::string_view::npos) {
    throw Failure{token.at, c > ' ' && c < 0x7F
                                ? fmt::format("{} is not a part of PTX here", quoted({at_, 1}))
                                : fmt::format("byte 0x{:02x} is not a part of PTX here", c)};
  }
  const bool doubled = d == c && (c == '<' || c == '>' || c == '&' || c == '|' || c == '=');
  const bool compared = d == '=' && (c == '<' || c == '>' || c == '!');
  token.symbol = doubled || compared ? pair_of(c, d) : static_cast<std::uint8_t>(c);
  at_ += doubled || compared ? 2 : 1;
}

// .5 is a number, .1d a modifier.
bool Lexer::begins_fraction() const {
  std::size_t n = 1;
  while (is(peek(n), digit)) ++n;
  if (n == 1) return false;
  if (peek(n) == 'e' || peek(n) == 'E') {
    n += peek(n + 1) == '-' || peek(n + 1) == '+' ? 2 : 1;
    if (!is(peek(n), digit)) return false;
    while (is(peek(n), digit)) ++n;
  }
  return !is_word(peek(n));
}

void Lexer::number(Token& token) {
  const char mark = peek(1);
  if (peek() == '0' && (mark == 'f' || mark == 'F')) return hexadecimal_float(token, 8);
  if (peek() == '0' && (mark == 'd' || mark == 'D')) return hexadecimal_float(token, 16);
  std::size_t n = 0;
  while (is(peek(n), digit)) ++n;
  if (peek(n) == '.' || peek(n) == 'e' || peek(n) == 'E') return real(token);
  integer(token);
}

// 0f3F800000, 0d3FF0000000000000: the bits of a value.
void Lexer::hexadecimal_float(Token& token, std::size_t digits) {
  const char* const begin = at_;
  at_ += 2;
  while (is(peek(), hexadecimal)) ++at_;
  const std::string_view found = since(begin).substr(2);
  if (found.size() != digits || is_word(peek())) {
    throw Failure{token.at, fmt::format("{} has {} hexadecimal digits; expected {} after 0{}",
                                        quoted(since(begin)), found.size(), digits, begin[1])};
  }
  token.kind = Token::Kind::real;
  token.type = digits == 8 ? Type::f32 : Type::f64;
  std::from_chars(found.data(), at_, token.bits, 16);
}

void Lexer::real(Token& token) {
  const char* const begin = at_;
  double value = 0;
  const auto [stop, error] = std::from_chars(at_, end_, value);
  at_ = stop;
  if (error != std::errc() || is_word(peek()) || std::fpclassify(value) == FP_SUBNORMAL) {
    throw Failure{token.at, fmt::format("{} is not a floating-point number in f64's normal range",
                                        quoted(since(begin)))};
  }
  token.kind = Token::Kind::real;
  token.type = Type::f64;
  token.bits = std::bit_cast<std::uint64_t>(value);
}

void Lexer::integer(Token& token) {
  const char* const begin = at_;
  const char mark = peek(1);
  int base = 10;
  if (peek() == '0') base = mark == 'x' || mark == 'X' ? 16 : mark == 'b' || mark == 'B' ? 2 : 8;
  if (base == 16 || base == 2) at_ += 2;
  const char* const digits = at_;
  const auto [stop, error] = std::from_chars(digits, end_, token.bits, base);
  at_ = stop;
  const bool is_unsigned = peek() == 'U';
  if (is_unsigned) ++at_;
  if (stop == digits || is_word(peek())) {
    while (is_word(peek())) ++at_;
    throw Failure{token.at, fmt::format("{} is not a number; expected digits of base {}",
                                        quoted(since(begin)), base)};
  }
  if (error != std::errc()) {
    throw Failure{token.at, fmt::format("{} does not fit into 64 bits", quoted(since(begin)))};
  }
  token.kind = Token::Kind::integer;
  token.type = is_unsigned || token.bits >> 63 != 0 ? Type::u64 : Type::s64;
}

}  // namespace triptych::emulator

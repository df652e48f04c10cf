#include "emulator/ptx/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>

namespace triptych::emulator {
namespace {

enum Class : std::uint8_t { letter = 1, digit = 2, hex = 4, first = 8 };

// What each byte may be part of: letters and digits continue a word, `first` begins one.
constexpr std::array<std::uint8_t, 256> classes = [] {
  std::array<std::uint8_t, 256> table{};
  for (int c = 'a'; c <= 'z'; ++c) table[c] = table[c - 32] = letter | first;
  for (int c = '0'; c <= '9'; ++c) table[c] = digit | hex;
  for (int c = 'a'; c <= 'f'; ++c) table[c] = table[c - 32] = letter | first | hex;
  table['_'] = table['$'] = letter | first;
  table['%'] = first;
  return table;
}();

bool is(char c, std::uint8_t wanted) { return (classes[static_cast<std::uint8_t>(c)] & wanted) != 0; }
bool is_word(char c) { return is(c, letter | digit); }

}  // namespace

Lexer::Lexer(std::string_view text, std::vector<std::string>& files)
    : at_(text.data()), end_(at_ + text.size()), line_begin_(at_), files_(files) {}

char Lexer::peek(std::size_t ahead) const {
  return ahead < static_cast<std::size_t>(end_ - at_) ? at_[ahead] : '\0';
}

Position Lexer::here() const {
  return {file_, line_, static_cast<std::uint32_t>(at_ - line_begin_) + 1};
}

void Lexer::new_line(const char* first) {
  line_begin_ = first;
  ++line_;
  fresh_line_ = true;
}

void Lexer::skip_comment() {
  const Position begin = here();
  for (at_ += 2; at_ + 1 < end_; ++at_) {
    if (at_[0] == '*' && at_[1] == '/') {
      at_ += 2;
      return;
    }
    if (*at_ == '\n') new_line(at_ + 1);
  }
  throw Failure{begin, "'/*' begins a comment that never ends; expected '*/'"};
}

// `# 12 "a.ptx" 1 3`: the next line is line 12 of that file. The numbers after it do not matter.
void Lexer::line_marker() {
  const Position begin = here();
  const char* line_end = std::find(at_, end_, '\n');
  const char* p = at_ + 1;
  const auto blanks = [&] {
    while (p < line_end && (*p == ' ' || *p == '\t')) ++p;
  };
  blanks();
  if (std::string_view(p, static_cast<std::size_t>(line_end - p)).starts_with("line")) p += 4;
  blanks();
  std::uint32_t line = 0;
  const auto [number_end, error] = std::from_chars(p, line_end, line);
  if (error != std::errc()) {
    throw Failure{begin, "'#' without a line number; expected a line marker as in # 12 \"a.ptx\" "
                         "(preprocessor directives must be expanded before)"};
  }
  p = number_end;
  blanks();
  if (p < line_end && *p == '"') {
    const char* quote = std::find(p + 1, line_end, '"');
    const std::string_view name(p + 1, static_cast<std::size_t>(quote - p - 1));
    const auto known = std::find(files_.begin(), files_.end(), name);
    file_ = static_cast<std::uint32_t>(known - files_.begin());
    if (known == files_.end()) files_.emplace_back(name);
  }
  at_ = line_end;
  line_ = line - 1;  // the newline at its end counts
}

void Lexer::skip_blanks() {
  while (at_ < end_) {
    const char c = *at_;
    if (c == '\n') {
      new_line(++at_);
    } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v') {
      ++at_;
    } else if (c == '/' && peek(1) == '/') {
      at_ = std::find(at_, end_, '\n');
    } else if (c == '/' && peek(1) == '*') {
      skip_comment();
    } else if (c == '#' && fresh_line_) {
      line_marker();
    } else {
      return;
    }
  }
}

Token Lexer::next() {
  skip_blanks();
  Token token;
  token.at = here();
  if (at_ == end_) return token;
  fresh_line_ = false;
  const char* begin = at_;
  const char c = *at_;
  if (is(c, digit)) {
    number(token);
  } else if (is(c, first) && (c != '%' || is_word(peek(1)))) {
    token.kind = Token::Kind::identifier;
    ++at_;
    while (at_ < end_ && is_word(*at_)) ++at_;
  } else if (c == '.' && is_word(peek(1))) {
    token.kind = Token::Kind::directive;
    begin = ++at_;
    while (is_word(peek()) || (peek() == ':' && peek(1) == ':' && is_word(peek(2)))) {
      at_ += *at_ == ':' ? 2 : 1;
    }
  } else if (c == '"') {
    token.kind = Token::Kind::string;
    begin = ++at_;
    while (at_ < end_ && *at_ != '"' && *at_ != '\n') ++at_;
    if (peek() != '"') throw Failure{token.at, "'\"' begins a string that does not end in its line"};
    token.text = {begin, static_cast<std::size_t>(at_++ - begin)};
    return token;
  } else {
    symbol(token);
  }
  token.text = {begin, static_cast<std::size_t>(at_ - begin)};
  return token;
}

void Lexer::symbol(Token& token) {
  token.kind = Token::Kind::symbol;
  const char c = *at_++, d = peek();
  constexpr std::string_view pairs = "<< >> <= >= == != && || ";
  constexpr std::string_view singles = "(){}[]<>,;:+-*/%!~&|^=?@";
  for (std::size_t i = 0; i < pairs.size(); i += 3) {
    if (pairs[i] == c && pairs[i + 1] == d) {
      ++at_;
      token.symbol = pair_of(c, d);
      return;
    }
  }
  if (singles.find(c) == std::string_view::npos) {
    const bool printable = c > ' ' && c < 0x7F;
    throw Failure{token.at, printable ? fmt::format("'{}' is not part of PTX's alphabet here", c)
                                      : fmt::format("byte 0x{:02x} is not part of PTX's alphabet",
                                                    static_cast<std::uint8_t>(c))};
  }
  token.symbol = static_cast<std::uint8_t>(c);
}

void Lexer::number(Token& token) {
  const char mark = peek(1);
  if (peek() == '0' && (mark == 'f' || mark == 'F')) return hexadecimal_float(token, 8);
  if (peek() == '0' && (mark == 'd' || mark == 'D')) return hexadecimal_float(token, 16);
  std::size_t n = 0;
  while (is(peek(n), digit)) ++n;
  const bool exponent = (peek(n) == 'e' || peek(n) == 'E') && mark != 'x' && mark != 'X';
  if (peek(n) == '.' || exponent) return real(token);
  integer(token);
}

// 0f3F800000, 0d3FF0000000000000: the bits of a value.
void Lexer::hexadecimal_float(Token& token, std::size_t digits) {
  std::size_t n = 0;
  while (is(peek(2 + n), hex)) ++n;
  if (n != digits || is_word(peek(2 + n))) {
    throw Failure{token.at, fmt::format("'{}' has {} digits; expected {} hexadecimal digits after 0{}",
                                        std::string_view(at_, std::min<std::size_t>(n + 2, 40)), n,
                                        digits, at_[1])};
  }
  token.kind = Token::Kind::real;
  token.type = digits == 8 ? Type::f32 : Type::f64;
  std::from_chars(at_ + 2, at_ + 2 + digits, token.bits, 16);
  at_ += 2 + digits;
}

void Lexer::real(Token& token) {
  token.kind = Token::Kind::real;
  token.type = Type::f64;
  double value = 0;
  const auto [stop, error] = std::from_chars(at_, end_, value);
  if (error != std::errc() || is_word(stop < end_ ? *stop : ' ')) {
    throw Failure{token.at, fmt::format("'{}' is not a floating-point number of f64's range",
                                        std::string_view(at_, static_cast<std::size_t>(stop - at_)))};
  }
  token.bits = std::bit_cast<std::uint64_t>(value);
  at_ = stop;
}

void Lexer::integer(Token& token) {
  token.kind = Token::Kind::integer;
  const char* begin = at_;
  const char mark = peek(1);
  int base = 10;
  if (peek() == '0' && (mark == 'x' || mark == 'X')) base = 16;
  if (peek() == '0' && (mark == 'b' || mark == 'B')) base = 2;
  const char* digits = base == 10 ? at_ : at_ + 2;
  if (base == 10 && peek() == '0') base = 8;
  const auto [stop, error] = std::from_chars(digits, end_, token.bits, base);
  at_ = stop;
  const bool unsigned_suffix = peek() == 'U';
  if (unsigned_suffix) ++at_;
  const bool empty = stop == digits;
  if (empty || is_word(peek())) {
    while (is_word(peek())) ++at_;
    throw Failure{token.at, fmt::format("'{}' is not a number; expected digits of base {}",
                                        std::string_view(begin, static_cast<std::size_t>(at_ - begin)),
                                        base)};
  }
  if (error == std::errc::result_out_of_range) {
    throw Failure{token.at, fmt::format("'{}' does not fit into 64 bits",
                                        std::string_view(begin, static_cast<std::size_t>(at_ - begin)))};
  }
  token.type = unsigned_suffix || token.bits >> 63 != 0 ? Type::u64 : Type::s64;
}

}  // namespace triptych::emulator

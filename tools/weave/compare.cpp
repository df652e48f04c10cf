#include "compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>

namespace triptych::weave {
namespace {

/// Lines of a diff that are shown, of each side.
constexpr std::size_t shown_lines = 3;

/// A line without its numbers, and these.
struct Form {
  std::string text;  // a # for each number, one space for each run of spaces
  std::vector<double> numbers;
  Lines spelled;  // the numbers as they stand
};

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }
bool in_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
}

/// Characters of the number that begins at `at`; 0 if none does.
std::size_t number_length(const std::string& line, std::size_t at) {
  if (at > 0 && in_word(line[at - 1])) return 0;
  std::size_t i = at;
  const auto skip_digits = [&] {
    while (i < line.size() && is_digit(line[i])) ++i;
  };
  if (line[i] == '-' || line[i] == '+') ++i;
  const std::size_t first = i;
  skip_digits();
  if (i == first) return 0;
  if (i + 1 < line.size() && line[i] == '.' && is_digit(line[i + 1])) {
    ++i;
    skip_digits();
  }
  if (i < line.size() && (line[i] == 'e' || line[i] == 'E')) {
    const std::size_t mantissa = i++;
    if (i < line.size() && (line[i] == '-' || line[i] == '+')) ++i;
    const std::size_t exponent = i;
    skip_digits();
    if (i == exponent) i = mantissa;
  }
  return i - at;
}

Form form_of(const std::string& line) {
  Form form;
  for (std::size_t i = 0; i < line.size();) {
    if (const std::size_t length = number_length(line, i); length > 0) {
      form.spelled.push_back(line.substr(i, length));
      form.numbers.push_back(std::strtod(form.spelled.back().c_str(), nullptr));
      form.text += '#';
      i += length;
    } else {
      if (line[i] != ' ' || !form.text.ends_with(' ')) form.text += line[i];
      ++i;
    }
  }
  return form;
}

/// What to say of two lines that differ in more than a number: both, and those behind them.
Finding difference_at(std::size_t line, const Lines& have, const Lines& want,
                      const std::string& source) {
  std::string text = fmt::format("not what {} gives", source);
  const auto show = [&](const Lines& lines, char sign) {
    for (std::size_t i = line; i < std::min(lines.size(), line + shown_lines); ++i) {
      text += fmt::format("\n  {} {}", sign, lines[i]);
    }
  };
  show(have, '-');
  show(want, '+');
  return {line, text};
}

}  // namespace

std::optional<Finding> differs(const Lines& have, const Lines& want, const std::string& source) {
  if (have == want) return {};
  const auto first = std::mismatch(have.begin(), have.end(), want.begin(), want.end()).first;
  return difference_at(static_cast<std::size_t>(first - have.begin()), have, want, source);
}

std::optional<Finding> differs_beyond(double relative, const Lines& have, const Lines& want,
                                      const std::string& source) {
  const std::size_t count = std::min(have.size(), want.size());
  for (std::size_t line = 0; line < count; ++line) {
    const Form a = form_of(have[line]), b = form_of(want[line]);
    if (a.text != b.text) return difference_at(line, have, want, source);
    for (std::size_t i = 0; i < a.numbers.size(); ++i) {
      if (std::fabs(b.numbers[i] - a.numbers[i]) <= relative * std::fabs(a.numbers[i])) continue;
      return Finding{
          line, fmt::format("{} is {} here and {} from {}, more than {} apart\n  - {}\n  + {}",
                            "number " + std::to_string(i + 1), a.spelled[i], b.spelled[i], source,
                            relative, have[line], want[line])};
    }
  }
  if (have.size() != want.size()) return difference_at(count, have, want, source);
  return {};
}

}  // namespace triptych::weave

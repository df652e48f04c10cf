#include <algorithm>
#include <limits>

#include "emulator/ptx/parser.h"

namespace triptych::emulator {
namespace {
constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
}

// .file 1 "a.cu" [, time [, size]]
void Parser::file() {
  const Token index = token_;
  const auto number = static_cast<std::uint32_t>(expect_number("a file's number", 0, most));
  const Token name = expect_kind(Token::Kind::string, "a file's name in quotes");
  if (token_.is(',')) require(token_, 32);
  for (int i = 0; i < 2 && take_if(','); ++i)
    expect_kind(Token::Kind::integer, "a time, then a size");
  const auto file = static_cast<std::uint32_t>(module_.files.size());
  if (!debug_files_.try_emplace(number, file).second) {
    fail(index.at, fmt::format("file {} is declared already; expected another number", number));
  }
  module_.files.emplace_back(name.text);
}

// .loc 1 12 5 [, function_name label [+ 4], inlined_at 1 20 3]
void Parser::loc() {
  Loc made;
  made.function = function_;
  made.first = static_cast<std::uint32_t>(function_->body.size());
  made.at.file = static_cast<std::uint32_t>(expect_number("a file's number", 0, most));
  made.at.line = static_cast<std::uint32_t>(expect_number("a line", 0, most));
  made.at.column = static_cast<std::uint32_t>(expect_number("a column", 0, most));
  if (take_if(',')) {
    if (token_.text != "function_name") unexpected("function_name");
    advance();
    expect_name("a label in .debug_str");
    if (take_if('+')) expect_number("an offset", 0, most);
    expect(',', "before inlined_at");
    if (token_.text != "inlined_at") unexpected("inlined_at");
    advance();
    for (int i = 0; i < 3; ++i) expect_number("a file, a line and a column", 0, most);
  }
  module_.locs.push_back(made);
}

// .loc names files by the numbers of .file directives, which may come later, or not at all.
void Parser::resolve_locs() {
  std::erase_if(module_.locs, [&](Loc& loc) {
    const auto file = debug_files_.find(loc.at.file);
    if (file != debug_files_.end()) loc.at.file = file->second;
    return file == debug_files_.end();
  });
}

// .section .debug_info { .b8 1, 2  label:  .b64 label+4 … }: for debuggers of the hardware, so only
// its syntax matters.
void Parser::section() {
  require(take(), 20);
  has_section_ = true;
  expect_kind(Token::Kind::directive, "a section's name such as .debug_info");
  expect('{', "before the section's data");
  while (!take_if('}')) {
    if (token_.kind == Token::Kind::directive) {
      section_data();
    } else {
      expect_name("a label, data such as .b8, or '}'");
      expect(':', "after the label");
    }
  }
}

void Parser::section_data() {
  const Token keyword = take();
  const Type type = parse_type(keyword.text);
  if (!is_untyped(type) || bits_of(type) < 8 || bits_of(type) > 64) {
    fail(keyword.at,
         fmt::format("{} in a section; expected .b8, .b16, .b32 or .b64", quoted(keyword)));
  }
  do {
    const Token value = token_;
    const bool minus = take_if('-');
    if (minus || token_.kind == Token::Kind::integer) {
      const std::uint64_t bits = expect_kind(Token::Kind::integer, "a number").bits;
      const int width = bits_of(type);
      if (width < 64 && bits >> (minus ? width - 1 : width) != 0 && bits != 1ull << (width - 1)) {
        fail(value.at, fmt::format("a value that does not fit; expected one of {} bits", width));
      }
    } else if (token_.kind == Token::Kind::directive) {
      advance();
      if (take_if('+')) expect_kind(Token::Kind::integer, "an offset");
    } else {
      expect_name("a number, a label or a section");
      if (take_if('+')) expect_kind(Token::Kind::integer, "an offset");
      if (take_if('-')) expect_name("a label");
    }
  } while (take_if(','));
}

}  // namespace triptych::emulator

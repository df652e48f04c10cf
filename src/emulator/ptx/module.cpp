#include <algorithm>
#include <charconv>

#include "emulator/ptx/parser.h"

namespace triptych::emulator {

void Parser::run() {
  take();
  header();
  while (token_.kind != Token::Kind::end) outside();
  resolve_locs();
}

// .version 9.0  .target sm_90a, debug  .address_size 64
void Parser::header() {
  if (!take_if_directive("version")) unexpected(".version as the first directive");
  const Token version = expect_kind(Token::Kind::real, "a version such as 9.0");
  constexpr int newest = 90;
  const std::size_t dot = version.text.find('.');
  int major = 0, minor = 0;
  std::from_chars(version.text.data(), version.text.data() + dot, major);
  const char* text_end = version.text.data() + version.text.size();
  const auto [stop, error] = std::from_chars(version.text.data() + dot + 1, text_end, minor);
  if (error != std::errc() || stop != text_end || minor > 9 || major < 1 || major > 9) {
    fail(version.at, fmt::format("{} is not a version of PTX", quoted(version.text)));
  }
  module_.version = major * 10 + minor;
  if (module_.version > newest) {
    fail(version.at, fmt::format(".version {} is not known here; the newest is {}.{}", version.text,
                                 newest / 10, newest % 10));
  }
  if (!take_if_directive("target")) unexpected(".target after .version");
  target();
  if (take_if_directive("address_size")) {
    module_.address_size = static_cast<int>(expect_number("an address size, 64", 64, 64));
  }
}

void Parser::target() {
  const Token name = expect_name("a target such as sm_90a");
  const std::string_view text = name.text;
  const bool sm = text.starts_with("sm_");
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + (sm ? 3 : 0), end, module_.target);
  module_.target_a = stop + 1 == end && *stop == 'a';
  if (!sm || error != std::errc() || (stop != end && !module_.target_a)) {
    fail(name.at, fmt::format("{} is not a target; expected one such as sm_80 or sm_90a", quoted(text)));
  }
  constexpr int newest = 90;
  if (module_.target > newest) {
    fail(name.at, fmt::format("{} is newer than this device, which executes up to sm_{}a",
                              quoted(text), newest));
  }
  while (take_if(',')) {
    const Token option = expect_name("a target option such as debug");
    constexpr std::string_view options[] = {"debug", "texmode_unified", "texmode_independent",
                                            "map_f64_to_f32"};
    if (std::find(std::begin(options), std::end(options), option.text) == std::end(options)) {
      fail(option.at, fmt::format("{} is not a target option", quoted(option.text)));
    }
  }
}

Linkage Parser::linkage() {
  if (take_if_directive("visible")) return Linkage::visible;
  if (take_if_directive("extern")) return Linkage::external;
  if (take_if_directive("weak")) return Linkage::weak;
  if (take_if_directive("common")) return Linkage::common;
  return Linkage::internal;
}

// What stands outside functions.
void Parser::outside() {
  if (take_if_directive("file")) return file();
  if (take_if_directive("section")) return section();
  if (take_if_directive("alias")) return alias();
  if (take_if_directive("pragma")) {
    Directives ignored;
    return pragmas(ignored);
  }
  const Linkage link = linkage();
  if (token_.is_directive("entry") || token_.is_directive("func")) return function(link);
  Head what;
  what.linkage = link;
  if (token_.kind == Token::Kind::directive) return declaration(what);
  unexpected("a directive such as .global, .func or .entry");
}

// .file 1 "a.cu" [, time, size]
void Parser::file() {
  const auto number = static_cast<std::uint32_t>(expect_number("a file's number", 0, 0xFFFFFFFF));
  const Token name = expect_kind(Token::Kind::string, "a file's name in quotes");
  const auto known = std::find(module_.files.begin(), module_.files.end(), name.text);
  debug_files_[number] = static_cast<std::uint32_t>(known - module_.files.begin());
  if (known == module_.files.end()) module_.files.emplace_back(name.text);
  if (take_if(',')) {
    expect_kind(Token::Kind::integer, "a time stamp");
    expect(',', "before the file's size");
    expect_kind(Token::Kind::integer, "the file's size");
  }
}

// .section .debug_info { .b8 1, 2  label:  .b64 label+4 … }: for debuggers of the hardware.
void Parser::section() {
  expect_kind(Token::Kind::directive, "a section's name such as .debug_info");
  expect('{', "before the section's data");
  while (!token_.is('}')) {
    if (token_.kind == Token::Kind::end) unexpected("'}' after the section's data");
    take();
  }
  take();
}

// .alias name, function;
void Parser::alias() {
  const Token name = expect_name("the alias");
  expect(',', "between the alias and its function");
  const Token aliased = expect_name("the aliased function");
  const Symbol from = find(name.text), to = find(aliased.text);
  if (from.function == nullptr) {
    fail(name.at, fmt::format("{} is not a declared function", quoted(name.text)));
  }
  if (to.function == nullptr || !to.function->defined) {
    fail(aliased.at, fmt::format("{} is not a defined function", quoted(aliased.text)));
  }
  from.function->alias_of = to.function;
  expect(';', "after .alias");
}

// .loc names files by the numbers of .file directives, which may come later.
void Parser::resolve_locs() {
  for (Loc& loc : module_.locs) {
    const auto file = debug_files_.find(loc.at.file);
    if (file == debug_files_.end()) {
      const std::uint32_t number = loc.at.file;
      fail({}, fmt::format(".loc names file {}, which no .file directive declares", number));
    }
    loc.at.file = file->second;
  }
}

}  // namespace triptych::emulator

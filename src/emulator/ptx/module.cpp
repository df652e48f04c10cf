#include <algorithm>
#include <charconv>

#include "emulator/ptx/parser.h"

namespace triptych::emulator {
namespace {

constexpr int newest_version = 90, newest_target = 90;

// The last minor version of each major one; those of 5 and 9 that exist are 5.0, 5.1 and 9.0.
constexpr int last_minor[] = {-1, 5, 3, 2, 3, 1, 5, 8, 8, 0};

struct Target {
  int sm, version;  // and the first version that knows it
};
constexpr Target targets[] = {{10, 10}, {11, 10}, {12, 12}, {13, 12}, {20, 20}, {21, 20}, {30, 30},
                              {32, 40}, {35, 31}, {37, 41}, {50, 40}, {52, 41}, {53, 42}, {60, 50},
                              {61, 50}, {62, 50}, {70, 51}, {72, 61}, {75, 63}, {80, 70}, {82, 71},
                              {86, 71}, {87, 74}, {88, 73}, {89, 78}, {90, 78}};

}  // namespace

void Parser::run() {
  advance();
  header();
  while (token_.kind != Token::Kind::end) outside();
  resolve_locs();
  if (debug_target_ && !has_section_) {
    fail(token_.at, ".target says debug, but there is no debug information; expected a .section");
  }
}

void Parser::header() {
  if (!take_if_directive("version")) unexpected(".version as the first directive");
  version();
  if (!take_if_directive("target")) unexpected(".target after .version");
  target();
  if (token_.is_directive("address_size")) address_size();
}

// .version 9.0
void Parser::version() {
  const Token number = expect_kind(Token::Kind::real, "a version such as 9.0");
  const std::string_view text = number.text;
  const char* const end = text.data() + text.size();
  int major = 0, minor = 0;
  const auto [dot, major_error] = std::from_chars(text.data(), end, major);
  const char* const digits = dot < end && *dot == '.' ? dot + 1 : end;
  const auto [stop, error] = std::from_chars(digits, end, minor);
  const bool exists = major_error == std::errc() && error == std::errc() && stop == end &&
                      major >= 1 && major <= 9 && minor <= last_minor[major];
  if (!exists) {
    fail(number.at, fmt::format(".version {} does not exist here; expected one up to {}.{}",
                                quoted(text), newest_version / 10, newest_version % 10));
  }
  module_.version = major * 10 + minor;
}

// .target sm_90a, debug
void Parser::target() {
  const Token name = expect_name("a target such as sm_90a");
  std::string_view text = name.text;
  const bool known_prefix = text.starts_with("sm_") || text.starts_with("compute_");
  text.remove_prefix(known_prefix ? text.find('_') + 1 : 0);
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, module_.target);
  module_.target_a = stop + 1 == end && *stop == 'a';
  if (!known_prefix || error != std::errc() || (stop != end && stop + 1 != end)) {
    fail(name.at, fmt::format("{} is no target; expected one such as sm_90a", quoted(name.text)));
  }
  if (module_.target > newest_target) {
    fail(name.at, fmt::format("{} is newer than this device; expected a target up to sm_{}a",
                              quoted(name.text), newest_target));
  }
  const Target* const row = std::find_if(std::begin(targets), std::end(targets),
                                         [&](const Target& t) { return t.sm == module_.target; });
  const bool known_suffix = stop == end || (module_.target_a && module_.target == newest_target);
  if (row == std::end(targets) || !known_suffix) {
    fail(name.at,
         fmt::format("{} does not exist; expected a target such as sm_90a", quoted(name.text)));
  }
  constexpr int first_with_a = 80;
  require(name, module_.target_a ? first_with_a : row->version);
  while (take_if(',')) {
    const Token option = expect_name("a target option such as debug");
    constexpr int last_without_f64 = 12;
    if (option.text == "debug") {
      debug_target_ = true;
    } else if (option.text != "texmode_unified" && option.text != "texmode_independent" &&
               (option.text != "map_f64_to_f32" || module_.target > last_without_f64)) {
      fail(option.at, fmt::format("{} is no option of {}; expected debug, texmode_unified or "
                                  "texmode_independent",
                                  quoted(option.text), name.text));
    }
  }
}

void Parser::address_size() {
  const Token keyword = take();
  require(keyword, 23);
  const Token number = expect_kind(Token::Kind::integer, "64");
  if (number.bits != 64) {
    fail(number.at, fmt::format("addresses of {} bits; expected 64", number.bits));
  }
}

Linkage Parser::linkage() {
  if (take_if_directive("visible")) return Linkage::visible;
  if (take_if_directive("extern")) return Linkage::external;
  if (token_.is_directive("weak")) {
    require(take(), 31);
    return Linkage::weak;
  }
  if (token_.is_directive("common")) {
    require(take(), 50);
    return Linkage::common;
  }
  return Linkage::internal;
}

// What stands outside functions.
void Parser::outside() {
  if (take_if_directive("file")) return file();
  if (token_.is_directive("section")) return section();
  if (token_.is_directive("alias")) return alias();
  if (token_.is_directive("pragma")) return module_pragmas();
  const Linkage link = linkage();
  const bool function_follows = token_.is_directive("entry") || token_.is_directive("func");
  if (function_follows && link != Linkage::common) return function(link);
  if (token_.kind != Token::Kind::directive)
    unexpected("a directive such as .global, .func or .entry");
  declaration(link);
}

// .alias name, function;
void Parser::alias() {
  require(take(), 63, 30);
  const Token name = expect_name("a declared function's name");
  expect(',', "between the alias and its function");
  const Token aliased = expect_name("a defined function's name");
  expect(';', "after .alias");
  Function* const from = find(name.text).function;
  const Function* to = find(aliased.text).function;
  if (to != nullptr && to->alias_of != nullptr) to = to->alias_of;
  if (from == nullptr || from->defined || from->entry) {
    fail(name.at,
         fmt::format("{} is not declared as a function without a body; expected one that is",
                     quoted(name.text)));
  }
  if (to == nullptr || !to->defined || to->entry || to->linkage == Linkage::weak) {
    fail(aliased.at,
         fmt::format("{} is not the name of a defined function that is not .weak; expected one",
                     quoted(aliased.text)));
  }
  if (const std::string what = difference(*to, *from); !what.empty()) {
    fail(name.at, fmt::format("{} and {} differ in {}; expected the same", quoted(name.text),
                              quoted(aliased.text), what));
  }
  from->alias_of = to;
}

}  // namespace triptych::emulator

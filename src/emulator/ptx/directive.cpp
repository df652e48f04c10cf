#include <algorithm>

#include "emulator/ptx/parser.h"

namespace triptych::emulator {

// What stands between a function's parameters and its body. Returns whether there was anything.
bool Parser::directives(Directives& to, bool entry) {
  const Token first = token_;
  while (token_.kind == Token::Kind::directive &&
         (entry ? entry_directive(to) : func_directive(to))) {
  }
  check_directives(first, to);
  return first.text.data() != token_.text.data();
}

bool Parser::entry_directive(Directives& to) {
  struct Number {
    std::string_view name;
    int version, target;
    std::uint32_t Directives::*value;
  };
  static constexpr Number numbers[] = {
      {"minnctapersm", 20, 10, &Directives::minnctapersm},
      {"maxnctapersm", 10, 10, &Directives::maxnctapersm},
      {"maxnreg", 13, 10, &Directives::maxnreg},
      {"local_maxnreg", 88, 10, nullptr},  // for a compiler of parts of a kernel
      {"maxclusterrank", 78, 90, &Directives::maxclusterrank},
  };
  struct Extent {
    std::string_view name;
    int version, target;
    std::array<std::uint32_t, 3> Directives::*value;
  };
  static constexpr Extent extents[] = {
      {"maxntid", 13, 10, &Directives::maxntid},
      {"reqntid", 21, 10, &Directives::reqntid},
      {"reqnctapercluster", 78, 90, &Directives::cluster},
  };
  const Token word = token_;
  const auto named = [&](const auto& row) { return row.name == word.text; };
  if (const auto* row = std::find_if(std::begin(numbers), std::end(numbers), named);
      row != std::end(numbers)) {
    require(word, row->version, row->target);
    constexpr int first_without = 21;
    if (row->name == "maxnctapersm" && module_.version >= first_without) {
      fail(word.at, "'.maxnctapersm' left PTX with version 2.1; expected .minnctapersm");
    }
    advance();
    const std::uint32_t value = expect_positive();
    if (row->value != nullptr) to.*row->value = value;
  } else if (const auto* wide = std::find_if(std::begin(extents), std::end(extents), named);
             wide != std::end(extents)) {
    require(word, wide->version, wide->target);
    advance();
    extent(to.*wide->value);
  } else if (word.text == "explicitcluster") {
    require(take(), 78, 90);
    to.explicit_cluster = true;
  } else if (word.text == "blocksareclusters") {
    require(take(), 90, 90);
    to.blocks_are_clusters = true;
  } else if (word.text == "pragma") {
    pragmas(to.pragmas);
  } else {
    return false;
  }
  return true;
}

bool Parser::func_directive(Directives& to) {
  if (token_.text == "noreturn") {
    require(token_, 64, 30);
    if (!function_->results.empty()) {
      unexpected("a function without results: one that does not return has none");
    }
    advance();
    to.noreturn = true;
  } else if (token_.text == "abi_preserve" || token_.text == "abi_preserve_control") {
    require(take(), 90, 80);  // how registers are saved, which nothing here depends on
    expect_kind(Token::Kind::integer, "a number of registers");
  } else {
    return false;
  }
  return true;
}

void Parser::check_directives(const Token& first, const Directives& given) const {
  const bool max = given.maxntid[0] != 0, required = given.reqntid[0] != 0;
  const bool cluster = given.cluster[0] != 0;
  if (max && required) fail(first.at, "both .maxntid and .reqntid; expected one of them");
  if (cluster && given.maxclusterrank != 0) {
    fail(first.at, "both .reqnctapercluster and .maxclusterrank; expected one of them");
  }
  if (given.blocks_are_clusters && (!required || !cluster)) {
    fail(first.at, ".blocksareclusters needs .reqntid and .reqnctapercluster beside it");
  }
}

// 16, 4: what is not given is 1.
void Parser::extent(std::array<std::uint32_t, 3>& to) {
  to = {1, 1, 1};
  std::size_t i = 0;
  do {
    to[i++] = expect_positive();
  } while (i < to.size() && take_if(','));
}

// .pragma "nounroll", "…";
void Parser::pragmas(std::vector<std::string_view>& to) {
  require(take(), 20);
  do {
    to.push_back(expect_kind(Token::Kind::string, "a pragma in quotes").text);
  } while (take_if(','));
  expect(';', "after .pragma");
}

void Parser::module_pragmas() {
  const Position at = token_.at;
  std::vector<std::string_view> found;
  pragmas(found);
  for (const std::string_view pragma : found) {
    if (pragma == "nounroll") continue;
    fail(at, fmt::format("pragma {} outside functions; expected \"nounroll\"", quoted(pragma)));
  }
}

}  // namespace triptych::emulator

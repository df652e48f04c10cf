// docs/forms.md lists the table of forms as it is. TRIPTYCH_UPDATE=1 writes it anew.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "emulator/instruction/form.h"

namespace triptych::emulator {
namespace {

struct Family {
  const char* title;
  std::span<const Form> forms;
};

/// "<P: a b c>" of more than eight words with the first two and the last alone.
std::string shortened(const std::string& choice) {
  const std::size_t named = choice.find(": "), first = named == std::string::npos ? 1 : named + 2;
  if (std::count(choice.begin() + static_cast<std::ptrdiff_t>(first), choice.end(), ' ') < 8) return choice;
  const std::size_t second = choice.find(' ', first), third = choice.find(' ', second + 1);
  return choice.substr(0, third) + " …" + choice.substr(choice.rfind(' '));
}

/// As a cell of the table, which a bar would end.
std::string shown(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t open = std::min(text.find('<', at), text.size());
    const std::size_t end = open == text.size() ? open : text.find('>', open) + 1;
    out += text.substr(at, open - at);
    if (open < end) out += shortened(std::string(text.substr(open, end - open)));
    at = end;
  }
  for (std::size_t bar = out.find('|'); bar != std::string::npos; bar = out.find('|', bar + 2)) out.insert(bar, "\\");
  return out;
}

std::string list() {
  const Family families[] = {{"Integers", integer_forms()},
                             {"Logic, comparisons, selections", logic_forms()},
                             {"f32 and f64", float_forms()},
                             {"Halves", half_forms()},
                             {"Conversions and moves", convert_forms()},
                             {"Loads and stores", memory_forms()},
                             {"Atomics and fences", atomic_forms()},
                             {"Lanes of a warp", warp_forms()},
                             {"Control and barriers", control_forms()},
                             {"Matrices of a warp", matrix_forms()},
                             {"Asynchronous copies", async_forms()},
                             {"Mbarriers and clusters", mbarrier_forms()},
                             {"Matrices of a warpgroup", wgmma_forms()}};
  std::string tables, summary;
  std::size_t all = 0;
  for (const Family& family : families) {
    all += family.forms.size();
    std::set<std::string> tests;
    std::string rows;
    for (const Form& form : family.forms) {
      tests.emplace(form.test);
      rows += fmt::format("| `{}` | {} | {}.{} | sm_{}{} | {} |\n", shown(form.pattern),
                          *form.operands == '\0' ? "" : fmt::format("`{}`", shown(form.operands)), form.version / 10, form.version % 10,
                          form.target, form.needs_a ? "a" : "", form.test);
    }
    summary += fmt::format("| {} | {} | `emulator_{}` |\n", family.title, family.forms.size(), fmt::join(tests, "`, `emulator_"));
    tables += fmt::format("\n## {}\n\n| opcode | operands | PTX | target | test |\n|---|---|---|---|---|\n{}", family.title, rows);
  }
  EXPECT_EQ(all, all_forms().size()) << "a family is missing here";
  return fmt::format(
      "# Instruction forms of the software device {{#forms}}\n\n"
      "The {} forms that [the device](emulator.md) executes, as they stand in its own table; the test `emulator_form_list`\n"
      "holds this page to it. Each form names the test program that executes it, with every word of its pattern, and\n"
      "compares with an independent expectation: `emulator_` and the last column.\n\n"
      "`.word` must be there, `{{.word}}` may, `.<N: a b c>` is one of several. What the operands' letters mean stands in\n"
      "`src/emulator/instruction/form.h`. PTX is the lowest version, target the lowest device.\n\n"
      "Left out of what ptxas 13 takes for sm_90a are textures and surfaces (`tex`, `tld4`, `txq`, `suld`, `sust`, `sured`,\n"
      "`suq`, `istypep`), `multimem`, and `ld` and `st` with `.v8`. A module that uses them is refused when it is loaded.\n\n"
      "| family | forms | test programs |\n|---|---|---|\n{}{}",
      all, summary, tables);
}

TEST(FormList, TheDocumentedOneIsCurrent) {
  const std::string path = TRIPTYCH_SOURCE_DIR "/docs/forms.md", wanted = list();
  if (std::getenv("TRIPTYCH_UPDATE") != nullptr) std::ofstream(path, std::ios::binary) << wanted;
  std::ifstream file(path, std::ios::binary);
  const std::string found{std::istreambuf_iterator<char>(file), {}};
  EXPECT_TRUE(found == wanted) << path << " is not current; run this test with TRIPTYCH_UPDATE=1";
}

}  // namespace
}  // namespace triptych::emulator

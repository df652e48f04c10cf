// The front end under any bytes: it returns, and takes no more memory than the text warrants.
// ctest: timeout=120 labels=sanitize
#include <gtest/gtest.h>

#include <random>

#include "parse_text.h"
#include "ptx_cases.h"

namespace triptych::emulator {
namespace {

using namespace triptych::testing;

std::vector<std::string> corpus() {
  std::vector<std::string> texts;
  for (PtxCase& one : accepted_cases()) texts.push_back(std::move(one.text));
  for (PtxCase& one : rejected_cases()) texts.push_back(std::move(one.text));
  return texts;
}

/// Parses, and checks that an error tells a place in the text.
void parse_any(const std::string& text) {
  const Parsed parsed = parse(text, "any");
  ASSERT_NE(parsed.error.has_value(), parsed.module != nullptr);
  if (!parsed.error) return;
  EXPECT_FALSE(parsed.error->message.empty());
  EXPECT_LT(parsed.error->message.size(), 400u) << parsed.error->message;
  EXPECT_EQ(parsed.error->message.find('\n'), std::string::npos);
  EXPECT_GE(parsed.error->at.column, 1u);
}

TEST(Robust, EveryBeginningOfATextIsReadOrRefused) {
  for (const PtxCase& one : accepted_cases()) {
    for (std::size_t size = 0; size < one.text.size(); ++size) parse_any(one.text.substr(0, size));
  }
}

TEST(Robust, MutatedTexts) {
  std::mt19937 random(1);
  const auto below = [&](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
  };
  const std::vector<std::string> texts = corpus();
  constexpr char characters[] = "\0\x01\n\t \"#%&'()*+,-./09:;<=>?@[]_{|}~\x80\xff";
  const std::string bytes(characters, sizeof characters - 1);
  for (int round = 0; round < 6000; ++round) {
    std::string text = texts[below(texts.size())];
    for (std::size_t change = below(4) + 1; change > 0 && !text.empty(); --change) {
      const std::size_t at = below(text.size()), size = std::min(text.size() - at, below(20) + 1);
      const std::string& other = texts[below(texts.size())];
      switch (below(4)) {
        case 0:
          text[at] = bytes[below(bytes.size())];
          break;
        case 1:
          text.erase(at, size);
          break;
        case 2:
          text.insert(at, text.substr(at, size));
          break;
        default:
          if (!other.empty()) text.insert(at, other.substr(below(other.size()), below(20)));
      }
    }
    parse_any(text);
  }
}

std::string repeated(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

const std::string header = ".version 9.0\n.target sm_90a\n.address_size 64\n";

TEST(Robust, DeepNestingIsRefused) {
  constexpr int deep = 200'000;
  EXPECT_NE(refusal(header + ".entry k() {" + repeated("{", deep) + repeated("}", deep) + "}")
                .find("nest"),
            std::string::npos);
  for (const char* open : {"(", "-", "!", "(.s64)", "1 ? ", "1 ? 1 : ", "1+("}) {
    const std::string text = header + ".global .u32 x = " + repeated(open, deep) + "1;";
    EXPECT_NE(refusal(text).find("nested"), std::string::npos) << open;
  }
  const std::string extents = repeated("[1]", deep);
  EXPECT_NE(
      refusal(header + ".global .u8 x" + extents + " = " + repeated("{", deep)).find("nested"),
      std::string::npos);
  EXPECT_EQ(refusal(header + ".entry k() {" + repeated("{", 50) + repeated("}", 50) + "}"), "");
  EXPECT_EQ(
      refusal(header + ".global .u32 x = " + repeated("(", 50) + "1" + repeated(")", 50) + ";"),
      "");
}

TEST(Robust, DeclaredSizesTakeNoMemory) {
  const auto module = parse_module(
      ".global .u8 a[1152921504606846976]; .shared .b32 s<4000000000>;\n"
      ".global .u8 b[1000000000] = {1}; .entry k() { .local .u8 l[1152921504606846976]; .reg .b32 "
      "r<4000000000>;\n"
      "mov.b32 r0, r3999999999; }");
  EXPECT_EQ(variable(*module, "a").bytes, 1152921504606846976u);
  EXPECT_EQ(variable(*module, "b").initial.size(), 1u);
  EXPECT_EQ(module->functions[0].registers.size(), 2u);
  // Rows that lie far apart would be filled with zeros between them.
  EXPECT_NE(refusal(header + ".global .u8 x[4][1000000000] = {{1}, {1}};"), "");
  EXPECT_NE(refusal(header + ".global .u8 x[][2305843009213693952] = {{}, {}, {}};"), "");
  EXPECT_NE(refusal(header + ".global .u8 x[4294967296][4294967296];"), "");
}

TEST(Robust, LongNamesAndStringsAreShortenedInMessages) {
  const std::string name(100'000, 'x');
  for (const std::string& text :
       {".entry k() { mov.b32 " + name + ", 1; }", "." + name, ".pragma \"" + name + "\";",
        ".entry k() { mov.b32 r, 0f" + std::string(100'000, '1') + "; }",
        ".entry k() { .reg .b32 " + name + "<2>, " + name + "1; }",
        ".entry k() { .reg .b32 " + name + "1, " + name + "<2>; }"}) {
    parse_any(header + text);
  }
}

// Many declarations, blocks or references take time in proportion to their number; these would take
// hours otherwise.
TEST(Robust, LongTexts) {
  constexpr int many = 20'000;
  std::string names, blocks, jumps, files;
  for (int i = 0; i < many; ++i) {
    const std::string n = std::to_string(i);
    names += ".reg .b32 a" + n + "b<9>, c" + n + "; mov.b32 c" + n + ", a" + n + "b8;\n";
    blocks += "{ .reg .b32 x<5>; L: mov.b32 x1, x2; bra L; }\n";
    jumps += "bra L" + n + "; ";
    files += "# " + n + " \"" + n + "\"\n";
  }
  parse_any(header + ".entry k() {" + names + "}");
  parse_any(header + ".entry k() {" + blocks + "}");
  parse_any(header + ".entry k() {" + repeated("{", 90) + jumps + repeated("}", 90) + "}");
  parse_any(header + files);
  parse_any(header + ".entry k() {" + repeated("{", 90) + repeated("mov.b32 nowhere, 1;", 1) +
            repeated("}", 90) + "}");
}

}  // namespace
}  // namespace triptych::emulator

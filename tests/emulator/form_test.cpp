// ctest: timeout=120
// Patterns and operand lists of the table of forms, and how an opcode finds its form.
#include <gtest/gtest.h>

#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "emulator/instruction/form.h"
#include "emulator/instruction/match.h"
#include "emulator/instruction/pattern.h"
#include "emulator/instruction/signature.h"

namespace triptych::emulator {
namespace {

using Words = std::vector<std::string_view>;

Words split(std::string_view opcode) {
  Words words;
  while (!opcode.empty()) {
    const std::size_t dot = std::min(opcode.find('.'), opcode.size());
    words.push_back(opcode.substr(0, dot));
    opcode.remove_prefix(std::min(dot + 1, opcode.size()));
  }
  return words;
}

TEST(Pattern, ReadsModifiersInOrder) {
  const Pattern add("add{.<R: rn rz rm rp>}{.ftz}{.sat}.f32");
  EXPECT_EQ(add.root(), "add");
  EXPECT_TRUE(add.match(Words{"f32"}).whole);
  EXPECT_TRUE(add.match(Words{"rz", "sat", "f32"}).whole);
  EXPECT_FALSE(add.match(Words{"sat", "rz", "f32"}).whole);
  EXPECT_FALSE(add.match(Words{"rn", "rz", "f32"}).whole);
  EXPECT_FALSE(add.match(Words{"f32", "f32"}).whole);
  const Agreement found = add.match(Words{"rm", "ftz", "f32"});
  ASSERT_EQ(found.named.size(), 1u);
  EXPECT_EQ(found.named[0].first, "R");
  EXPECT_EQ(found.named[0].second, "rm");
}

TEST(Pattern, SaysHowFarItAgrees) {
  const Pattern add("add{.<R: rn rz>}{.ftz}.f32");
  const Agreement odd = add.match(Words{"rn", "up", "f32"});
  EXPECT_FALSE(odd.whole);
  EXPECT_EQ(odd.reached, 1u);
  EXPECT_EQ(odd.expected, (Words{"ftz", "f32"}));
  EXPECT_EQ(add.match(Words{"rn", "ftz"}).expected, (Words{"f32"}));
  EXPECT_TRUE(add.match(Words{"f32", "x"}).expected.empty());
}

TEST(Pattern, ThinksTwiceAboutOptionalGroups) {
  const Pattern p("x{.<A: a b>}{.<B: b c>}.<C: b c>");
  EXPECT_TRUE(p.match(Words{"b"}).whole);
  EXPECT_TRUE(p.match(Words{"b", "c"}).whole);
  EXPECT_TRUE(p.match(Words{"b", "b", "b"}).whole);
  const Pattern q("x{.a.b}.a");
  EXPECT_TRUE(q.match(Words{"a"}).whole);
  EXPECT_TRUE(q.match(Words{"a", "b", "a"}).whole);
  EXPECT_FALSE(q.match(Words{"a", "b"}).whole);
}

TEST(Pattern, TakesModifiersInAnyOrder) {
  const Pattern cvt("cvt{.<R: rn rzi>}{.ftz}.<D: u32 f32>.<S: u32 f32>");
  const Agreement found = cvt.match_any_order(Words{"u32", "rzi", "f32", "ftz"});
  ASSERT_TRUE(found.whole);
  for (const auto& [name, word] : found.named) {
    EXPECT_TRUE(name != "D" || word == "u32") << word;
    EXPECT_TRUE(name != "S" || word == "f32") << word;
  }
  EXPECT_FALSE(cvt.match_any_order(Words{"u32", "rzi"}).whole);
  EXPECT_FALSE(cvt.match_any_order(Words{"u32", "f32", "f32"}).whole);
  const Pattern mul("mul.<H: lo hi>.<T: u32 s32>");
  EXPECT_FALSE(mul.match_any_order(Words{"u32", "lo"}).whole);
}

TEST(Pattern, RefusesAWrongTable) {
  for (const char* text :
       {"add.", "add..f32", "add{.ftz.f32", "add.<R: rn rz", "add.<>", "add{ftz}"}) {
    EXPECT_THROW(Pattern p(text), std::logic_error) << text;
  }
}

TEST(Signature, ReadsEachKindOfElement) {
  using Kind = Element::Kind;
  const auto all = parse_signature("=T|pred, &~u32, V*T, [S], [global,N], imm, _, cc");
  ASSERT_EQ(all.size(), 8u);
  EXPECT_EQ(all[0].kind, Kind::pair);
  EXPECT_TRUE(all[0].write && !all[0].read);
  EXPECT_EQ(all[0].second, "pred");
  EXPECT_TRUE(all[1].anything && all[1].wider && all[1].read);
  EXPECT_EQ(all[2].kind, Kind::vector);
  EXPECT_EQ(all[2].count, "V");
  EXPECT_EQ(all[3].kind, Kind::address);
  EXPECT_EQ(all[4].kind, Kind::tensor);
  EXPECT_EQ(all[4].space, "global");
  EXPECT_EQ(all[4].count, "N");
  EXPECT_EQ(all[5].kind, Kind::immediate);
  EXPECT_EQ(all[6].kind, Kind::sink);
  EXPECT_EQ(all[7].kind, Kind::carry);
  const auto more = parse_signature("u16?.m, %s32?, !1*b32");
  EXPECT_EQ(more[0].when, "m");
  EXPECT_TRUE(more[1].optional && more[1].when.empty() && more[1].selector);
  EXPECT_TRUE(more[2].only_register && more[2].kind == Kind::vector && !more[0].only_register);
  // More slots than an instruction has:
  EXPECT_THROW(parse_signature("=u32, u32, u32, u32, u32, u32, u32"), std::logic_error);
}

TEST(Signature, GivesSlotsFromLeftToRight) {
  const auto all = parse_signature("=T|pred, V*T, [S], imm, cc, u16?");
  const int ops[] = {0, -1, 2, -1, 3, 4};
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].op, ops[i]) << i;
}

TEST(Signature, ReadsPlusAndVectorsOfAskedLength) {
  const auto all = parse_signature("+?*f32, ?*b32?, =cc, =#");
  EXPECT_TRUE(all[0].read && all[0].write);
  EXPECT_EQ(all[0].count, "?");
  EXPECT_TRUE(all[1].optional);
  EXPECT_TRUE(all[2].write && !all[2].read);
  EXPECT_TRUE(all[3].type.empty());
}

TEST(Signature, ResolvesNames) {
  const Form form{"ld{.<S: shared::cta param::func>}{.<V: v2 v4>}.<T: u8 f64>", "", nullptr};
  Choice choice;
  choice.form = &form;
  choice.named = {{"S", "shared::cta"}, {"V", "v4"}, {"T", "f64"}};
  choice.words = {"shared::cta", "v4", "f64"};
  auto all = resolve_signature(parse_signature("=V*~T, [S], b64?.L2::cache_hint, u32?.v4"), choice);
  EXPECT_EQ(all[0].type, Type::f64);
  EXPECT_EQ(all[0].count, 4);
  EXPECT_TRUE(all[0].braces);
  EXPECT_EQ(all[1].space, Space::shared);
  EXPECT_TRUE(all[2].missing);
  EXPECT_FALSE(all[3].missing || all[3].optional);
  choice.named = {{"S", "param::func"}, {"T", "u8"}};
  all = resolve_signature(parse_signature("=V*~T, [S], []"), choice);
  EXPECT_EQ(all[0].count, 1);
  EXPECT_FALSE(all[0].braces);
  EXPECT_EQ(all[1].space, Space::local);
  EXPECT_EQ(all[2].space, Space::generic);
  EXPECT_THROW(resolve_signature(parse_signature("=U"), choice), std::logic_error);
}

/// All variants of a pattern: each part with each of its words, or left out.
void expand(std::string_view pattern, const std::string& made, std::size_t most,
            std::vector<std::string>& all) {
  if (all.size() >= most) return;
  if (pattern.empty()) {
    all.push_back(made);
    return;
  }
  if (pattern[0] == '{') {
    const std::size_t end = pattern.find('}');
    expand(pattern.substr(end + 1), made, most, all);
    expand(std::string(pattern.substr(1, end - 1)) + std::string(pattern.substr(end + 1)), made,
           most, all);
    return;
  }
  if (pattern.starts_with(".<")) {
    const std::size_t end = pattern.find('>');
    std::string_view words = pattern.substr(2, end - 2);
    if (const std::size_t colon = words.find(": "); colon != words.npos)
      words.remove_prefix(colon + 2);
    while (!words.empty()) {
      const std::size_t space = std::min(words.find(' '), words.size());
      if (space > 0)
        expand(pattern.substr(end + 1), made + "." + std::string(words.substr(0, space)), most,
               all);
      words.remove_prefix(std::min(space + 1, words.size()));
    }
    return;
  }
  const std::size_t end = std::min(pattern.find_first_of(".{", 1), pattern.size());
  expand(pattern.substr(end), made + std::string(pattern.substr(0, end)), most, all);
}

// Every form can be reached: some variant of its pattern finds it, and all its operands resolve.
TEST(Table, EveryFormIsFound) {
  std::set<std::uint16_t> found;
  for (const Form* form : all_forms()) {
    std::vector<std::string> variants;
    expand(form->pattern, "", 20000, variants);
    for (const std::string& opcode : variants) {
      const Words words = split(opcode);
      const Candidates candidates = find_forms(words[0], std::span(words).subspan(1));
      for (const Candidate& c : candidates.all) found.insert(c.form);
    }
  }
  for (std::size_t i = 0; i < all_forms().size(); ++i) {
    EXPECT_TRUE(found.count(static_cast<std::uint16_t>(i)) != 0)
        << "never chosen: " << all_forms()[i]->pattern;
  }
}

std::string error_of(std::string_view opcode) {
  const Words words = split(opcode);
  return find_forms(words[0], std::span(words).subspan(1)).error;
}

TEST(Table, TellsErrorsApart) {
  EXPECT_EQ(error_of("frob.u32"), "'frob' is no instruction of this device");
  EXPECT_EQ(error_of("bra.ftz"), "'bra.ftz': '.ftz' is not allowed after 'bra'; expected .uni");
  EXPECT_EQ(error_of("ret.uni.uni"),
            "'ret.uni.uni': '.uni' is not allowed after 'ret.uni'; expected nothing more");
  EXPECT_EQ(error_of("nanosleep"), "'nanosleep': a modifier is missing; expected .u32");
  EXPECT_EQ(error_of("bra.uni"), "");
}

TEST(Table, MatchFormGivesTheChoice) {
  const Words words{"shared", "u32"};
  const Choice choice = match_form("ld", words);
  ASSERT_NE(choice.form, nullptr);
  EXPECT_TRUE(choice.has("u32"));
  EXPECT_FALSE(choice.has("u64"));
  EXPECT_EQ(match_form("ld", Words{"u3"}).form, nullptr);
}

}  // namespace
}  // namespace triptych::emulator

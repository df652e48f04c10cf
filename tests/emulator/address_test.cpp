// Generic addresses and windows, and addresses in other CTAs of a cluster.
#include <cstdint>

#include "tests/emulator/ptx_run.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("address");

using U32 = std::uint32_t;
using U64 = std::uint64_t;

/// Variables of all spaces; a is the result's address, x and y are scratch registers.
std::string kernel(const std::string& body) {
  return R"(.global .align 8 .u64 in_global = 11;
    .const .align 8 .u64 in_const = 22;
    .visible .entry k(.param .u64 out, .param .u64 in_param) {
    .shared .align 8 .u64 in_shared;
    .local .align 8 .u64 in_local[2];
    .reg .b64 a, x, y, z; .reg .b32 w, v; .reg .pred p;
    ld.param.u64 a, [out];
    mov.u64 x, 33;
    st.shared.u64 [in_shared], x;
    mov.u64 x, 44;
    st.local.u64 [in_local+8], x;
)" + body + "ret; }\n";
}
std::vector<U64> run(const std::string& body, std::size_t results) {
  Program program(kernel(body));
  const U64 out = program.buffer(std::vector<U64>(results));
  EXPECT_EQ(program.run("k", {out, 55}, {.block = {1, 1, 1}}), "") << body;
  return program.read<U64>(out, results);
}

const std::vector<std::pair<std::string, std::string>> variables = {
    {"global", "in_global"}, {"const", "in_const"}, {"shared", "in_shared"}, {"shared::cta", "in_shared"},
    {"shared::cluster", "in_shared"}, {"local", "in_local+8"}, {"param", "in_param"}, {"param::entry", "in_param"}};

TEST(Address, GenericAddressesReachTheVariable) {
  const std::vector<U64> values = {11, 22, 33, 33, 33, 44, 55, 55};
  for (std::size_t i = 0; i < variables.size(); ++i) {
    const auto& [space, variable] = variables[i];
    // From the variable, and from its address in a register; and back.
    const std::string body = "cvta." + space + ".u64 x, " + variable + ";\nld.u64 y, [x];\nst.global.u64 [a], y;\n" +
                             "mov.u64 y, " + variable + ";\ncvta." + space + ".u64 z, y;\nsub.u64 z, z, x;\nst.global.u64 [a+8], z;\n" +
                             "cvta.to." + space + ".u64 z, x;\nsub.u64 z, z, y;\nst.global.u64 [a+16], z;\n";
    EXPECT_EQ(run(body, 3), (std::vector<U64>{values[i], 0, 0})) << space;
  }
}

TEST(Address, OneLoadFromSeveralSpaces) {
  // Lane l reads of space l mod 3: each space finds its lanes' bytes and leaves the others' alone.
  Program program(kernel(R"(
    .shared .align 8 .u64 words[32];
    mov.u32 w, %tid.x; rem.u32 v, w, 3; mul.wide.u32 z, w, 8; add.u64 a, a, z;
    mov.u64 x, 33; mov.u64 y, words; add.u64 y, y, z; st.shared.u64 [y], x;
    cvta.shared.u64 y, y;
    mov.u64 x, in_global; cvta.global.u64 x, x;
    setp.eq.u32 p, v, 1; selp.u64 x, y, x, p;
    mov.u64 y, in_local+8; cvta.local.u64 y, y;
    setp.eq.u32 p, v, 2; selp.u64 x, y, x, p;
    ld.u64 y, [x]; st.global.u64 [a], y;
)"));
  const U64 out = program.buffer(std::vector<U64>(warp_size));
  ASSERT_EQ(program.run("k", {out, 55}), "");
  const std::vector<U64> found = program.read<U64>(out, warp_size), values = {11, 33, 44};
  for (std::size_t l = 0; l < warp_size; ++l) EXPECT_EQ(found[l], values[l % 3]) << l;
}

TEST(Address, Words) {
  for (const auto& [space, variable] : variables) {
    const std::string body = "mov.u32 w, 1234;\ncvta." + space + ".u32 v, w;\ncvta.to." + space + ".u32 v, v;\nst.global.u32 [a], v;\n";
    EXPECT_EQ(run(body, 1)[0], 1234u) << space;
  }
}

TEST(Address, Windows) {
  // Which questions each variable's generic address answers with yes.
  const std::vector<std::string> questions = {"const", "global", "local", "shared", "shared::cta", "shared::cluster", "param", "param::entry"};
  const std::vector<std::pair<std::string, std::string>> answers = {
      {"in_global", "01000000"}, {"in_const", "10000000"}, {"in_shared", "00011100"}, {"in_local", "00100000"}, {"in_param", "01000011"}};
  const std::vector<std::string> spaces = {"global", "const", "shared", "local", "param"};
  for (std::size_t i = 0; i < answers.size(); ++i) {
    std::string body = "cvta." + spaces[i] + ".u64 x, " + answers[i].first + ";\n";
    for (std::size_t q = 0; q < questions.size(); ++q) {
      body += "isspacep." + questions[q] + " p, x;\nselp.u64 y, 1, 0, p;\nst.global.u64 [a+" + std::to_string(8 * q) + "], y;\n";
    }
    std::string found;
    for (const U64 yes : run(body, questions.size())) found += yes != 0 ? '1' : '0';
    EXPECT_EQ(found, answers[i].second) << answers[i].first;
  }
}

TEST(Address, OtherCtas) {
  // Each of four CTAs writes its rank; each reads the next one's, by shared and by generic addresses.
  Program program(R"(.visible .entry k(.param .u64 out) .reqnctapercluster 4, 1, 1 {
    .shared .align 8 .b32 word[2];
    .reg .b64 a, x; .reg .b32 rank, next, here, there, value, of, own; .reg .pred p;
    mov.u32 rank, %cluster_ctarank;
    add.u32 next, rank, 1;
    and.b32 next, next, 3;
    st.shared.u32 [word+4], rank;
    barrier.cluster.arrive;
    barrier.cluster.wait;
    ld.param.u64 a, [out];
    mad.wide.u32 a, rank, 32, a;
    mapa.shared::cluster.u32 there, word+4, next;
    ld.shared::cluster.u32 value, [there];
    st.global.u32 [a], value;
    getctarank.shared::cluster.u32 of, there;
    st.global.u32 [a+4], of;
    getctarank.shared::cluster.u32 of, word;
    st.global.u32 [a+8], of;
    cvta.shared.u64 x, word;
    mapa.u64 x, x, next;
    ld.u32 value, [x+4];
    st.global.u32 [a+12], value;
    getctarank.u64 of, x;
    st.global.u32 [a+16], of;
    isspacep.shared::cta p, x;
    selp.u32 value, 1, 0, p;
    isspacep.shared::cluster p, x;
    selp.u32 value, 2, value, p;
    st.global.u32 [a+20], value;
    mov.u32 here, word;
    mapa.u32 there, here, rank;
    ld.shared::cluster.u32 value, [there+4];
    getctarank.u32 of, there;
    mad.lo.u32 value, of, 16, value;
    st.global.u32 [a+24], value;
    mov.u64 x, word;
    mapa.shared::cluster.u64 x, x, next;
    getctarank.shared::cluster.u64 of, x;
    st.global.u32 [a+28], of;
    barrier.cluster.arrive;
    barrier.cluster.wait;
    ret; })");
  const U64 out = program.buffer(std::vector<U32>(32));
  ASSERT_EQ(program.run("k", {out}, {.grid = {4, 1, 1}, .block = {1, 1, 1}, .cluster = {4, 1, 1}}), "");
  for (U32 rank = 0; rank < 4; ++rank) {
    const U32 next = (rank + 1) % 4;
    EXPECT_EQ(program.read<U32>(out + 32 * rank, 8), (std::vector<U32>{next, next, rank, next, next, 2, rank * 17, next})) << rank;
  }
}

}  // namespace
}  // namespace triptych::emulator::test

// ctest: timeout=30 labels=sanitize
// What the profile counts, against counts by hand.
#include "emulator/instrument/profile.h"

#include <numeric>

#include "emulator/instrument/observer_list.h"
#include "tests/emulator/ptx_run.h"

namespace triptych::emulator::test {
namespace {

Lanes<std::uint64_t> stride(std::uint64_t bytes, std::uint64_t start = 0x10000) {
  Lanes<std::uint64_t> at;
  for (int l = 0; l < warp_size; ++l) at[l] = start + bytes * static_cast<std::uint64_t>(l);
  return at;
}
using Pair = std::pair<std::uint64_t, std::uint64_t>;

TEST(Profile, Sectors) {
  EXPECT_EQ(sectors_of(stride(4), all_lanes, 4), Pair(4, 4)) << "128 bytes side by side";
  EXPECT_EQ(sectors_of(stride(4, 0x10004), all_lanes, 4), Pair(5, 4)) << "the same, shifted";
  EXPECT_EQ(sectors_of(stride(8), all_lanes, 4), Pair(8, 4)) << "every second word";
  EXPECT_EQ(sectors_of(stride(128), all_lanes, 4), Pair(32, 4)) << "a column";
  EXPECT_EQ(sectors_of(stride(0), all_lanes, 4), Pair(1, 1)) << "one word for all";
  EXPECT_EQ(sectors_of(stride(16), all_lanes, 16), Pair(16, 16));
  EXPECT_EQ(sectors_of(stride(1), all_lanes, 1), Pair(1, 1));
  EXPECT_EQ(sectors_of(stride(4), 0xFF, 4), Pair(1, 1)) << "eight lanes";
  EXPECT_EQ(sectors_of(stride(32), all_lanes, 32), Pair(32, 32));
}

TEST(Profile, Wavefronts) {
  EXPECT_EQ(wavefronts_of(stride(4), all_lanes, 4), Pair(1, 1));
  EXPECT_EQ(wavefronts_of(stride(8), all_lanes, 4), Pair(2, 1)) << "two lanes a bank";
  EXPECT_EQ(wavefronts_of(stride(128), all_lanes, 4), Pair(32, 1)) << "a column of 32 words";
  EXPECT_EQ(wavefronts_of(stride(132), all_lanes, 4), Pair(1, 1)) << "a padded column";
  EXPECT_EQ(wavefronts_of(stride(0), all_lanes, 4), Pair(1, 1)) << "one word for all";
  EXPECT_EQ(wavefronts_of(stride(1), all_lanes, 1), Pair(1, 1)) << "bytes of 8 words";
  EXPECT_EQ(wavefronts_of(stride(8), all_lanes, 8), Pair(2, 2)) << "a half at a time";
  EXPECT_EQ(wavefronts_of(stride(16), all_lanes, 16), Pair(4, 4)) << "a quarter at a time";
  EXPECT_EQ(wavefronts_of(stride(128), all_lanes, 16), Pair(32, 4));
  EXPECT_EQ(wavefronts_of(stride(16), 0xFF, 16), Pair(1, 1)) << "one quarter";
}

/// Tallies of a kernel by line of its body, whose first line is 1.
struct Counted {
  std::unique_ptr<Program> program;
  Profile profile;
  std::uint64_t thread_instructions = 0;
  std::map<std::uint32_t, Tally> lines;
};

std::unique_ptr<Counted> count(const std::string& body, const Shape& shape) {
  auto counted = std::make_unique<Counted>();
  counted->program =
      std::make_unique<Program>(header +
                                ".entry k(.param .u64 p) { .reg .pred p0; .reg .u32 %r<8>; .reg "
                                ".u64 %d<4>; .shared .align 16 .b8 tile[4096];\n" +
                                body + "}\n");
  Program& program = *counted->program;
  program.machine().observe(&counted->profile);
  EXPECT_EQ(program.run("k", {program.buffer(std::vector<std::uint32_t>(4096))}, shape), "");
  counted->thread_instructions = program.machine().thread_instructions();
  const auto first = static_cast<std::uint32_t>(std::count(header.begin(), header.end(), '\n')) + 1;
  for (const auto& [at, tally] : counted->profile.by_line())
    counted->lines[at.second - first] = tally;
  return counted;
}

TEST(Profile, MemoryByLine) {
  const auto c = count(
      "ld.param.u64 %d0, [p]; mov.u32 %r0, %tid.x;\n"
      "mul.wide.u32 %d1, %r0, 8; add.u64 %d1, %d0, %d1;\n"
      "ld.global.u32 %r1, [%d1];\n"            // every second word: 8 sectors, 4 would do
      "ld.global.v2.u32 {%r2, %r3}, [%d1];\n"  // 8 bytes a lane: 8 sectors
      "mov.u32 %r4, tile; mad.lo.u32 %r4, %r0, 128, %r4;\n"
      "st.shared.u32 [%r4], %r1;\n"      // all lanes in bank 0: 32 wavefronts
      "@p0 st.global.u32 [%d1], %r2;\n"  // p0 is false
      "ret;\n",
      {.grid = {3, 1, 1}, .block = {32, 1, 1}});
  const Tally &load = c->lines[3], &pair = c->lines[4], &store = c->lines[6];
  EXPECT_EQ(load.warps, 3u);
  EXPECT_EQ(load.threads, 96u);
  EXPECT_EQ(load.requests, 3u);
  EXPECT_EQ(load.sectors, 24u);
  EXPECT_EQ(load.ideal_sectors, 12u);
  EXPECT_EQ(load.global_bytes, 384u);
  EXPECT_EQ(pair.sectors, 24u);
  EXPECT_EQ(pair.ideal_sectors, 24u);
  EXPECT_EQ(store.shared_requests, 3u);
  EXPECT_EQ(store.wavefronts, 96u);
  EXPECT_EQ(store.ideal_wavefronts, 3u);
  EXPECT_EQ(c->lines.count(7), 0u) << "no lane passed the guard";
  EXPECT_EQ(c->lines[1].warps, 6u) << "two instructions in one line";
  EXPECT_EQ(c->profile.total().threads, c->thread_instructions);
  EXPECT_EQ(c->profile.ctas(), 3u);
  EXPECT_EQ(c->profile.warps(), 3u);
}

TEST(Profile, LanesAndBranches) {
  const auto c = count(
      "mov.u32 %r0, %tid.x;\n"
      "setp.lt.u32 p0, %r0, 40;\n"
      "@p0 bra A;\n"            // warp 0 all lanes, warp 1 eight: diverges once
      "add.u32 %r1, %r0, 1;\n"  // 24 lanes of warp 1
      "A: add.u32 %r1, %r0, 2;\n"
      "ret;\n",
      {.block = {64, 1, 1}});
  EXPECT_EQ(c->lines[3].warps, 2u);
  EXPECT_EQ(c->lines[3].threads, 40u) << "lanes that take it";
  EXPECT_EQ(c->lines[3].divergent, 1u);
  EXPECT_EQ(c->lines[4].warps, 1u);
  EXPECT_EQ(c->lines[4].threads, 24u);
  EXPECT_EQ(c->lines[5].warps, 2u) << "the lanes met again";
  EXPECT_EQ(c->lines[5].threads, 64u);
}

/// A barrier that a warp waits at is tried again and counts once.
TEST(Profile, WaitsCountOnce) {
  const auto c = count(
      "mov.u32 %r0, %tid.x;\n"
      "setp.lt.u32 p0, %r0, 32;\n"
      "mov.u32 %r1, 100;\n"
      "LOOP: sub.u32 %r1, %r1, 1; setp.ne.u32 p0, %r1, 0; @p0 bra LOOP;\n"
      "bar.sync 0;\n"
      "ret;\n",
      {.block = {128, 1, 1}});
  EXPECT_EQ(c->lines[5].warps, 4u);
  EXPECT_EQ(c->lines[5].threads, 128u);
  EXPECT_EQ(c->lines[4].threads, (100u * 3 - 1) * 128u)
      << "the last branch has no lane that takes it";
  EXPECT_EQ(c->profile.total().threads, c->thread_instructions);
  const auto families = c->profile.by_family();
  EXPECT_EQ(families.at("integer").threads, 100u * 128);
  EXPECT_EQ(families.at("logic").threads, 101u * 128) << "setp";
}

/// Counts of calls, for the list of observers.
struct Calls : Observer {
  void instruction(Warp&, const Instr&) override { ++instructions; }
  void access(const AccessEvent&) override { ++accesses; }
  void cta_ends(Cta&) override { ++ends; }
  int instructions = 0, accesses = 0, ends = 0;
};

TEST(ObserverList, TellsAll) {
  Calls one, two;
  ObserverList both;
  EXPECT_EQ(both.get(), nullptr);
  both.add(&one);
  both.add(nullptr);
  EXPECT_EQ(both.get(), &one);
  both.add(&two);
  Program program(
      ".entry k(.param .u64 p) { .reg .u64 %d0; ld.param.u64 %d0, [p]; st.global.u32 [%d0], 5; "
      "ret; }");
  program.machine().observe(both.get());
  EXPECT_EQ(program.run("k", {program.buffer(std::vector<std::uint32_t>(1))}, {.block = {1, 1, 1}}),
            "");
  for (const Calls& c : {one, two}) {
    EXPECT_EQ(c.instructions, 3);
    EXPECT_EQ(c.accesses, 2) << "the parameter and the store";
    EXPECT_EQ(c.ends, 1);
  }
}

}  // namespace
}  // namespace triptych::emulator::test

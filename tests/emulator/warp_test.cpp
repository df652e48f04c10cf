// ctest: labels=sanitize
// Exchanges among the lanes of a warp against the ISA's formulas, lane by lane.
#include <fmt/format.h>

#include <bit>
#include <cstdint>
#include <random>

#include "tests/emulator/thread_run.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("warp");

Words random_words(unsigned seed, std::size_t count = 32) {
  std::mt19937 random(seed);
  Words words(count);
  for (std::uint32_t& w : words) w = random();
  return words;
}

/// Runs a body that finds the lane's word of `in` in %u0 and leaves its result in %v.
Words from_words(const std::string& body, const Words& in, Mask lanes = all_lanes) {
  Program program(thread_kernel(fmt::format("mad.wide.u32 %a1, %i, 4, %a0;\nld.global.u32 %u0, [%a1];\nmov.u32 %u9, {};\nshr.u32 %u9, %u9, %i;\n"
                                            "and.b32 %u9, %u9, 1;\nsetp.eq.u32 p, %u9, 0;\n@p bra DONE;\n",
                                            lanes) + body));
  return run_threads(program, {}, program.buffer(in));
}

constexpr Mask some_lanes = 0x9E3779B5;
const std::string in_half = "selp.b32 %u1, 0x80000000, 0, q;\nor.b32 %v, %v, %u1;\n";   // the predicate in bit 31

struct ShuffleResult {
  int lane;
  bool inside;
};

/// The ISA's pseudocode of shfl.
ShuffleResult shuffle(const std::string& mode, int lane, std::uint32_t b, std::uint32_t c) {
  const int bval = static_cast<int>(b & 0x1F), cval = static_cast<int>(c & 0x1F), mask = static_cast<int>(c >> 8 & 0x1F);
  const int max_lane = (lane & mask) | (cval & ~mask), min_lane = lane & mask;
  int j = 0;
  bool inside = false;
  if (mode == "up") {
    j = lane - bval;
    inside = j >= max_lane;
  } else if (mode == "down") {
    j = lane + bval;
    inside = j <= max_lane;
  } else if (mode == "bfly") {
    j = lane ^ bval;
    inside = j <= max_lane;
  } else {
    j = min_lane | (bval & ~mask);
    inside = j <= max_lane;
  }
  return {inside ? j : lane, inside};
}

TEST(Warp, Shuffles) {
  const Words in = random_words(1);
  for (const std::string mode : {"up", "down", "bfly", "idx"}) {
    for (const std::uint32_t width : {1u, 2u, 8u, 16u, 32u}) {
      const std::uint32_t c = (32 - width) << 8 | (mode == "up" ? 0u : 31u);
      for (const std::uint32_t b : {0u, 1u, 2u, 5u, 8u, 16u, 31u, 33u}) {
        const std::string text = fmt::format("shfl.sync.{}.b32 %v|q, %u0, {}, {}, 0xFFFFFFFF;\nand.b32 %v, %v, 0x7FFFFFFF;\n", mode, b, c) + in_half;
        ASSERT_EQ(from_words(text, in), for_threads(32, [&](std::uint32_t i) {
                    const ShuffleResult r = shuffle(mode, static_cast<int>(i), b, c);
                    return (in[static_cast<std::size_t>(r.lane)] & 0x7FFFFFFF) | (r.inside ? 0x80000000 : 0);
                  })) << text;
      }
    }
  }
  // Lane and clamp of each lane's own, in place; without a predicate.
  EXPECT_EQ(from_words("mul.lo.u32 %u1, %i, 7;\nmov.u32 %v, %u0;\nshfl.sync.idx.b32 %v, %v, %u1, 31, -1;\n", in), for_threads(32, [&](std::uint32_t i) { return in[i * 7 % 32]; }));
}

TEST(Warp, ShufflesAmongSomeLanes) {
  const Words in = random_words(2);
  const auto out = from_words(fmt::format("shfl.sync.bfly.b32 %v, %u0, 4, 31, {};\n", 0x0F0F0F0Fu | 0xF0F0F0F0u), in);
  EXPECT_EQ(out[3], in[7]);
  EXPECT_EQ(from_words("shfl.sync.idx.b32 %v, %u0, 2, 31, 0x9E3779B5;\n", in, some_lanes), for_threads(32, [&](std::uint32_t i) { return (some_lanes >> i & 1) != 0 ? in[2] : 0; }));
}

/// Halves of a warp that execute one instruction, each with its own mask: tiles of cooperative groups.
TEST(Warp, LanesWithMasksOfTheirOwnTakeTurns) {
  const Words in = random_words(4);
  const std::string own = "setp.lt.u32 p, %i, 16;\nselp.b32 %u1, 0x0000ffff, 0xffff0000, p;\n";
  EXPECT_EQ(from_words(own + "redux.sync.xor.b32 %v, %u0, %u1;\n", in), for_threads(32, [&](std::uint32_t i) {
              std::uint32_t all = 0;
              for (std::uint32_t k = 0; k < 16; ++k) all ^= in[i / 16 * 16 + k];
              return all;
            }));
  EXPECT_EQ(from_words(own + "bar.warp.sync %u1;\nshfl.sync.down.b32 %v, %u0, 1, 0x100f, %u1;\n", in),
            for_threads(32, [&](std::uint32_t i) { return in[i % 16 == 15 ? i : i + 1]; }));
}

/// What reading a lane that does not take part gives is undefined, and observers hear of it.
TEST(Warp, UndefinedReadsAreReported) {
  class Listener : public Witness {
   public:
    void undefined(Warp&, Mask lanes, const std::string& what) override { heard += fmt::format("{:x}: {}\n", lanes, what); }
    void warp_synced(Warp&, Mask mask) override { synced = mask; }
    std::string heard;
    Mask synced = 0;
  };
  Program program(thread_kernel("setp.lt.u32 p, %i, 4;\n@p shfl.sync.down.b32 %v, %i, 1, 31, 15;\n"));
  Listener listener;
  program.machine().observe(&listener);
  run_threads(program, {});
  EXPECT_EQ(listener.heard, "8: reads from lane 4, which does not take part\n");
  EXPECT_EQ(listener.synced, 0u);   // it orders no memory
}

TEST(Warp, Votes) {
  for (const Mask lanes : {all_lanes, some_lanes, 0x00000100u}) {
    for (const std::uint32_t limit : {0u, 1u, 9u, 20u, 32u}) {
      const std::string test = fmt::format("setp.lt.u32 p, %i, {};\n", limit);
      Mask yes = 0;
      for (std::uint32_t i = 0; i < 32; ++i) yes |= (i < limit && (lanes >> i & 1) != 0 ? 1u : 0u) << i;
      const auto expect = [&](const std::string& body, std::uint32_t wanted) {
        EXPECT_EQ(from_words(test + body, Words(32), lanes), for_threads(32, [&](std::uint32_t i) { return (lanes >> i & 1) != 0 ? wanted : 0; })) << body << limit;
      };
      const auto vote = [&](const std::string& mode, const std::string& source) {
        return fmt::format("vote.sync.{}.pred q, {}, {};\nselp.b32 %v, 1, 2, q;\n", mode, source, lanes);
      };
      expect(vote("all", "p"), yes == lanes ? 1 : 2);
      expect(vote("all", "!p"), yes == 0 ? 1 : 2);
      expect(vote("any", "p"), yes != 0 ? 1 : 2);
      expect(vote("uni", "p"), yes == lanes || yes == 0 ? 1 : 2);
      for (const auto& [mode, wanted] : {std::pair{"all", yes == lanes}, {"any", yes != 0}, {"uni", yes == lanes || yes == 0}}) {
        expect(fmt::format("vote.{}.sync.pred q, p, {};\nselp.b32 %v, 1, 2, q;\n", mode, lanes), wanted ? 1 : 2);
      }
      expect(fmt::format("vote.ballot.sync.b32 %v, p, {};\n", lanes), yes);
      expect(fmt::format("vote.sync.ballot.b32 %v, p, {};\n", lanes), yes);
      expect(fmt::format("vote.sync.ballot.b32 %v, !p, {};\n", lanes), lanes & ~yes);
    }
  }
}

TEST(Warp, Matches) {
  for (const Mask lanes : {all_lanes, some_lanes}) {
    for (const std::uint32_t kinds : {1u, 3u, 32u}) {
      Words in = random_words(3);
      for (std::uint32_t& w : in) w %= kinds;
      const auto peers = [&](std::uint32_t i) {
        Mask same = 0;
        for (std::uint32_t k = 0; k < 32; ++k) same |= (in[k] == in[i] && (lanes >> k & 1) != 0 ? 1u : 0u) << k;
        return same;
      };
      const std::string wide = "mov.u32 %u1, 5;\nmov.b64 %a2, {%u1, %u0};\n";   // values differ in the upper half
      for (const bool is_wide : {false, true}) {
        const std::string source = is_wide ? "%a2" : "%u0", type = is_wide ? "b64" : "b32";
        EXPECT_EQ(from_words(wide + fmt::format("match.any.sync.{} %v, {}, {};\n", type, source, lanes), in, lanes),
                  for_threads(32, [&](std::uint32_t i) { return (lanes >> i & 1) != 0 ? peers(i) : 0; }));
        EXPECT_EQ(from_words(wide + fmt::format("match.all.sync.{} %v|q, {}, {};\nselp.b32 %u1, 1, 0, q;\nxor.b32 %v, %v, %u1;\n", type, source, lanes), in, lanes),
                  for_threads(32, [&](std::uint32_t i) { return (lanes >> i & 1) == 0 || peers(i) != lanes ? 0 : lanes ^ 1; }));
        EXPECT_EQ(from_words(wide + fmt::format("match.all.sync.{} %v, {}, {};\n", type, source, lanes), in, lanes),
                  for_threads(32, [&](std::uint32_t i) { return (lanes >> i & 1) == 0 || peers(i) != lanes ? 0 : lanes; }));
      }
    }
  }
}

TEST(Warp, Reductions) {
  const Words in = random_words(4);
  for (const Mask lanes : {all_lanes, some_lanes, 0x80000000u}) {
    const auto expect = [&](const std::string& op, auto&& f) {
      std::uint32_t wanted = in[static_cast<std::size_t>(std::countr_zero(lanes))];
      for (int l = std::countr_zero(lanes) + 1; l < 32; ++l) wanted = (lanes >> l & 1) != 0 ? f(wanted, in[static_cast<std::size_t>(l)]) : wanted;
      EXPECT_EQ(from_words(fmt::format("redux.sync.{} %v, %u0, {};\n", op, lanes), in, lanes),
                for_threads(32, [&](std::uint32_t i) { return (lanes >> i & 1) != 0 ? wanted : 0; })) << op;
    };
    using U = std::uint32_t;
    const auto s = [](U x) { return static_cast<std::int32_t>(x); };
    expect("add.u32", [](U a, U b) { return a + b; });
    expect("add.s32", [](U a, U b) { return a + b; });
    expect("min.u32", [](U a, U b) { return a < b ? a : b; });
    expect("max.u32", [](U a, U b) { return a > b ? a : b; });
    expect("min.s32", [&](U a, U b) { return s(a) < s(b) ? a : b; });
    expect("max.s32", [&](U a, U b) { return s(a) > s(b) ? a : b; });
    expect("and.b32", [](U a, U b) { return a & b; });
    expect("or.b32", [](U a, U b) { return a | b; });
    expect("xor.b32", [](U a, U b) { return a ^ b; });
  }
}

TEST(Warp, ElectionsAndActiveLanes) {
  for (const Mask lanes : {all_lanes, some_lanes, 0xFFFF0000u}) {
    const auto first = static_cast<std::uint32_t>(std::countr_zero(lanes));
    EXPECT_EQ(from_words(fmt::format("elect.sync %v|q, {};\nadd.u32 %v, %v, 1;\n@q add.u32 %v, %v, 100;\n", lanes), Words(32), lanes),
              for_threads(32, [&](std::uint32_t i) { return (lanes >> i & 1) == 0 ? 0 : first + 1 + (i == first ? 100 : 0); }));
    EXPECT_EQ(from_words(fmt::format("elect.sync _|q, {};\nselp.b32 %v, 1, 0, q;\n", lanes), Words(32), lanes), for_threads(32, [&](std::uint32_t i) { return i == first ? 1u : 0u; }));
    EXPECT_EQ(from_words("activemask.b32 %v;\n", Words(32), lanes), for_threads(32, [&](std::uint32_t i) { return (lanes >> i & 1) != 0 ? lanes : 0; }));
  }
}

/// Lanes that come late are waited for; those that have ended are not.
TEST(Warp, LanesOfTheMaskAreWaitedFor) {
  const std::string late = "setp.lt.u32 p, %i, 8;\nmov.u32 %u1, 0;\n@p bra MEET;\nL:\nadd.u32 %u1, %u1, 1;\nsetp.lt.u32 q, %u1, %i;\n@q bra L;\nMEET:\n"
                           "redux.sync.add.u32 %v, %u1, 0xFFFFFFFF;\n";
  EXPECT_EQ(values_of("", late), for_threads(32, [](std::uint32_t) { return (8u + 31u) * 24 / 2; }));
  EXPECT_EQ(values_of("", "setp.lt.u32 p, %i, 8;\n@p exit;\nvote.sync.ballot.b32 %v, !p, -1;\n"), for_threads(32, [](std::uint32_t i) { return i < 8 ? 0xDEADu : 0xFFFFFF00u; }));
}

TEST(Warp, MisuseIsAFault) {
  expect_report(fault_of("", "shfl.sync.idx.b32 %v, %i, 0, 31, 0xFFFF;\n"), {"shfl.sync.idx.b32: a lane executes it with a membermask that it is not in", "lanes 16-31]"});
  expect_report(fault_of("", "setp.lt.u32 p, %i, 8;\n@p redux.sync.add.u32 %v, %i, 0xFFF;\n@!p bar.sync 0;\n"),
                {"deadlock", "redux.sync.add.u32 [kernel k, CTA 0,0,0, warp 0, lanes 0-7] waits for other lanes of its warp to come here"});
}

/// Values may be floating-point numbers where they only move; masks, counts and positions may not.
TEST(Warp, OperandsThatMustBeIntegers) {
  const auto error = [](const std::string& instruction) { return error_of(thread_kernel(".reg .f32 %f<3>;\n.reg .f64 %d;\n" + instruction + "\n")); };
  EXPECT_EQ(error("shfl.sync.idx.b32 %f0, %f1, %u0, 31, -1;\nmatch.any.sync.b32 %v, %f0, -1;\nmatch.any.sync.b64 %v, %d, -1;\nvote.sync.ballot.b32 %f0, p, -1;\nactivemask.b32 %f0;"), "");
  for (const std::string wrong : {"shfl.sync.idx.b32 %v, %u0, 0, 31, %f0;", "match.any.sync.b32 %f0, %u0, -1;", "match.all.sync.b32 %f0|p, %u0, -1;", "match.any.sync.b32 %v, %u0, %f0;",
                                  "vote.sync.ballot.b32 %v, p, %f0;", "redux.sync.and.b32 %v, %f0, -1;", "redux.sync.and.b32 %f0, %v, -1;", "redux.sync.add.u32 %v, %v, %f0;",
                                  "elect.sync %f0|p, -1;", "elect.sync %v|p, %f0;"}) {
    EXPECT_NE(error(wrong), "") << wrong;
  }
}

}  // namespace
}  // namespace triptych::emulator::test

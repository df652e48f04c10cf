// ctest: timeout=30 labels=sanitize
// When CTAs and warps run and wait, in ticks.
#include "emulator/instrument/timeline.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "emulator/tool/trace_json.h"
#include "tests/emulator/ptx_run.h"

namespace triptych::emulator::test {
namespace {

/// Warp 0 loops before it comes to the barrier; the others wait there.
const std::string kernel = R"(.entry k(.param .u64 out) {
    .reg .pred p; .reg .u32 %t, %n;
    mov.u32 %t, %tid.x;
    setp.ge.u32 p, %t, 32;
    @p bra MEET;
    mov.u32 %n, 5000;
  LOOP:
    sub.u32 %n, %n, 1;
    setp.ne.u32 p, %n, 0;
    @p bra LOOP;
  MEET:
    bar.sync 0;
    ret;
  })";

struct Traced {
  std::unique_ptr<Program> program;
  Timeline timeline;
  std::uint64_t ticks = 0;
};

std::unique_ptr<Traced> trace(std::uint32_t ctas, int sms) {
  auto traced = std::make_unique<Traced>();
  MachineOptions options;
  options.devices[0].sms = sms;
  traced->program = std::make_unique<Program>(kernel, options);
  Program& program = *traced->program;
  program.machine().observe(&traced->timeline);
  EXPECT_EQ(program.run("k", {0}, {.grid = {ctas, 1, 1}, .block = {128, 1, 1}}), "");
  traced->ticks = program.machine().now();
  return traced;
}

TEST(Timeline, WarpsWaitAtTheBarrierWhileOneLoops) {
  const auto traced = trace(1, 1);
  const Timeline& t = traced->timeline;
  ASSERT_EQ(t.ctas().size(), 1u);
  EXPECT_LE(t.ctas()[0].end, traced->ticks);
  std::array<std::uint64_t, 4> waited{}, ran{};
  for (const auto& s : t.warps()) {
    ASSERT_LE(s.begin, s.end);
    EXPECT_GE(s.begin, t.ctas()[0].begin);
    EXPECT_LE(s.end, t.ctas()[0].end);
    const auto w = static_cast<std::size_t>(s.warp);
    (s.kind == Wait::Kind::none ? ran : waited)[w] += s.end - s.begin;
    if (s.kind == Wait::Kind::none) continue;
    EXPECT_EQ(s.what, "barrier 0");
    EXPECT_EQ(s.at->opcode, "bar.sync");
    EXPECT_TRUE(s.whole);
  }
  EXPECT_EQ(waited[0], 0u) << "the last to come";
  EXPECT_GE(ran[0], 15000u) << "5,000 turns of three instructions";
  for (std::size_t w = 1; w < 4; ++w) {
    EXPECT_GE(waited[w], 14000u) << w;
    EXPECT_LE(ran[w], 20u) << w;
  }
}

TEST(Timeline, CtasOnOneSmHaveSlotsOfTheirOwn) {
  const auto traced = trace(4, 2);
  std::map<int, std::vector<int>> slots;
  for (const auto& c : traced->timeline.ctas()) slots[c.sm].push_back(c.slot);
  EXPECT_EQ(slots, (std::map<int, std::vector<int>>{{0, {0, 1}}, {1, {0, 1}}}));
}

TEST(Timeline, WhatHasNoRoomIsCounted) {
  Timeline little(3);
  Program program(kernel);
  program.machine().observe(&little);
  EXPECT_EQ(program.run("k", {0}, {.block = {128, 1, 1}}), "");
  EXPECT_EQ(little.warps().size(), 3u);
  EXPECT_GT(little.dropped(), 0u);
}

TEST(Timeline, AsAChromeTrace) {
  const auto traced = trace(2, 2);
  const auto json = nlohmann::json::parse(trace_json(traced->timeline, "k"));
  EXPECT_NE(json["otherData"]["unit"].get<std::string>().find("ticks"), std::string::npos);
  int ctas = 0, runs = 0, waits = 0, processes = 0;
  // Slices of one track nest or do not meet.
  std::map<std::pair<int, int>, std::vector<std::pair<std::uint64_t, std::uint64_t>>> tracks;
  for (const auto& e : json["traceEvents"]) {
    if (e["ph"] == "M") processes += e["name"] == "process_name" ? 1 : 0;
    if (e["ph"] != "X") continue;
    ctas += e["cat"] == "cta" ? 1 : 0;
    runs += e["cat"] == "run" ? 1 : 0;
    waits += e["cat"] == "wait" ? 1 : 0;
    const std::uint64_t begin = e["ts"], length = e["dur"];
    tracks[{e["pid"], e["tid"]}].emplace_back(begin, begin + length);
  }
  EXPECT_EQ(processes, 2);
  EXPECT_EQ(ctas, 2);
  EXPECT_GE(runs, 8);
  EXPECT_EQ(waits, 6) << "three warps of each CTA";
  for (auto& [track, slices] : tracks) {
    std::sort(slices.begin(), slices.end());
    for (std::size_t i = 1; i < slices.size(); ++i)
      EXPECT_LE(slices[i - 1].second, slices[i].first) << track.first << " " << track.second;
  }
}

}  // namespace
}  // namespace triptych::emulator::test

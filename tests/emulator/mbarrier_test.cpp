// ctest: labels=sanitize
// mbarriers against a model of the ISA's rules, and pipelines that they carry.
#include <fmt/format.h>

#include <cstdint>
#include <random>

#include "tests/emulator/thread_run.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("mbarrier");

/// The object as the ISA describes it.
struct Model {
  int pending, expected, tx = 0, phase = 0;
  void settle() {
    if (pending != 0 || tx != 0) return;
    phase ^= 1;
    pending = expected;
  }
};

/// One of the spellings of an address: in the space that an opcode names.
struct Spelling {
  std::string space, address;
  bool cluster;   ///< the state is _
};
const std::vector<Spelling> spellings = {{"", "%a3", false}, {".shared", "%w0", false}, {".shared::cta", "%w0", false},
                                         {".shared::cluster", "%w0", true}, {"", "%a3", true}};
/// The barrier of lane 0: %w0, and %a3 as a generic address.
const std::string declare = fmt::format(".shared .align 8 .b64 bars[8];\nmov.u32 %w0, bars;\nmov.b64 %a3, {{%w0, 0}};\nor.b64 %a3, %a3, {};\n", window::shared);

/// Writes a program of random operations and what it is expected to record.
class Script {
 public:
  explicit Script(unsigned seed) : random_(seed) {
    const int count = 2 + static_cast<int>(random_() % 6);
    model_ = {count, count};
    const std::string space = seed % 3 == 0 ? ".shared" : seed % 3 == 1 ? ".shared::cta" : "";
    text_ = fmt::format("mbarrier.init{}.b64 [{}], {};\n", space, space.empty() ? "%a3" : "%w0", count);
    for (int n = 0; n < 40; ++n) step();
    text_ += fmt::format("mbarrier.inval{}.b64 [{}];\n", space, space.empty() ? "%a3" : "%w0");
  }
  std::string text() const { return text_; }
  const Words& recorded() const { return recorded_; }

 private:
  int draw(int count) { return static_cast<int>(random_() % static_cast<unsigned>(count)); }
  void record(const std::string& reg, std::uint32_t wanted) {
    text_ += fmt::format("st.global.u32 [%a0+{}], {};\n", 4 * recorded_.size(), reg);
    recorded_.push_back(wanted);
  }
  /// Order and scope, both or none.
  std::string order(const std::vector<std::string>& orders) {
    const std::string scopes[] = {".cta", ".cluster"};
    return draw(3) == 0 ? "" : orders[static_cast<std::size_t>(draw(static_cast<int>(orders.size())))] + scopes[draw(2)];
  }
  const Spelling& spelling(bool own) { return spellings[static_cast<std::size_t>(draw(own ? 3 : 5))]; }

  void step() {
    if (model_.pending == 0 || (model_.tx != 0 && draw(4) == 0)) {
      // Bytes arrive: all of them, or before the arrivals are complete too many for a while.
      const int more = model_.pending == 0 ? 0 : 16 * draw(2);
      change_bytes(false, model_.tx + more);
      if (more != 0) change_bytes(true, more);
    } else if (draw(5) == 0) {
      change_bytes(true, 16 * draw(9));
    } else {
      arrive();
    }
    look();
  }

  void change_bytes(bool expect, int bytes) {
    const Spelling& s = spelling(false);
    text_ += fmt::format("mbarrier.{}{}{}.b64 [{}], {};\n", expect ? "expect_tx" : "complete_tx", order({".relaxed"}), s.space, s.address, bytes);
    model_.tx += expect ? bytes : -bytes;
    if (!expect) model_.settle();
  }

  void arrive() {
    const Spelling& s = spelling(false);
    const bool drop = model_.expected > 2 && draw(5) == 0;
    const int most = drop ? std::min(model_.pending, model_.expected - 1) : model_.pending;
    enum { plain, counted, bytes, no_complete } kind = static_cast<decltype(plain)>(draw(4));
    if (kind == no_complete && (s.cluster || most < 2)) kind = plain;
    const int count = kind == counted ? 1 + draw(most) : kind == no_complete ? 1 + draw(most - 1) : 1;
    const int tx = kind == bytes ? 32 * draw(5) : 0;
    const std::string modifiers = kind == bytes ? ".expect_tx" : kind == no_complete ? ".noComplete" : "";
    const std::string how = kind == no_complete ? (draw(2) == 0 ? "" : ".release.cta") : order({".release", ".relaxed"});
    const std::string number = kind == bytes ? fmt::format(", {}", tx) : kind == plain ? "" : fmt::format(", {}", count);
    text_ += fmt::format("mbarrier.arrive{}{}{}{}.b64 {}, [{}]{};\n", drop ? "_drop" : "", modifiers, how, s.space, s.cluster ? "_" : "%a1", s.address, number);
    const Model before = model_;
    model_.tx += tx;
    model_.pending -= count;
    if (drop) model_.expected -= count;
    model_.settle();
    if (s.cluster) return;
    text_ += "mbarrier.pending_count.b64 %u2, %a1;\n";
    record("%u2", static_cast<std::uint32_t>(before.pending));
    // Is the token's phase over?
    const Spelling& own = spelling(true);
    text_ += fmt::format("mbarrier.test_wait{}{}.b64 q, [{}], %a1;\nselp.b32 %u3, 1, 0, q;\n", order({".acquire", ".relaxed"}), own.space, own.address);
    record("%u3", model_.phase != before.phase ? 1 : 0);
  }

  /// A phase is over if the current one has the other parity.
  void look() {
    const Spelling& s = spelling(true);
    const int parity = draw(2);
    text_ += fmt::format("mbarrier.test_wait.parity{}{}.b64 q, [{}], {};\nselp.b32 %u3, 1, 0, q;\n", order({".acquire", ".relaxed"}), s.space, s.address, parity);
    record("%u3", model_.phase != parity ? 1 : 0);
  }

  std::mt19937 random_;
  Model model_{};
  std::string text_;
  Words recorded_;
};

TEST(Mbarrier, FollowsTheModel) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    const Script script(seed);
    Program program(thread_kernel(declare + script.text()));
    const std::uint64_t in = program.buffer(Words(256));
    const Shape one = {.block = {1, 1, 1}};
    run_threads(program, one, in);
    ASSERT_EQ(program.read<std::uint32_t>(in, script.recorded().size()), script.recorded()) << script.text();
  }
}

/// Each lane arrives; the phase ends with the last one.
TEST(Mbarrier, LanesArriveOneAfterAnother) {
  const std::string body = declare + "setp.eq.u32 p, %i, 0;\n@p mbarrier.init.shared.b64 [%w0], 32;\nbar.warp.sync -1;\nmbarrier.arrive.shared.b64 %a1, [%w0];\n"
                                     "mbarrier.pending_count.b64 %v, %a1;\nmbarrier.test_wait.shared.b64 q, [%w0], %a1;\n@q add.u32 %v, %v, 100;\n";
  EXPECT_EQ(values_of("", body), for_threads(32, [](std::uint32_t i) { return 132 - i; }));
}

/// Warp 0 fills a ring of two stages, warp 1 empties it: with every kind of wait and under many seeds.
TEST(Mbarrier, CarriesAPipeline) {
  const std::string orders[] = {"", ".acquire.cta", ".relaxed.cluster", ".acquire.cluster", ".relaxed.cta"};
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const std::string order = orders[seed % 5], space = seed % 2 == 0 ? ".shared" : ".shared::cta", time = seed % 3 == 0 ? ", 50" : "";
    const std::string wait = "mbarrier." + std::string(seed % 4 == 3 ? "test" : "try") + "_wait.parity" + order + space + ".b64 q, ";
    const auto wait_for = [&](const std::string& label, const std::string& bar, const std::string& parity) {
      return label + ":\n" + wait + "[" + bar + "], " + parity + (seed % 4 == 3 ? "" : time) + ";\n@!q bra " + label + ";\n";
    };
    // bars: full[2], empty[2]; stage s = n & 1, its phase n >> 1 & 1.
    const std::string body = declare + R"(
      .shared .align 4 .b32 ring[64];
      setp.eq.u32 p, %i, 0;
      @p mbarrier.init.shared.b64 [%w0], 32;
      @p mbarrier.init.shared.b64 [%w0+8], 32;
      @p mbarrier.init.shared.b64 [%w0+16], 32;
      @p mbarrier.init.shared.b64 [%w0+24], 32;
      bar.sync 0;
      mov.u32 %u0, 0;
      and.b32 %u4, %i, 31;
      setp.ge.u32 p, %i, 32;
    NEXT:
      and.b32 %u1, %u0, 1;
      shr.u32 %u2, %u0, 1;
      and.b32 %u2, %u2, 1;
      xor.b32 %u3, %u2, 1;
      mad.lo.u32 %w1, %u1, 8, %w0;
      mov.u32 %w2, ring;
      mad.lo.u32 %w2, %u1, 128, %w2;
      mad.lo.u32 %w2, %u4, 4, %w2;
      @p bra CONSUME;
    )" + wait_for("FREE", "%w1+16", "%u3") + R"(
      mad.lo.u32 %u5, %u0, %u0, %i;
      st.shared.u32 [%w2], %u5;
      mbarrier.arrive.shared.b64 %a1, [%w1];
      bra STEP;
    CONSUME:
    )" + wait_for("FULL", "%w1", "%u2") + R"(
      ld.shared.u32 %u5, [%w2];
      mad.lo.u32 %v, %v, 3, %u5;
      mbarrier.arrive.shared.b64 %a1, [%w1+16];
    STEP:
      add.u32 %u0, %u0, 1;
      setp.lt.u32 r, %u0, 20;
      @r bra NEXT;
    )";
    MachineOptions options;
    options.devices[0].sms = 1;
    options.seed = seed;
    Program program(thread_kernel(body), options);
    EXPECT_EQ(run_threads(program, {.block = {64, 1, 1}}), for_threads(64, [](std::uint32_t i) {
                std::uint32_t v = 0;
                for (std::uint32_t n = 0; n < 20 && i >= 32; ++n) v = 3 * v + n * n + i - 32;
                return v;
              })) << seed;
  }
}

TEST(Mbarrier, WaitsMayGiveUp) {
  for (const std::string space : {"", ".shared", ".shared::cta"}) {
    const std::string at = space.empty() ? "[%a3]" : "[%w0]";
    for (const std::string how : {"", ".acquire.cta", ".relaxed.cluster"}) {
      for (const std::string time : {"", ", 1000"}) {
        const std::string body = declare + "mbarrier.init.shared.b64 [%w0], 2;\nmbarrier.arrive.shared.b64 %a1, [%w0];\nmov.u64 %a4, %clock64;\n"
                                 "mbarrier.try_wait" + how + space + ".b64 q, " + at + ", %a1" + time + ";\n@q add.u32 %v, %v, 1;\n"
                                 "mbarrier.try_wait.parity" + how + space + ".b64 q, " + at + ", 0" + time + ";\n@q add.u32 %v, %v, 2;\n"
                                 "mov.u64 %a5, %clock64;\nsub.u64 %a5, %a5, %a4;\nsetp.ge.u64 p, %a5, 2000;\n@p add.u32 %v, %v, 4;\n"
                                 "mbarrier.try_wait.parity" + how + space + ".b64 q, " + at + ", 1" + time + ";\n@q add.u32 %v, %v, 8;\n"
                                 "mbarrier.arrive.shared.b64 %a2, [%w0];\nmbarrier.try_wait" + how + space + ".b64 q, " + at + ", %a1" + time + ";\n@q add.u32 %v, %v, 16;\n";
        EXPECT_EQ(values_of("", body, 1), Words{time.empty() ? 24u : 28u}) << how << space << time;
      }
    }
  }
}

TEST(Mbarrier, MisuseIsAFault) {
  const auto fault = [](const std::string& body) { return fault_of("", declare + body, {.block = {1, 1, 1}}); };
  const std::string init = "mbarrier.init.shared.b64 [%w0], 1;\n";
  expect_report(fault("mbarrier.arrive.shared.b64 %a1, [%w0];\n"), {"mbarrier.arrive.shared.b64: mbarrier: the object is not initialised"});
  expect_report(fault("mbarrier.test_wait.parity.shared.b64 q, [%w0], 0;\n"), {"a wait on an object that is not initialised"});
  expect_report(fault(init + "mbarrier.inval.shared.b64 [%w0];\nmbarrier.inval.shared.b64 [%w0];\n"), {"mbarrier.inval of an object that is not initialised"});
  expect_report(fault("mbarrier.init.shared.b64 [%w0], 0;\n"), {"a count of 0; wanted 1 … 2^20 - 1"});
  expect_report(fault("mbarrier.init.shared.b64 [%w0], 1048576;\n"), {"a count of 1048576"});
  expect_report(fault(init + "mbarrier.arrive.shared.b64 %a1, [%w0], 2;\n"), {"an arrival of 2 where 1 are pending"});
  expect_report(fault(init + "mbarrier.arrive.shared.b64 %a1, [%w0], 0;\n"), {"an arrival that counts 0"});
  expect_report(fault(init + "mbarrier.arrive.noComplete.shared.b64 %a1, [%w0], 1;\n"), {"arrive.noComplete completed the phase"});
  expect_report(fault(init + "mbarrier.expect_tx.shared.b64 [%w0], 1048575;\nmbarrier.expect_tx.shared.b64 [%w0], 1;\n"), {"more than 2^20 - 1 bytes"});
  expect_report(fault("mbarrier.init.shared.b64 [%w0+4], 1;\n"), {"not a multiple of 8"});
  expect_report(fault("mbarrier.init.b64 [%a0], 1;\n"), {"an mbarrier that is not in shared memory"});
  expect_report(fault(init + "L:\nmbarrier.try_wait.parity.shared.b64 q, [%w0], 0;\n@!q bra L;\n"), {"deadlock", "mbarrier.try_wait.parity.shared.b64 [kernel k"});
}

/// Tokens, counts and bytes are integers: registers of floating-point types are refused.
TEST(Mbarrier, OperandsAreIntegers) {
  const auto error = [](const std::string& instruction) { return error_of(thread_kernel(declare + ".reg .f64 %d;\n.reg .f32 %f;\n.reg .s64 %s;\n" + instruction)); };
  EXPECT_EQ(error("mbarrier.arrive.shared.b64 %s, [%w0];\nmbarrier.test_wait.shared.b64 q, [%w0], %s;\n"), "");
  for (const std::string wrong : {"mbarrier.arrive.shared.b64 %d, [%w0];", "mbarrier.arrive.noComplete.shared.b64 %d, [%w0], 1;", "mbarrier.arrive_drop.shared.b64 %d, [%w0];",
                                  "mbarrier.arrive.shared.b64 %a1, [%w0], %f;", "mbarrier.expect_tx.shared.b64 [%w0], %f;", "mbarrier.init.shared.b64 [%w0], %f;",
                                  "mbarrier.test_wait.shared.b64 q, [%w0], %d;", "mbarrier.try_wait.shared.b64 q, [%w0], %d;", "mbarrier.pending_count.b64 %v, %d;",
                                  "mbarrier.pending_count.b64 %f, %a1;"}) {
    EXPECT_NE(error(wrong + "\n"), "") << wrong;
  }
}

}  // namespace
}  // namespace triptych::emulator::test

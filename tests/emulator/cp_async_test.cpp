// ctest: labels=sanitize
// cp.async: what arrives, when it is there, and that nothing is there before it has to be.
#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <random>

#include "tests/emulator/thread_run.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("cp_async");

std::vector<std::uint8_t> random_bytes(std::size_t count, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> bytes(count);
  for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(random());
  return bytes;
}

/// 512 bytes of shared memory at %w0, 16 for each lane at %w1; each lane's 64 bytes of `in` at %a1: source, and from
/// byte 32 on what is left to see of the result.
const std::string declare = ".shared .align 128 .b8 space[1024];\n.shared .align 8 .b64 bars[32];\n.reg .b64 %policy;\ncreatepolicy.fractional.L2::evict_first.b64 %policy, 0f3F800000;\n"
                            "mov.u32 %w0, space;\nmad.lo.u32 %w1, %i, 16, %w0;\nmad.wide.u32 %a1, %i, 64, %a0;\n";
const std::string fill = "mov.u32 %u0, 0xA5A5A5A5;\nst.shared.v4.b32 [%w1], {%u0, %u0, %u0, %u0};\n";
const std::string keep = "ld.shared.v4.b32 {%u2, %u3, %u4, %u5}, [%w1];\nst.global.v4.b32 [%a1+32], {%u2, %u3, %u4, %u5};\n";

/// Runs cp.async with a source of `source` bytes (of 16 random ones) a lane, and compares.
template <class Bytes>
void expect_copy(const std::string& copy, int size, Bytes&& read, const std::string& wait = "cp.async.wait_all;\n") {
  SCOPED_TRACE(copy + wait);
  Program program(thread_kernel(declare + fill + "and.b32 %u8, %i, 1;\nsetp.eq.u32 p, %u8, 0;\n" + copy + wait + keep));
  const auto in = random_bytes(32 * 64);
  const std::uint64_t at = program.buffer(in);
  run_threads(program, {}, at);
  const auto out = program.read<std::uint8_t>(at, in.size());
  for (std::size_t l = 0; l < 32; ++l) {
    std::vector<std::uint8_t> wanted(16, 0xA5);
    for (int b = 0; b < size; ++b) wanted[static_cast<std::size_t>(b)] = b < read(static_cast<int>(l)) ? in[l * 64 + static_cast<std::size_t>(b)] : 0;
    ASSERT_EQ(std::vector<std::uint8_t>(&out[l * 64 + 32], &out[l * 64 + 48]), wanted) << l;
  }
}

TEST(CpAsync, CopiesOfLanes) {
  for (const std::string cache : {"ca", "cg"}) {
    for (const std::string shared : {".shared", ".shared::cta"}) {
      for (const std::string ahead : {"", ".L2::64B", ".L2::128B", ".L2::256B"}) {
        for (const std::string hint : {"", ".L2::cache_hint"}) {
          const std::string opcode = "cp.async." + cache + shared + ".global" + hint + ahead, tail = hint.empty() ? ";\n" : ", %policy;\n";
          for (const int size : {4, 8, 16}) {
            if (cache == "cg" && size != 16) continue;
            expect_copy(fmt::format("{} [%w1], [%a1], {}", opcode, size) + tail, size, [&](int) { return size; });
            expect_copy(fmt::format("rem.u32 %u7, %i, {};\n{} [%w1], [%a1], {}, %u7", size + 1, opcode, size) + tail, size, [&](int l) { return l % (size + 1); });
            expect_copy(fmt::format("{} [%w1], [%a1], {}, p", opcode, size) + tail, size, [&](int l) { return l % 2 == 0 ? 0 : size; });
          }
        }
      }
    }
  }
  expect_copy("@p cp.async.ca.shared.global [%w1], [%a1], 4;\n@!p cp.async.ca.shared.global [%w1], [%a1], 4, 2;\n", 4, [](int l) { return l % 2 == 0 ? 4 : 2; });
}

/// Groups complete in order: all but the newest n are there after wait_group n, and the data was read late.
TEST(CpAsync, GroupsOfCopies) {
  const std::string one = "cp.async.ca.shared.global [%w1], [%a1], 8;\ncp.async.commit_group;\n";
  expect_copy(one + "cp.async.ca.shared.global [%w1+8], [%a1+8], 8;\ncp.async.commit_group;\n", 16, [](int) { return 16; }, "cp.async.wait_group 0;\n");
  expect_copy(one, 8, [](int) { return 8; }, "cp.async.commit_group;\ncp.async.wait_group 1;\n");   // an empty group counts
  expect_copy(one, 8, [](int) { return 8; }, "setp.ne.u32 q, %i, 40;\n@q bra L;\nL:\ncp.async.wait_group 0;\n");
  // Lanes that commit apart, and wait each for their own.
  expect_copy("@p bra EVEN;\n" + one + "bra JOIN;\nEVEN:\ncp.async.ca.shared.global [%w1], [%a1], 8;\ncp.async.commit_group;\ncp.async.commit_group;\nJOIN:\n", 8, [](int) { return 8; },
              "cp.async.wait_group 0;\n");
}

/// Without a wait nothing is there yet.
TEST(CpAsync, CopiesTakeTime) {
  expect_copy("ld.global.u32 %u6, [%a1];\n", 0, [](int) { return 0; }, "cp.async.ca.shared.global [%w1], [%a1], 16;\n");
  expect_copy("cp.async.ca.shared.global [%w1], [%a1], 8;\n", 0, [](int) { return 0; }, "cp.async.commit_group;\ncp.async.wait_group 1;\n");
  expect_copy("cp.async.ca.shared.global [%w1], [%a1], 8;\n", 8, [](int) { return 8; }, "nanosleep.u32 5000;\n");
}

TEST(CpAsync, CopiesArriveAtBarriers) {
  for (const std::string space : {".shared", ".shared::cta", ""}) {
    for (const bool noinc : {false, true}) {
      const std::string at = space.empty() ? "%a3" : "%w2";
      const std::string body = fmt::format(
          "mov.u32 %w2, bars;\nmov.b64 %a3, {{%w2, 0}};\nor.b64 %a3, %a3, {0};\nsetp.eq.u32 q, %i, 0;\n@q mbarrier.init.shared.b64 [%w2], {1};\nbar.warp.sync -1;\n"
          "cp.async.ca.shared.global [%w1], [%a1], 16;\ncp.async.mbarrier.arrive{2}{3}.b64 [{4}];\n{5}",
          window::shared, noinc ? 32 : 1, noinc ? ".noinc" : "", space, at, noinc ? "" : "@q mbarrier.arrive.shared.b64 %a4, [%w2];\n");
      expect_copy(body, 16, [](int) { return 16; }, "WAIT:\nmbarrier.try_wait.parity.shared.b64 q, [%w2], 0;\n@!q bra WAIT;\n");
    }
  }
}

TEST(CpAsync, WrongCopiesAreFaults) {
  const auto fault = [](const std::string& body) { return fault_of("", declare + body); };
  expect_report(fault("cp.async.ca.shared.global [%w1], [%a1], 8, 9;\n"), {"cp.async.ca.shared.global: cp.async with a source of 9 bytes for a destination of 8"});
  expect_report(fault("cp.async.ca.shared.global [%w1+4], [%a1], 8;\n"), {"not a multiple of 8"});
  expect_report(fault("cp.async.ca.shared.global [%w1], [%a1+2], 4;\n"), {"not a multiple of 4"});
  expect_report(fault("add.u64 %a1, %a1, 1000000;\ncp.async.ca.shared.global [%w1], [%a1], 4;\n"), {"global load of 4 bytes"});
  EXPECT_EQ(fault("add.u64 %a1, %a1, 1000000;\ncp.async.ca.shared.global [%w1], [%a1], 4, 0;\ncp.async.wait_all;\n"), "") << "what reads nothing may point anywhere";
  EXPECT_NE(error_of(thread_kernel(declare + "cp.async.cg.shared.global [%w1], [%a1], 8;\n")), "");
  EXPECT_NE(error_of(thread_kernel(declare + "cp.async.ca.shared.global [%w1], [%a1], 12;\n")), "");
}

}  // namespace
}  // namespace triptych::emulator::test

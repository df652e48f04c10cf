// ctest: labels=sanitize
// Bulk copies and reductions, and stores that announce their bytes: what arrives, and when it is there.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>

#include "tests/emulator/exact.h"
#include "tests/emulator/thread_run.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("bulk");

std::vector<std::uint8_t> random_bytes(std::size_t count, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> bytes(count);
  for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(random());
  return bytes;
}

/// One thread; shared memory at %w0, a barrier for one arrival at %w2. Reads `in` and leaves results in global memory 1024
/// bytes on.
const std::string bulk = ".shared .align 128 .b8 space[1024];\n.shared .align 8 .b64 bars[32];\n.reg .b64 %policy;\n"
                         "createpolicy.fractional.L2::evict_first.b64 %policy, 0f3F800000;\nmov.u32 %w0, space;\nmov.u32 %w2, bars;\nmbarrier.init.shared.b64 [%w2], 1;\n";
const std::string expect_512 = "mbarrier.arrive.expect_tx.shared.b64 %a4, [%w2], 512;\n";
const std::string wait_for_bar = "WAIT:\nmbarrier.try_wait.parity.shared.b64 q, [%w2], 0;\n@!q bra WAIT;\n";
const Shape one_thread = {.block = {1, 1, 1}};

/// Copies between shared memory and `in` by ordinary instructions.
std::string by_hand(const std::string& load, const std::string& store, int bytes) {
  std::string text;
  for (int b = 0; b < bytes; b += 16) {
    text += fmt::format("ld.{0}.v4.b32 {{%u2, %u3, %u4, %u5}}, [{1}+{4}];\nst.{2}.v4.b32 [{3}+{4}], {{%u2, %u3, %u4, %u5}};\n", load.substr(0, 6), load.substr(7),
                        store.substr(0, 6), store.substr(7), b);
  }
  return text;
}
const std::string to_shared = by_hand("global %a0", "shared %w0", 512), from_shared = by_hand("shared %w0", "global %a0+1024", 512);

std::vector<std::uint8_t> after(const std::string& body, const std::vector<std::uint8_t>& in, const Shape& shape = one_thread, std::uint64_t seed = 0) {
  MachineOptions options;
  options.devices[0].sms = 4;
  options.seed = seed;
  Program program(thread_kernel(body), options);
  const std::uint64_t at = program.buffer(in);
  run_threads(program, shape, at);
  return program.read<std::uint8_t>(at, in.size());
}
std::vector<std::uint8_t> part(const std::vector<std::uint8_t>& bytes, std::size_t from, std::size_t count) {
  return {bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.begin() + static_cast<std::ptrdiff_t>(from + count)};
}

TEST(Bulk, CopiesToSharedMemory) {
  const auto in = random_bytes(2048);
  for (const std::string shared : {"shared::cta", "shared::cluster"}) {
    for (const std::string hint : {"", ".L2::cache_hint"}) {
      const std::string copy = "cp.async.bulk." + shared + ".global.mbarrier::complete_tx::bytes" + hint + " [%w0], [%a0], 512, [%w2]" + (hint.empty() ? "" : ", %policy") + ";\n";
      const auto out = after(bulk + expect_512 + copy + wait_for_bar + from_shared, in);
      EXPECT_EQ(part(out, 1024, 512), part(in, 0, 512)) << copy;
      EXPECT_NE(part(after(bulk + expect_512 + copy + from_shared, in), 1024, 512), part(in, 0, 512)) << "it takes time";
    }
  }
  const std::string within = "cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%w0], [%w0+256], 256, [%w2];\nmbarrier.expect_tx.shared.b64 [%w2], 256;\n"
                             "mbarrier.arrive.shared.b64 %a4, [%w2];\n";
  EXPECT_EQ(part(after(bulk + to_shared + within + wait_for_bar + from_shared, in), 1024, 256), part(in, 256, 256));
  EXPECT_EQ(after(bulk + "cp.async.bulk.prefetch.L2.global [%a0], 512;\ncp.async.bulk.prefetch.L2.global.L2::cache_hint [%a0], 512, %policy;\n", in), in);
}

/// The same bytes to the same place of every CTA in the mask, each of which has its own barrier.
TEST(Bulk, CopiesToManyCTAs) {
  const auto in = random_bytes(1024 + 4 * 512);
  for (const std::string hint : {"", ".L2::cache_hint"}) {
    const std::string body = bulk + expect_512 + R"(
      barrier.cluster.arrive;
      barrier.cluster.wait;
      .reg .b16 %mask;
      mov.u16 %mask, 13;
      setp.eq.u32 p, %i, 0;
      @p cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster)" + hint + " [%w0], [%a0], 512, [%w2], %mask" + (hint.empty() ? "" : ", %policy") + R"(;
      setp.eq.u32 r, %i, 1;
      @r bra DONE;
    )" + wait_for_bar + "mad.wide.u32 %a0, %i, 512, %a0;\n" + from_shared;
    const auto out = after(body, in, {.grid = {4, 1, 1}, .block = {1, 1, 1}, .cluster = {4, 1, 1}}, 3);
    for (const std::size_t rank : {0u, 2u, 3u}) EXPECT_EQ(part(out, 1024 + rank * 512, 512), part(in, 0, 512)) << rank;
    EXPECT_EQ(part(out, 1024 + 512, 512), part(in, 1024 + 512, 512));
  }
}

TEST(Bulk, CopiesToGlobalMemory) {
  const auto in = random_bytes(2048);
  for (const std::string hint : {"", ".L2::cache_hint"}) {
    const std::string copy = "cp.async.bulk.global.shared::cta.bulk_group" + hint + " [%a0+1024], [%w0], 512" + (hint.empty() ? "" : ", %policy") + ";\ncp.async.bulk.commit_group;\n";
    const auto look = by_hand("global %a0+1024", "global %a0+1536", 512);
    EXPECT_EQ(part(after(bulk + to_shared + copy + "cp.async.bulk.wait_group 0;\n" + look, in), 1536, 512), part(in, 0, 512));
    EXPECT_EQ(part(after(bulk + to_shared + copy + look, in), 1536, 512), part(in, 1024, 512)) << "it takes time";
    // After .read the source may change: what it was is what arrives.
    const std::string spoil = by_hand("global %a0+512", "shared %w0", 512);
    EXPECT_EQ(part(after(bulk + to_shared + copy + "cp.async.bulk.wait_group.read 0;\n" + spoil + "cp.async.bulk.wait_group 0;\n", in), 1024, 512), part(in, 0, 512));
    EXPECT_EQ(part(after(bulk + to_shared + copy + "cp.async.bulk.commit_group;\ncp.async.bulk.wait_group 1;\n" + look, in), 1536, 512), part(in, 0, 512));
  }
}

/// Old values, operands and expectation of a reduction over 512 bytes.
template <class T, class F>
void expect_reduction(const std::string& op, const std::string& type, bool shared, F&& f) {
  SCOPED_TRACE(op + "." + type + (shared ? " shared" : " global"));
  auto in = random_bytes(2048, 9);
  for (std::size_t b = 0; b < 2048 && (op == "inc" || op == "dec"); b += 4) in[b + 1] = in[b + 2] = in[b + 3] = 0;
  const std::string noftz = op == "add" && (type == "f16" || type == "bf16") ? ".noftz" : "";
  // Operands are the first 512 bytes, old values the next ones, results go 1024 bytes on.
  const std::string reduce = "cp.reduce.async.bulk.";
  const std::string there = bulk + to_shared + by_hand("global %a0+512", "shared %w0+512", 512);
  const std::string text =
      shared ? there + expect_512 + reduce + "shared::cluster.shared::cta.mbarrier::complete_tx::bytes." + op + "." + type + " [%w0+512], [%w0], 512, [%w2];\n" + wait_for_bar +
                   by_hand("shared %w0+512", "global %a0+1024", 512)
             : there + by_hand("shared %w0+512", "global %a0+1024", 512) + reduce + "global.shared::cta.bulk_group." + op + noftz + "." + type +
                   " [%a0+1024], [%w0], 512;\ncp.async.bulk.commit_group;\ncp.async.bulk.wait_group 0;\n";
  const auto out = after(text, in);
  for (std::size_t b = 0; b < 512; b += sizeof(T)) {
    T operand, old, result;
    std::memcpy(&operand, &in[b], sizeof(T));
    std::memcpy(&old, &in[512 + b], sizeof(T));
    std::memcpy(&result, &out[1024 + b], sizeof(T));
    ASSERT_EQ(+result, +static_cast<T>(f(old, operand))) << b;
  }
}

/// The integer operations of a type. Unsigned values, compared as T.
template <class T>
void expect_integers(const std::string& type, bool shared, bool add, bool extremes) {
  if (add) expect_reduction<T>("add", type, shared, [](T a, T b) { return static_cast<std::make_unsigned_t<T>>(a) + static_cast<std::make_unsigned_t<T>>(b); });
  if (!extremes) return;
  expect_reduction<T>("min", type, shared, [](T a, T b) { return std::min(a, b); });
  expect_reduction<T>("max", type, shared, [](T a, T b) { return std::max(a, b); });
}
template <class T>
void expect_logic(const std::string& type, bool shared) {
  expect_reduction<T>("and", type, shared, [](T a, T b) { return a & b; });
  expect_reduction<T>("or", type, shared, [](T a, T b) { return a | b; });
  expect_reduction<T>("xor", type, shared, [](T a, T b) { return a ^ b; });
}
void expect_counters(bool shared) {
  expect_reduction<std::uint32_t>("inc", "u32", shared, [](std::uint32_t a, std::uint32_t b) { return a >= b ? 0 : a + 1; });
  expect_reduction<std::uint32_t>("dec", "u32", shared, [](std::uint32_t a, std::uint32_t b) { return a == 0 || a > b ? b : a - 1; });
}

/// A sum of bits rounded to nearest even, for operands that are not NaN.
template <class T>
void expect_sums(const std::string& type) {
  const Format f = format_of(parse_type(type));
  expect_reduction<T>("add", type, false, [&](T a, T b) -> T {
    const bool flush = type == "f32";
    const std::uint64_t x = flush ? f.flushed(a) : a, y = flush ? f.flushed(b) : b;
    const std::uint64_t nan = f.bits == 64 ? 0x7FF8000000000000 : f.top() - 1;
    if (f.is_nan(x) || f.is_nan(y)) return static_cast<T>(nan);
    if (f.is_infinite(x)) return static_cast<T>(f.is_infinite(y) && x != y ? nan : x);
    if (f.is_infinite(y)) return static_cast<T>(y);
    const std::uint64_t sum = rounded_sum(Exact::of(f, x), Exact::of(f, y), f, "rn");
    return static_cast<T>(flush ? f.flushed(sum) : sum);
  });
}

TEST(Bulk, Reductions) {
  for (const bool shared : {true, false}) {
    expect_integers<std::uint32_t>("u32", shared, true, true);
    expect_integers<std::int32_t>("s32", shared, true, true);
    expect_integers<std::uint64_t>("u64", shared, true, !shared);
    expect_logic<std::uint32_t>("b32", shared);
    expect_counters(shared);
  }
  expect_integers<std::int64_t>("s64", false, false, true);
  expect_logic<std::uint64_t>("b64", false);
  expect_sums<std::uint16_t>("f16");
  expect_sums<std::uint16_t>("bf16");
  expect_sums<std::uint32_t>("f32");
  expect_sums<std::uint64_t>("f64");
  for (const std::string type : {"f16", "bf16"}) {
    const Format f = format_of(parse_type(type));
    for (const std::string op : {"min", "max"}) {
      expect_reduction<std::uint16_t>(op, type, false, [&](std::uint16_t a, std::uint16_t b) { return extreme(f, op == "max", false, a, b, 0x7FFF); });
    }
  }
  const auto in = random_bytes(2048);
  const std::string hinted = "cp.reduce.async.bulk.global.shared::cta.bulk_group.L2::cache_hint.xor.b32 [%a0+1024], [%w0], 512, %policy;\ncp.async.bulk.commit_group;\ncp.async.bulk.wait_group 0;\n";
  const auto out = after(bulk + to_shared + hinted, in);
  for (std::size_t b = 0; b < 512; ++b) ASSERT_EQ(out[1024 + b], in[b] ^ in[1024 + b]);
}

/// Stores and reductions that announce their bytes to the CTA they go to.
TEST(Bulk, StoresThatAnnounceThemselves) {
  const auto in = random_bytes(2048);
  const auto send = [&](const std::string& text, int bytes) {
    const std::string body = bulk + to_shared + fmt::format("mbarrier.arrive.expect_tx.shared.b64 %a4, [%w2], {};\n", bytes) +
                             ".reg .f32 %f;\n.reg .f64 %g;\nld.global.f32 %f, [%a0+512];\nld.global.f64 %g, [%a0+512];\nld.global.v4.b32 {%u2, %u3, %u4, %u5}, [%a0+512];\n"
                             "ld.global.v2.b64 {%a5, %a6}, [%a0+512];\n" + text + wait_for_bar + from_shared;
    return part(after(body, in), 1024, 16);
  };
  const auto expect = [&](const std::string& suffix, const std::string& values, int bytes) {
    for (const std::string weak : {"", ".weak", ".shared::cluster", ".weak.shared::cluster"}) {
      const std::string text = "st.async" + weak + ".mbarrier::complete_tx::bytes" + suffix + " [%w0], " + values + ", [%w2];\n";
      auto wanted = part(in, 0, 16);
      std::copy_n(in.begin() + 512, bytes, wanted.begin());
      EXPECT_EQ(send(text, bytes), wanted) << text;
    }
  };
  for (const std::string t : {"b32", "u32", "s32"}) {
    expect("." + t, "%u2", 4);
    expect(".v2." + t, "{%u2, %u3}", 8);
    expect(".v4." + t, "{%u2, %u3, %u4, %u5}", 16);
  }
  for (const std::string t : {"b64", "u64", "s64"}) {
    expect("." + t, "%a5", 8);
    expect(".v2." + t, "{%a5, %a6}", 16);
  }
  expect(".f32", "%f", 4);
  expect(".f64", "%g", 8);
  const auto reduce = [&](const std::string& op, const std::string& type, auto&& f) {
    using T = decltype(f(0, 0));
    T old, operand, result;
    std::memcpy(&old, in.data(), sizeof(T));
    std::memcpy(&operand, &in[512], sizeof(T));
    for (const std::string space : {"", ".shared::cluster"}) {
      const auto out = send("red.async.relaxed.cluster" + space + ".mbarrier::complete_tx::bytes." + op + "." + type + " [%w0], " + (sizeof(T) == 8 ? "%a5" : "%u2") + ", [%w2];\n", sizeof(T));
      std::memcpy(&result, out.data(), sizeof(T));
      EXPECT_EQ(result, f(old, operand)) << op << type;
    }
  };
  using U = std::uint32_t;
  using S = std::int32_t;
  using W = std::uint64_t;
  reduce("add", "u32", [](U a, U b) -> U { return a + b; });
  reduce("add", "s32", [](U a, U b) -> U { return a + b; });
  for (const std::string t : {"u64", "s64"}) reduce("add", t, [](W a, W b) -> W { return a + b; });
  reduce("min", "u32", [](U a, U b) -> U { return std::min(a, b); });
  reduce("max", "u32", [](U a, U b) -> U { return std::max(a, b); });
  reduce("min", "s32", [](S a, S b) -> S { return std::min(a, b); });
  reduce("max", "s32", [](S a, S b) -> S { return std::max(a, b); });
  reduce("inc", "u32", [](U a, U b) -> U { return a >= b ? 0 : a + 1; });
  reduce("dec", "u32", [](U a, U b) -> U { return a == 0 || a > b ? b : a - 1; });
  reduce("and", "b32", [](U a, U b) -> U { return a & b; });
  reduce("or", "b32", [](U a, U b) -> U { return a | b; });
  reduce("xor", "b32", [](U a, U b) -> U { return a ^ b; });
}

TEST(Bulk, WrongBulkCopiesAreFaults) {
  const auto fault = [](const std::string& body, const Shape& shape = one_thread) { return fault_of("", bulk + body, shape); };
  const std::string copy = "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes ";
  expect_report(fault(copy + "[%w0], [%a0], 24, [%w2];\n"), {"a bulk copy of 24 bytes; wanted a multiple of 16"});
  expect_report(fault(copy + "[%w0+8], [%a0], 16, [%w2];\n"), {"shared store of 16 bytes", "not a multiple of 16"});
  expect_report(fault(copy + "[%w0], [%a0+4], 16, [%w2];\n"), {"global load of 16 bytes", "not a multiple of 16"});
  expect_report(fault(copy + "[%w0], [%a0+4080], 32, [%w2];\n"), {"global load of 32 bytes", "is byte 4080 of"});
  expect_report(fault(copy + "[%w0], [%a0], 2048, [%w2];\n"), {"shared store of 2048 bytes", "the CTA has shared memory from"});
  expect_report(fault("mapa.shared::cluster.u32 %w3, %w2, 1;\n" + copy + "[%w0], [%a0], 16, [%w3];\n", {.grid = {2, 1, 1}, .block = {1, 1, 1}, .cluster = {2, 1, 1}}),
                {"mbarrier lies in another CTA than its destination"});
  expect_report(fault(copy + "[%w0], [%a0], 16, [%w2+8];\nnanosleep.u32 10000;\n"), {"asynchronous work of k: mbarrier: the object is not initialised"});
  expect_report(fault("cp.async.bulk.global.shared::cta.bulk_group [%a0+4080], [%w0], 32;\n"), {"global store of 32 bytes"});
}

}  // namespace
}  // namespace triptych::emulator::test

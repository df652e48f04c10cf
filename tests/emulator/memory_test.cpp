// ld and st of every type in every space against bytes of host memory; hints.
#include <fmt/format.h>

#include <cstdint>

#include "tests/emulator/memory_run.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("memory");

constexpr Mask some_lanes = 0x9E3779B5;

/// Executes `opcode` with every type and compares what the registers hold then.
void expect_loads(const std::string& opcode, const Place& place, bool vectors = true, const std::string& tail = "") {
  SCOPED_TRACE(opcode);
  const std::vector<Element> all = elements(vectors);
  std::string body;
  for (std::size_t n = 0; n < all.size(); ++n) {
    const Element& e = all[n];
    body += fmt::format("@p {}{} {}, [{}+{}]{};\n", opcode, suffix(e), registers_of(e), place.base, e.at, tail);
    for (int i = 0; i < e.count; ++i) {
      body += fmt::format("@p st.global.b{} [%o+{}], {};\n", e.container, n * warp_bytes + static_cast<std::size_t>(i * 16), register_of(e, i));
    }
  }
  const std::string fill = place.filled ? copy(".global", "%g", place.space, place.base) : "";
  Program program(place.module + ".visible .entry k(" + parameters + ", .param .align 16 .b8 image[64])\n{\n" + registers + beginning +
                  place.own + fill + body + "ret;\n}\n");
  std::vector<std::uint8_t> bytes = random_bytes(warp_bytes);
  for (std::size_t b = 0; b < warp_bytes && place.alike; ++b) bytes[b] = bytes[b % lane_bytes];
  for (const Mask lanes : {all_lanes, some_lanes}) {
    const std::uint64_t from = program.buffer(bytes), to = program.buffer(std::vector<std::uint8_t>(all.size() * warp_bytes, 0xA5));
    const auto launch = program.prepare("k", {from, to, lanes, 0});
    std::copy_n(bytes.begin(), lane_bytes, Program::parameter(*launch, 3));
    ASSERT_EQ(program.run(launch), "");
    const auto out = program.read<std::uint8_t>(to, all.size() * warp_bytes);
    for (std::size_t n = 0; n < all.size() * warp_size; ++n) {
      const Element& e = all[n / warp_size];
      std::vector<std::uint8_t> wanted(lane_bytes, 0xA5);
      if ((lanes >> (n % warp_size) & 1) != 0) {
        for (int i = 0; i < e.count; ++i) {
          const auto at = n % warp_size * lane_bytes + static_cast<std::size_t>(e.at + i * bytes_of(e.type));
          const auto value = widened(&bytes[at], e);
          std::copy(value.begin(), value.end(), wanted.begin() + i * 16);
        }
      }
      ASSERT_EQ(std::vector<std::uint8_t>(&out[n * lane_bytes], &out[n * lane_bytes] + lane_bytes), wanted)
          << suffix(e) << " into " << e.container << " bits, lane " << n % warp_size;
    }
  }
}

/// Executes `opcode` with every type on registers of random bits and compares the bytes then.
void expect_stores(const std::string& opcode, const Place& place, bool vectors = true, const std::string& tail = "") {
  SCOPED_TRACE(opcode);
  const std::vector<Element> all = elements(vectors);
  std::string body;
  for (std::size_t n = 0; n < all.size(); ++n) {
    const Element& e = all[n];
    body += copy(".global", "%o", place.space, place.base);
    for (int i = 0; i < e.count; ++i) body += fmt::format("ld.global.b{} {}, [%g+{}];\n", e.container, register_of(e, i), i * 16);
    body += fmt::format("@p {}{} [{}+{}], {}{};\n", opcode, suffix(e), place.base, e.at, registers_of(e), tail);
    body += fmt::format("add.u64 %x, %o, {};\n", (n + 1) * warp_bytes) + copy(place.space, place.base, ".global", "%x");
  }
  Program program(place.module + ".visible .entry k(" + parameters + ", .param .u64 scratch)\n{\n" + registers + beginning + place.own +
                  (place.filled ? "" : "ld.param.u64 %a, [scratch];\nmad.wide.u32 %a, %lane, 64, %a;\n") + body + "ret;\n}\n");
  const std::vector<std::uint8_t> values = random_bytes(warp_bytes), before = random_bytes(warp_bytes, 2);
  for (const Mask lanes : {all_lanes, some_lanes}) {
    std::vector<std::uint8_t> out = before;
    out.resize((all.size() + 1) * warp_bytes);
    const std::uint64_t from = program.buffer(values), to = program.buffer(out);
    ASSERT_EQ(program.run("k", {from, to, lanes, program.buffer(before)}), "");
    out = program.read<std::uint8_t>(to, out.size());
    for (std::size_t n = 0; n < all.size() * warp_size; ++n) {
      const Element& e = all[n / warp_size];
      const std::uint8_t* own = &before[n % warp_size * lane_bytes];
      std::vector<std::uint8_t> wanted(own, own + lane_bytes);
      if ((lanes >> (n % warp_size) & 1) != 0) {
        for (int i = 0; i < e.count; ++i) {
          const std::uint8_t* value = &values[n % warp_size * lane_bytes + static_cast<std::size_t>(i * 16)];
          std::copy(value, value + bytes_of(e.type), wanted.begin() + e.at + i * bytes_of(e.type));
        }
      }
      const std::uint8_t* got = &out[warp_bytes + n * lane_bytes];
      ASSERT_EQ(std::vector<std::uint8_t>(got, got + lane_bytes), wanted)
          << suffix(e) << " from " << e.container << " bits, lane " << n % warp_size;
    }
  }
}

const std::vector<std::string> evictions = {"", ".L1::evict_normal", ".L1::evict_unchanged", ".L1::evict_first", ".L1::evict_last", ".L1::no_allocate"};
const std::vector<std::string> ahead = {"", ".L2::64B", ".L2::128B", ".L2::256B"};
const std::vector<std::string> scopes = {".cta", ".cluster", ".gpu", ".sys"};
const std::vector<std::string> shared_names = {".shared", ".shared::cta", ".shared::cluster"};
const std::string hint = ".L2::cache_hint", policy = ", %policy";

TEST(Memory, LoadsFromEverySpace) {
  expect_loads("ld", generic_place());
  expect_loads("ld", window_place());
  expect_loads("ld.weak.global", global_place());
  expect_loads("ld.local", local_place());
  for (const std::string s : {".param", ".param::entry"}) expect_loads("ld" + s, parameter_place(s));
  expect_loads("ld.const", constant_place(random_bytes(warp_bytes)));
  for (const std::string& s : shared_names) expect_loads("ld" + s, shared_place(s));
}

TEST(Memory, LoadsWithHints) {
  for (const std::string& e : evictions) expect_loads("ld.global" + e + hint, global_place(), true, policy);
  for (const std::string& p : ahead) expect_loads("ld.weak.global" + p, global_place());
  for (const std::string c : {".ca", ".cg", ".cs", ".lu", ".cv"}) {
    expect_loads("ld.weak.global" + c, global_place());
    expect_loads("ld" + c + hint + ".L2::128B", generic_place(), true, policy);
    for (const std::string& p : ahead) expect_loads("ld.weak.global" + c + p, global_place());
    for (const std::string& s : shared_names) expect_loads("ld" + s + c, shared_place(s));
    expect_loads("ld.const" + c, constant_place(random_bytes(warp_bytes)));
    expect_loads("ld.local" + c, local_place());
    for (const std::string s : {".param", ".param::entry"}) expect_loads("ld" + s + c, parameter_place(s));
  }
  for (const std::string& p : ahead) {
    expect_loads("ld.volatile.global" + p, global_place());
    for (const std::string& e : evictions) expect_loads("ld.global.nc" + e + hint + p, global_place(), true, policy);
    for (const std::string c : {".ca", ".cg", ".cs"}) expect_loads("ld.global" + c + ".nc" + hint + p, global_place(), true, policy);
  }
  expect_loads("ldu.global", global_place());
}

TEST(Memory, StrongLoads) {
  for (const std::string& s : shared_names) expect_loads("ld.volatile" + s, shared_place(s));
  expect_loads("ld.volatile", window_place());
  expect_loads("ld.volatile.global", global_place());
  expect_loads("ld.mmio.relaxed.sys.global", global_place(), false);
  for (const std::string m : {"ld.relaxed", "ld.acquire"}) {
    for (const std::string& o : scopes) {
      expect_loads(m + o, generic_place());
      expect_loads(m + o + ".global", global_place());
      for (const std::string& s : shared_names) expect_loads(m + o + s, shared_place(s));
      for (const std::string& e : evictions) expect_loads(m + o + ".global" + e + hint + ".L2::256B", global_place(), true, policy);
      for (const std::string& p : ahead) expect_loads(m + o + ".global" + p, global_place());
    }
  }
}

TEST(Memory, StoresToEverySpace) {
  expect_stores("st", generic_place());
  expect_stores("st.weak", window_place());
  expect_stores("st.weak.global", global_place());
  expect_stores("st.local", local_place());
  for (const std::string& s : shared_names) expect_stores("st" + s, shared_place(s));
}

TEST(Memory, StoresWithHints) {
  for (const std::string& e : evictions) expect_stores("st.weak.global" + e + hint, global_place(), true, policy);
  for (const std::string c : {".wb", ".cg", ".cs", ".wt"}) {
    expect_stores("st.weak.global" + c + hint, global_place(), true, policy);
    expect_stores("st.weak.global" + c, global_place());
    expect_stores("st.local" + c, local_place());
    for (const std::string& s : shared_names) expect_stores("st" + s + c, shared_place(s));
  }
}

TEST(Memory, StrongStores) {
  expect_stores("st.volatile.global", global_place());
  for (const std::string& s : shared_names) expect_stores("st.volatile" + s, shared_place(s));
  expect_stores("st.mmio.relaxed.sys.global", global_place(), false);
  for (const std::string m : {"st.relaxed", "st.release"}) {
    for (const std::string& o : scopes) {
      expect_stores(m + o + ".global", global_place());
      for (const std::string& s : shared_names) expect_stores(m + o + s, shared_place(s));
      for (const std::string& e : evictions) expect_stores(m + o + ".global" + e + hint, global_place(), true, policy);
    }
  }
}

/// A device function gets 64 bytes from its caller and gives them back: through every type, stored by the caller, loaded
/// by the function.
TEST(Memory, ParametersOfFunctions) {
  std::string stores, loads;
  for (const Element& e : elements(true)) {
    if (e.container != std::max(16, bits_of(e.type))) continue;
    for (const std::string c : {"", ".wb", ".cg", ".cs", ".wt"}) {
      for (int i = 0; i < e.count; ++i) stores += fmt::format("ld.global.{} {}, [%g+{}];\n", name_of(e.type), register_of(e, i), e.at + i * bytes_of(e.type));
      stores += fmt::format("st.param::func{}{} [sent+{}], {};\n", c, suffix(e), e.at, registers_of(e));
    }
    for (const std::string c : {"", ".ca", ".cg", ".cs", ".lu", ".cv"}) {
      loads += fmt::format("ld.param::func{}{} {}, [image+{}];\n", c, suffix(e), registers_of(e), e.at);
      loads += fmt::format("st.param{} [given+{}], {};\n", suffix(e), e.at, registers_of(e));
    }
  }
  Program program(".func (.param .align 16 .b8 given[64]) f(.param .align 16 .b8 image[64])\n{\n" + registers + loads + "ret;\n}\n" +
                  ".visible .entry k(" + parameters + ")\n{\n" + registers + beginning + "{\n.param .align 16 .b8 sent[64];\n" +
                  ".param .align 16 .b8 back[64];\n" + stores + "call (back), f, (sent);\n" + copy(".param", "back", ".global", "%o") + "}\nret;\n}\n");
  const std::vector<std::uint8_t> bytes = random_bytes(warp_bytes);
  const std::uint64_t from = program.buffer(bytes), to = program.buffer(std::vector<std::uint8_t>(warp_bytes));
  ASSERT_EQ(program.run("k", {from, to, all_lanes}), "");
  EXPECT_EQ(program.read<std::uint8_t>(to, warp_bytes), bytes);
}

/// Hints change nothing, wherever they point.
TEST(Memory, Hints) {
  std::string body;
  for (const std::string s : {"", ".global", ".local"}) body += "prefetch" + s + ".L1 [%a];\nprefetch" + s + ".L2 [%a];\n";
  for (const std::string l : {"evict_last", "evict_normal"}) body += "prefetch.global.L2::" + l + " [%a];\n";
  for (const std::string s : {"", ".const", ".param"}) body += "prefetch" + s + ".tensormap [%a];\n";
  body += "prefetchu.L1 [%a];\n";
  for (const std::string s : {"", ".global"}) body += "applypriority" + s + ".L2::evict_normal [%a], 128;\ndiscard" + s + ".L2 [%a], 128;\n";
  for (const std::string l : {"evict_last", "evict_normal", "evict_first", "evict_unchanged"}) {
    for (const std::string second : {"", ".L2::evict_first", ".L2::evict_unchanged"}) {
      body += "createpolicy.fractional.L2::" + l + second + ".b64 %x, 0f3F000000;\ncreatepolicy.fractional.L2::" + l + second + ".b64 %x;\n";
      for (const std::string s : {"", ".global"}) body += "createpolicy.range" + s + ".L2::" + l + second + ".b64 %x, [%a], 4096, 8192;\n";
    }
  }
  body += "createpolicy.cvt.L2.b64 %x, %a;\n";
  Program program(".visible .entry k(" + parameters + ")\n{\n" + registers + beginning + "mov.u64 %a, 12345;\n" + body + "ret;\n}\n");
  const std::uint64_t some = program.buffer(std::vector<int>(1));
  EXPECT_EQ(program.run("k", {some, some, all_lanes}), "");
  EXPECT_NE(error_of(".visible .entry k() {\n.reg .b64 a;\ndiscard.global.L2 [a], 64;\nret;\n}\n"), "");
}

}  // namespace
}  // namespace triptych::emulator::test

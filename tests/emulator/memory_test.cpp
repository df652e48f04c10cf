// ld and st of every type in every space against bytes of host memory; hints; faults.
#include <fmt/format.h>

#include <cstdint>
#include <random>
#include <tuple>

#include "tests/emulator/ptx_run.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("memory");

constexpr std::uint32_t lane_bytes = 64, warp_bytes = lane_bytes * warp_size;

/// One access: so many elements of a type, through registers of so many bits, at a displacement.
struct Element {
  Type type;
  int count, container, at;
};

/// All types, vectors up to 128 bits, and registers as wide as the type and wider.
std::vector<Element> elements(bool vectors) {
  std::vector<Element> all;
  for (const Type t : {Type::b8, Type::u8, Type::s8, Type::b16, Type::u16, Type::s16, Type::b32, Type::u32, Type::s32,
                       Type::b64, Type::u64, Type::s64, Type::f32, Type::f64, Type::b128}) {
    for (const int count : {1, 2, 4}) {
      if (count * bits_of(t) > 128 || (count > 1 && !vectors)) continue;
      for (int container = std::max(16, bits_of(t)); container <= std::max(64, bits_of(t)); container *= 2) {
        if (is_float(t) && container != bits_of(t)) break;
        const int bytes = count * bytes_of(t);
        all.push_back({t, count, container, static_cast<int>(all.size()) * bytes % static_cast<int>(lane_bytes)});
      }
    }
  }
  return all;
}

std::string register_of(const Element& e, int i) {
  return fmt::format("%{}_{}", is_float(e.type) ? std::string(name_of(e.type)) : fmt::format("b{}", e.container), i);
}
std::string registers_of(const Element& e) {
  std::string list;
  for (int i = 0; i < e.count; ++i) list += (i > 0 ? ", " : "") + register_of(e, i);
  return e.count > 1 ? "{" + list + "}" : list;
}
/// ".v2.u8"
std::string suffix(const Element& e) {
  return (e.count > 1 ? fmt::format(".v{}.", e.count) : ".") + std::string(name_of(e.type));
}

/// Where a test's accesses go: how %a (or %s, 32 bits) comes to point at the lane's 64 bytes.
struct Place {
  std::string space;      ///< as opcodes name it: ".shared"
  std::string module;     ///< declarations
  std::string own;        ///< declarations and instructions of the kernel
  std::string base = "%a";
  bool filled = true;     ///< the lane's bytes have to be copied there from global memory
  bool alike = false;     ///< all lanes see the first lane's bytes
};

const std::string to_own = "mad.lo.u32 %s, %lane, 64, %s;\n";
Place global_place() { return {".global", "", "mov.b64 %a, %g;\n", "%a", false}; }
Place generic_place() { return {"", "", "mov.b64 %a, %g;\n", "%a", false}; }
Place shared_place(const std::string& space) {
  return {space, "", ".shared .align 16 .b8 space[2048];\nmov.u32 %s, space;\n" + to_own, "%s"};
}
Place local_place() { return {".local", "", ".local .align 16 .b8 space[64];\nmov.u64 %a, space;\n"}; }
/// A parameter of the kernel: `image`, the last one.
Place parameter_place(const std::string& space) { return {space, "", "", "image", false, true}; }
/// A generic address in shared memory.
Place window_place() {
  return {"", "", fmt::format(".shared .align 16 .b8 space[2048];\nmov.u32 %s, space;\n{}mov.u32 %t0, 0;\nmov.b64 %a, {{%s, %t0}};\nor.b64 %a, %a, {};\n", to_own, window::shared)};
}
Place constant_place(const std::vector<std::uint8_t>& bytes) {
  return {".const", fmt::format(".const .align 16 .b8 table[{}] = {{{}}};\n", warp_bytes, fmt::join(bytes, ", ")),
          "mov.u64 %a, table;\nmad.wide.u32 %a, %lane, 64, %a;\n", "%a", false};
}

const std::string registers =
    ".reg .b16 %b16_<4>; .reg .b32 %b32_<4>, %lane, %s, %t<4>; .reg .b64 %b64_<4>, %a, %g, %o, %x, %policy; .reg .b128 %b128_0;\n"
    ".reg .f32 %f32_<4>; .reg .f64 %f64_<4>; .reg .pred p;\n";
/// Each lane's place among the bytes at `from`, its place at `to`, and whether it takes part.
const std::string beginning =
    "mov.u32 %lane, %laneid;\nld.param.u64 %g, [from];\nmad.wide.u32 %g, %lane, 64, %g;\n"
    "ld.param.u64 %o, [to];\nmad.wide.u32 %o, %lane, 64, %o;\n"
    "ld.param.u32 %t0, [lanes];\nshr.b32 %t0, %t0, %lane;\nand.b32 %t0, %t0, 1;\nsetp.ne.b32 p, %t0, 0;\n"
    "createpolicy.fractional.L2::evict_last.b64 %policy, 0f3F800000;\n";
const std::string parameters = ".param .u64 from, .param .u64 to, .param .u32 lanes";

/// Copies the lane's 64 bytes.
std::string copy(const std::string& from_space, const std::string& from, const std::string& to_space, const std::string& to) {
  std::string text;
  for (int b = 0; b < 64; b += 16) {
    text += fmt::format("ld{}.v4.b32 {{%t0, %t1, %t2, %t3}}, [{}+{}];\nst{}.v4.b32 [{}+{}], {{%t0, %t1, %t2, %t3}};\n",
                        from_space, from, b, to_space, to, b);
  }
  return text;
}

std::vector<std::uint8_t> random_bytes(std::size_t count, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> bytes(count);
  for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(random());
  return bytes;
}

/// What a register of `container` bits holds of the element: sign-extended for signed types.
std::vector<std::uint8_t> widened(const std::uint8_t* memory, const Element& e) {
  const auto own = static_cast<std::size_t>(bytes_of(e.type));
  std::vector<std::uint8_t> value(memory, memory + own);
  value.resize(static_cast<std::size_t>(e.container / 8), is_signed(e.type) && (memory[own - 1] & 0x80) != 0 ? 0xFF : 0);
  return value;
}

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

/// The report of a kernel that executes one instruction with %a = from + lane * step and %t0 = 0.
std::string fault_of(const std::string& instruction, std::uint64_t from, std::uint64_t step) {
  Program program(".const .align 4 .b32 table[4] = {1, 2, 3, 4};\n.visible .entry k(.param .u64 from, .param .u64 step)\n{\n" + registers +
                  ".shared .align 4 .b32 space[256];\nmov.u32 %t0, 0;\nmov.u32 %lane, %laneid;\nmov.b64 %x, {%lane, %t0};\n"
                  "mov.u64 %g, table;\nld.param.u64 %o, [step];\nld.param.u64 %a, [from];\nmad.lo.u64 %a, %x, %o, %a;\n" + instruction + "\nret;\n}\n");
  const std::uint64_t buffer = program.buffer(std::vector<std::uint32_t>(32));
  return program.run("k", {from < 4096 ? buffer + from : from, step});
}

/// A report names the instruction's place, what was done, where, and who did it.
void expect_report(const std::string& report, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) EXPECT_NE(report.find(part), std::string::npos) << part << " is not in: " << report;
}

TEST(Memory, AddressesOutsideAreFaults) {
  EXPECT_EQ(fault_of("ld.global.u32 %t1, [%a];", 0, 4), "");
  expect_report(fault_of("ld.global.u32 %t1, [%a];", 4, 4),
                {"test.ptx:17:1: ld.global.u32: global load of 4 bytes", "by lane 31", "0 bytes past the end", "of 128 bytes", "kernel k, CTA 0,0,0, warp 0, lanes 31"});
  expect_report(fault_of("st.u8 [%a+-1], %t1;", 0, 4), {"global store of 1 byte", "by lane 0", "1 bytes before the allocation"});
  expect_report(fault_of("ld.global.u64 %x, [%a];", 0, 8), {"by lane 16", "0 bytes past"});
  expect_report(fault_of("ld.global.v4.u32 {%t0, %t1, %t2, %t3}, [%a];", 16, 16), {"load of 16 bytes", "by lane 7"});
  expect_report(fault_of("st.u32 [%a], %t1;", 0x10, 0x100000000), {"by lane 1"});
  expect_report(fault_of("ld.u32 %t1, [%a];", 0x5000000000000000, 0), {"no memory has such addresses"});
  EXPECT_EQ(fault_of("setp.lt.u32 p, %lane, 31;\n@p ld.global.u32 %t1, [%a];", 4, 4), "") << "the lane outside does not take part";
}

TEST(Memory, OtherSpacesHaveBoundsToo) {
  expect_report(fault_of("st.global.u32 [%g], %t1;", 0, 0), {"constant memory is read-only"});
  expect_report(fault_of("ld.const.u32 %t1, [%g+16];", 0, 0), {"0 bytes past the end", "of 16 bytes"});
  EXPECT_EQ(fault_of("st.shared.u32 [space+1020], %t1;", 0, 0), "");
  expect_report(fault_of("st.shared.u32 [space+1024], %t1;", 0, 0), {"shared access of 4 bytes at 0x800", "from 0x400 to 0x800"});
  expect_report(fault_of("ld.shared.u32 %t1, [%t0];", 0, 0), {"shared access of 4 bytes at 0x0"});
  expect_report(fault_of("mov.u32 %t2, space;\nld.shared.u32 %t1, [%t0+0x1000400];\nld.shared.u32 %t1, [%t0+0x2000400];", 0, 0), {"test.ptx:19:1", "CTA 1 of a cluster of 1"});
  expect_report(fault_of("ld.u32 %t1, [%a];", window::shared, 0), {"shared access of 4 bytes at 0x0"});
  expect_report(fault_of("ld.u32 %t1, [%a];", window::local | 0x80000, 0), {"local access of 4 bytes at 0x80000", "512 KiB"});
  EXPECT_EQ(fault_of("ld.u32 %t1, [%a];", window::param, 4 * 0), "");
  expect_report(fault_of("ld.u32 %t1, [%a];", window::param | 16, 0), {"parameter load", "are 16 bytes"});
  expect_report(fault_of("st.u32 [%a], %t1;", window::param, 0), {"parameter store", "to be read only"});
}

TEST(Memory, AddressesAreMultiplesOfTheSize) {
  for (const auto& [text, bytes] : {std::pair{"u16 %t1,", 2}, {"u32 %t1,", 4}, {"u64 %x,", 8}, {"v2.u32 {%t0, %t1},", 8}, {"v4.u32 {%t0, %t1, %t2, %t3},", 16}, {"b128 %b128_0,", 16}}) {
    const std::string load = std::string("ld.global.") + text + " [%a];";
    EXPECT_EQ(fault_of(load, static_cast<std::uint64_t>(bytes), 0), "");
    for (int off = 1; off < bytes; off *= 2) {
      expect_report(fault_of(load, static_cast<std::uint64_t>(off), 0), {fmt::format("load of {} bytes", bytes), fmt::format("not a multiple of {}", bytes), "lanes 0]"});
    }
  }
  expect_report(fault_of("st.shared.u32 [space+2], %t1;", 0, 0), {"not a multiple of 4"});
}

/// What an observer hears of an access.
class Listener : public Witness {
 public:
  void access(const AccessEvent& e) override { heard.push_back({e.space, e.access, e.semantics, e.bytes, e.lanes}); }
  struct Heard {
    Space space;
    Access access;
    Semantics semantics;
    std::uint32_t bytes;
    Mask lanes;
  };
  std::vector<Heard> heard;
};

TEST(Memory, ObserversHearOrderScopeAndSpace) {
  const auto hear = [](const std::string& instruction) {
    Program program(".visible .entry k(" + parameters + ")\n{\n" + registers + ".shared .align 16 .b8 space[16];\n" + beginning + instruction + "\nret;\n}\n");
    Listener listener;
    program.machine().observe(&listener);
    const std::uint64_t some = program.buffer(std::vector<std::uint8_t>(warp_bytes));
    EXPECT_EQ(program.run("k", {some, some, 5}), "");
    return listener.heard.at(listener.heard.size() - 1);
  };
  const auto expect = [&](const std::string& instruction, Space space, Access access, Order order, Scope scope, std::uint32_t bytes, bool non_coherent = false) {
    const Listener::Heard h = hear("@p " + instruction);
    EXPECT_EQ(std::tuple(h.space, h.access, h.semantics.order, h.semantics.scope, h.bytes, h.semantics.non_coherent, h.lanes),
              std::tuple(space, access, order, scope, bytes, non_coherent, Mask{5}))
        << instruction;
  };
  expect("ld.global.u8 %t1, [%g];", Space::global, Access::read, Order::weak, Scope::cta, 1);
  expect("ld.global.nc.v4.u32 {%t0, %t1, %t2, %t3}, [%g];", Space::global, Access::read, Order::weak, Scope::cta, 16, true);
  expect("ld.v2.u32 {%t0, %t1}, [%g];", Space::global, Access::read, Order::weak, Scope::cta, 8);
  expect("ld.volatile.shared.u32 %t0, [space];", Space::shared, Access::read, Order::volatile_, Scope::sys, 4);
  expect("ld.relaxed.gpu.u32 %t0, [%g];", Space::global, Access::read, Order::relaxed, Scope::gpu, 4);
  expect("ld.acquire.sys.u64 %x, [%g];", Space::global, Access::read, Order::acquire, Scope::sys, 8);
  expect("ld.mmio.relaxed.sys.u32 %t0, [%g];", Space::global, Access::read, Order::relaxed, Scope::sys, 4);
  expect("st.shared.u16 [space], %b16_0;", Space::shared, Access::write, Order::weak, Scope::cta, 2);
  expect("st.release.cluster.shared::cluster.u32 [space], %t0;", Space::shared, Access::write, Order::release, Scope::cluster, 4);
  expect("st.relaxed.cta.u32 [%g], %t0;", Space::global, Access::write, Order::relaxed, Scope::cta, 4);
  expect("ld.param.u64 %x, [from];", Space::param, Access::read, Order::weak, Scope::cta, 8);
}

}  // namespace
}  // namespace triptych::emulator::test

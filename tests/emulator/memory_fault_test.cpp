// ctest: labels=sanitize
// Addresses that ld and st must not have, and what observers hear of accesses.
#include <fmt/format.h>

#include <cstdint>
#include <tuple>

#include "tests/emulator/memory_run.h"

namespace triptych::emulator::test {
namespace {

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

TEST(MemoryFault, AddressesOutsideAreFaults) {
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

TEST(MemoryFault, OtherSpacesHaveBoundsToo) {
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

TEST(MemoryFault, AddressesAreMultiplesOfTheSize) {
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

TEST(MemoryAccess, ObserversHearOrderScopeAndSpace) {
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

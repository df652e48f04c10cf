// ctest: labels=sanitize
// alloca, stacksave and stackrestore, and frames of local memory one behind the other.
#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "tests/emulator/thread_run.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("stack");

/// Registers of a width for the bodies below.
std::string with_width(std::string body, int bits) {
  for (std::size_t at; (at = body.find('W')) != std::string::npos;) body.replace(at, 1, std::to_string(bits));
  return body;
}

/// Lanes take different sizes; each has its own bytes, which no later piece overlaps.
TEST(Stack, LanesTakePiecesOfTheirOwn) {
  const std::string body = R"(
    .local .align 8 .b8 fixed[24];
    .reg .uW size, one, two;
    st.local.u32 [fixed+20], 7;
    cvt.uW.u32 size, %i;
    mad.lo.uW size, size, 4, 4;
    alloca.uW one, size;
    alloca.uW two, size, 64;
    cvt.u32.uW %w0, one;
    cvt.u32.uW %w1, two;
    mad.lo.u32 %u1, %i, 4, %w0;
    mad.lo.u32 %u2, %i, 4, %w1;
    st.local.u32 [%u1], 100;
    st.local.u32 [%w1], 20;
    st.local.u32 [%u2], 20;
    ld.local.u32 %u3, [%u1];
    ld.local.u32 %u4, [%w1];
    ld.local.u32 %u5, [fixed+20];
    add.u32 %v, %u3, %u4;
    add.u32 %v, %v, %u5;
    and.b32 %u6, %w0, 7;
    and.b32 %u7, %w1, 63;
    or.b32 %u6, %u6, %u7;
    sub.u32 %u7, %w1, %w0;
    mad.lo.u32 %v, %u6, 1000, %v;
    mad.lo.u32 %u8, %i, 4, 4;
    setp.lt.u32 p, %u7, %u8;
    @p add.u32 %v, %v, 5000;
  )";
  for (const int bits : {32, 64}) {
    EXPECT_EQ(values_of("", with_width(body, bits)), for_threads(32, [](std::uint32_t) { return 127u; })) << bits;
  }
}

TEST(Stack, WhatWasTakenIsGivenBack) {
  const std::string body = R"(
    .reg .uW before, first, again, later;
    stacksave.uW before;
    alloca.uW first, 40;
    stackrestore.uW before;
    alloca.uW again, 40;
    alloca.uW later, 8;
    sub.uW again, again, first;
    sub.uW later, later, first;
    cvt.u32.uW %v, again;
    cvt.u32.uW %u1, later;
    mad.lo.u32 %v, %v, 1000, %u1;
  )";
  for (const int bits : {32, 64}) EXPECT_EQ(values_of("", with_width(body, bits)), Words(32, 40)) << bits;
}

/// A function's variables lie behind what its caller took, aligned; what it takes ends with it.
TEST(Stack, FunctionsBeginBehindTheirCaller) {
  const std::string module = R"(
    .func (.reg .b32 found) spoil(.reg .b32 x) {
      .local .align 64 .b8 own[64];
      .reg .b32 at, left, p32; .reg .b64 piece; .reg .pred more;
      mov.u32 at, own;
      alloca.u64 piece, 128;
      mov.u32 left, 64;
    NEXT:
      sub.u32 left, left, 4;
      add.u32 p32, at, left;
      st.local.u32 [p32], -1;
      setp.gt.u32 more, left, 0;
      @more bra NEXT;
      st.local.u32 [piece], -1;
      and.b32 found, at, 63;
      ret;
    }
  )";
  const std::string body = R"(
    .local .align 4 .b8 fixed[4];
    .reg .u64 mine, size, after;
    cvt.u64.u32 size, %i;
    mad.lo.u64 size, size, 12, 4;
    alloca.u64 mine, size;
    st.local.u32 [fixed], 3;
    add.u64 after, mine, size;
    st.local.u32 [mine], %i;
    st.local.u32 [after+-4], %i;
    call (%u1), spoil, (%i);
    call (%u2), spoil, (%i);
    ld.local.u32 %u3, [mine];
    ld.local.u32 %u4, [after+-4];
    ld.local.u32 %u5, [fixed];
    add.u32 %v, %u3, %u4;
    mad.lo.u32 %v, %u5, 1000, %v;
    add.u32 %u1, %u1, %u2;
    mad.lo.u32 %v, %u1, 100000, %v;
  )";
  EXPECT_EQ(values_of(module, body), for_threads(32, [](std::uint32_t i) { return 3000 + 2 * i; }));
}

TEST(Stack, TooMuchIsAFault) {
  const std::string registers = ".reg .u64 at, size;\n";
  expect_report(fault_of("", registers + "alloca.u64 at, 524289;\n"), {"alloca.u64: alloca of 524289 bytes by lane 0: a thread has 512 KiB of local memory"});
  expect_report(fault_of("", registers + "mov.u64 size, -1;\nalloca.u64 at, size;\n"), {"alloca of 18446744073709551615 bytes"});
  expect_report(fault_of("", registers + "stacksave.u64 at;\nadd.u64 at, at, 8;\nstackrestore.u64 at;\n"), {"which no stacksave of this function gave"});
  EXPECT_EQ(error_of(thread_kernel(registers + "stackrestore.u64 at;\n")), "");
  EXPECT_NE(error_of(thread_kernel("stackrestore.u64 16;\n")).find("expected a register"), std::string::npos);
  for (const std::string align : {"0", "3", "16777216"}) EXPECT_NE(error_of(thread_kernel(registers + "alloca.u64 at, 8, " + align + ";\n")), "") << align;
}

}  // namespace
}  // namespace triptych::emulator::test

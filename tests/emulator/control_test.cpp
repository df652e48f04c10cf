// ctest: labels=sanitize
// Branches, calls and the ends of kernels against what the same program would do on the host.
#include <fmt/format.h>

#include <cstdint>

#include "tests/emulator/thread_run.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("control");

TEST(Control, LoopsWithACountOfTheirOwnInEachLane) {
  const std::string body = R"(
    add.u32 %u0, %i, 1;
  LOOP:
    setp.eq.u32 p, %u0, 1;
    @p bra DONE;
    add.u32 %v, %v, 1;
    and.b32 %u1, %u0, 1;
    setp.eq.u32 q, %u1, 0;
    @q bra EVEN;
    mad.lo.u32 %u0, %u0, 3, 1;
    bra.uni LOOP;
  EVEN:
    shr.u32 %u0, %u0, 1;
    bra LOOP;
  )";
  EXPECT_EQ(values_of("", body, 128), for_threads(128, [](std::uint32_t i) {
              std::uint32_t n = i + 1, steps = 0;
              for (; n != 1; ++steps) n = n % 2 != 0 ? 3 * n + 1 : n / 2;
              return steps;
            }));
}

TEST(Control, NestedLoopsWithBreakAndContinue) {
  const std::string body = R"(
    mov.u32 %u0, 0;
  OUTER:
    setp.gt.u32 p, %u0, %i;
    @p bra DONE;
    mov.u32 %u1, 0;
  INNER:
    add.u32 %u1, %u1, 1;
    and.b32 %u2, %u1, 3;
    setp.eq.u32 q, %u2, 2;
    @q bra NEXT;
    add.u32 %v, %v, %u1;
    mul.lo.u32 %u3, %u1, %u0;
    setp.gt.u32 r, %u3, 40;
    @r bra BREAK;
  NEXT:
    setp.lt.u32 q, %u1, 20;
    @q bra INNER;
  BREAK:
    add.u32 %u0, %u0, 1;
    bra OUTER;
  )";
  EXPECT_EQ(values_of("", body), for_threads(32, [](std::uint32_t i) {
              std::uint32_t v = 0;
              for (std::uint32_t a = 0; a <= i; ++a) {
                std::uint32_t b = 0;
                do {
                  if ((++b & 3) == 2) continue;
                  v += b;
                  if (b * a > 40) break;
                } while (b < 20);
              }
              return v;
            }));
}

TEST(Control, TablesOfTargets) {
  for (const std::string uni : {"", ".uni"}) {
    const std::string index = uni.empty() ? "and.b32 %u0, %i, 3;\n" : "mov.u32 %u0, 2;\n";
    const std::string body = index + "T: .branchtargets A, B, C, B;\nbrx.idx" + uni + " %u0, T;\n" +
                             "A: add.u32 %v, %v, 10;\nB: add.u32 %v, %v, 20;\nbra DONE;\nC: add.u32 %v, %i, 100;\n";
    EXPECT_EQ(values_of("", body), for_threads(32, [&](std::uint32_t i) {
                const std::uint32_t at = uni.empty() ? i & 3 : 2;
                return at == 0 ? 30u : at == 2 ? i + 100 : 20u;
              }));
  }
  expect_report(fault_of("", "T: .branchtargets DONE, DONE;\nshr.u32 %u0, %i, 3;\nbrx.idx %u0, T;\n"),
                {"brx.idx: index 2 of 2 branch targets", "lanes 16]"});
}

/// Lanes that leave a loop early wait for the others behind it: what follows runs once, whole.
TEST(Control, LanesMeetAgain) {
  const std::string body = R"(
    mov.u32 %u0, 0;
  LOOP:
    add.u32 %u0, %u0, 1;
    setp.lt.u32 p, %u0, %i;
    @p bra LOOP;
    activemask.b32 %v;
  )";
  EXPECT_EQ(values_of("", body), for_threads(32, [](std::uint32_t) { return 0xFFFFFFFFu; }));
  const std::string branches = R"(
    and.b32 %u0, %i, 1;
    setp.eq.u32 p, %u0, 0;
    @p bra EVEN;
    activemask.b32 %u1;
    bra.uni JOIN;
  EVEN:
    activemask.b32 %u1;
  JOIN:
    activemask.b32 %u2;
    add.u32 %v, %u1, %u2;
  )";
  EXPECT_EQ(values_of("", branches), for_threads(32, [](std::uint32_t i) { return (i % 2 != 0 ? 0xAAAAAAAAu : 0x55555555u) + 0xFFFFFFFFu; }));
}

const std::string factorial = R"(
  .func (.param .b64 result) factorial(.param .b32 n)
  {
    .reg .b32 %n, %m; .reg .b64 %r, %w; .reg .pred p;
    ld.param.u32 %n, [n];
    mov.u64 %r, 1;
    setp.le.u32 p, %n, 1;
    @p bra LAST;
    {
      .param .b32 less; .param .b64 back;
      sub.u32 %m, %n, 1;
      st.param.b32 [less], %m;
      call.uni (back), factorial, (less);
      ld.param.b64 %w, [back];
    }
    mov.b64 %r, {%n, 0};
    mul.lo.u64 %r, %r, %w;
  LAST:
    st.param.b64 [result], %r;
    ret;
  }
)";

TEST(Control, Recursion) {
  const std::string body = R"(
    { .param .b32 n; .param .b64 f;
    and.b32 %u0, %i, 15;
    st.param.b32 [n], %u0;
    call (f), factorial, (n);
    ld.param.b64 %a1, [f]; }
    mov.b64 {%v, %u1}, %a1;
    xor.b32 %v, %v, %u1;
  )";
  EXPECT_EQ(values_of(factorial, body, 64), for_threads(64, [](std::uint32_t i) {
              std::uint64_t f = 1;
              for (std::uint32_t k = 2; k <= (i & 15); ++k) f *= k;
              return static_cast<std::uint32_t>(f ^ f >> 32);
            }));
  const std::string endless = ".func f()\n{\ncall f;\nret;\n}\n";
  expect_report(fault_of(endless, "call f;"), {"call: a call 10,000 deep; is the recursion without an end?"});
}

/// Local variables, values in registers and predicates belong to one activation.
TEST(Control, FramesAreTheirOwn) {
  const std::string module = R"(
    .func (.reg .b32 result) depth(.reg .b32 n, .reg .b64 limit)
    {
      .local .align 4 .b32 kept[2];
      .reg .b32 %m, %l, %x; .reg .pred p;
      st.local.u32 [kept+4], n;
      mov.b64 {%l, %x}, limit;
      setp.ge.u32 p, n, %l;
      mov.u32 %x, 0;
      @p bra UP;
      add.u32 %m, n, 1;
      call (%x), depth, (%m, limit);
    UP:
      ld.local.u32 %m, [kept+4];
      @p add.u32 %m, %m, 1000;
      mad.lo.u32 result, %x, 3, %m;
      ret;
    }
  )";
  EXPECT_EQ(values_of(module, "mov.u32 %u0, 0;\nmov.b64 %a1, {%i, %u0};\ncall (%v), depth, (5, %a1);\n"), for_threads(32, [](std::uint32_t i) {
              const std::uint32_t last = std::max(i, 5u);
              std::uint32_t x = last + 1000;
              for (std::uint32_t n = last; n-- > 5;) x = 3 * x + n;
              return x;
            }));
}

TEST(Control, CallsThroughRegisters) {
  std::string module;
  for (int f = 0; f < 3; ++f) module += fmt::format(".func (.reg .b32 d) f{}(.reg .b32 x)\n{{\nmad.lo.u32 d, x, {}, {};\nret;\n}}\n", f, f + 2, f);
  module += ".global .u64 functions[3] = {f0, f1, f2};\n";
  const std::string body = R"(
    P: .callprototype (.reg .b32 _) _ (.reg .b32 _);
    T: .calltargets f0, f1, f2;
    rem.u32 %u0, %i, 3;
    mov.u64 %a1, functions;
    mad.wide.u32 %a1, %u0, 8, %a1;
    ld.global.u64 %a2, [%a1];
    setp.lt.u32 p, %i, 30;
    @p call (%v), %a2, (%i), P;
    @!p call (%v), %a2, (7), T;
  )";
  EXPECT_EQ(values_of(module, body), for_threads(32, [](std::uint32_t i) { return (i < 30 ? i : 7) * (i % 3 + 2) + i % 3; }));
  expect_report(fault_of(module, "P: .callprototype _ ();\nmov.u64 %a1, 64;\ncall %a1, (), P;\n"), {"holds no function's address"});
}

TEST(Control, ReturnAndExit) {
  const std::string module = ".func (.reg .b32 d) f(.reg .b32 x)\n{\n.reg .pred p;\nmov.u32 d, 1;\nsetp.lt.u32 p, x, 8;\n@p ret.uni;\nmov.u32 d, 2;\n"
                             "setp.lt.u32 p, x, 16;\n@p ret;\nsetp.lt.u32 p, x, 24;\n@p exit;\nmov.u32 d, 3;\nret;\n}\n";
  EXPECT_EQ(values_of(module, "call (%v), f, (%i);\nsetp.eq.u32 p, %i, 31;\n@p exit;\nbar.sync 0;\n", 32),
            for_threads(32, [](std::uint32_t i) { return i < 8 ? 1u : i < 16 ? 2u : i < 24 || i == 31 ? 0xDEADu : 3u; }))
      << "threads that have ended leave no value, and no barrier waits for them";
}

TEST(Control, TrapAndBreakpointEndTheKernel) {
  expect_report(fault_of("", "setp.eq.u32 p, %i, 9;\n@p trap;\n"), {"test.ptx:14:4: trap: the kernel executed trap", "lanes 9]"});
  expect_report(fault_of("", "setp.gt.u32 p, %i, 9;\n@p brkpt;\n"), {"the kernel executed brkpt", "lanes 10-31]"});
}

TEST(Control, TimePasses) {
  const std::string body = "pmevent 3;\npmevent.mask 5;\nmov.u64 %a1, %clock64;\nnanosleep.u32 500;\nmov.u64 %a2, %clock64;\nmov.u32 %u0, 40;\n"
                           "nanosleep.u32 %u0;\nmov.u64 %a3, %clock64;\nsub.u64 %a1, %a2, %a1;\nsub.u64 %a2, %a3, %a2;\n"
                           "setp.ge.u64 p, %a1, 500;\nsetp.ge.u64 q, %a2, 40;\nsetp.lt.and.u64 q, %a2, 400, q;\n@p add.u32 %v, %v, 1;\n@q add.u32 %v, %v, 2;\n";
  EXPECT_EQ(values_of("", body), for_threads(32, [](std::uint32_t) { return 3u; }));
}

}  // namespace
}  // namespace triptych::emulator::test

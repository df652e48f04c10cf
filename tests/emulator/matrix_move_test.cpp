// ctest: timeout=120 labels=sanitize
// ldmatrix, stmatrix and movmatrix against the places that the ISA gives.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "emulator/instruction/matrix.h"
#include "tests/emulator/ptx_run.h"

namespace triptych::emulator::test {
namespace {

[[maybe_unused]] const bool checked = every_form_must_run("matrix_move");

using Halves = std::vector<std::uint16_t>;

/// Row r of matrix j lies at this half of the tile: rows are not in order, and have gaps between them.
int row_at(int j, int r) { return (8 * j + (5 * r + 3) % 8) * 24; }

constexpr int tile = 32 * 24;   // halves
constexpr std::string_view spaces[] = {"", ".shared", ".shared::cta"};

/// What lane t's register j holds: two elements, row by row or transposed.
std::pair<int, int> element(bool transposed, int t, int h) {
  const int one = t / 4, two = 2 * (t % 4) + h;
  return transposed ? std::pair{two, one} : std::pair{one, two};
}

/// Copies the tile to shared memory, executes `body` with each lane's row address in %a, and copies it back.
std::string kernel(const std::string& body) {
  return fmt::format(R"(
.visible .entry k(.param .u64 tile, .param .u64 rows, .param .u64 values)
{{
.shared .align 128 .b8 memory[{0}];
.reg .b32 %l, %i, %v, %s, %r<4>;
.reg .b64 %t, %g, %o, %a, %x;
.reg .pred %p;
mov.u32 %l, %laneid;
mov.u32 %s, memory;
ld.param.u64 %t, [tile];
mov.u32 %i, %l;
Lin:
mad.wide.u32 %g, %i, 2, %t;
ld.global.u16 %v, [%g];
mad.lo.u32 %r0, %i, 2, %s;
st.shared.u16 [%r0], %v;
add.u32 %i, %i, 32;
setp.lt.u32 %p, %i, {1};
@%p bra Lin;
ld.param.u64 %g, [rows];
mad.wide.u32 %g, %l, 4, %g;
ld.global.u32 %v, [%g];
add.u32 %s, %s, %v;
cvt.u64.u32 %a, %s;
cvta.shared.u64 %x, %a;
ld.param.u64 %o, [values];
mad.wide.u32 %o, %l, 4, %o;
ld.global.u32 %r0, [%o];
ld.global.u32 %r1, [%o+128];
ld.global.u32 %r2, [%o+256];
ld.global.u32 %r3, [%o+384];
bar.sync 0;
{2}
bar.sync 0;
st.global.u32 [%o], %r0;
st.global.u32 [%o+128], %r1;
st.global.u32 [%o+256], %r2;
st.global.u32 [%o+384], %r3;
mov.u32 %s, memory;
mov.u32 %i, %l;
Lout:
mad.lo.u32 %r0, %i, 2, %s;
ld.shared.u16 %v, [%r0];
mad.wide.u32 %g, %i, 2, %t;
st.global.u16 [%g], %v;
add.u32 %i, %i, 32;
setp.lt.u32 %p, %i, {1};
@%p bra Lout;
ret;
}}
)", tile * 2, tile, body);
}

struct Outcome {
  std::string fault;
  Halves memory;
  std::vector<std::uint32_t> registers;   ///< one after the other, 32 lanes each
};

/// `used`: lanes beyond it give addresses that cannot be read.
Outcome run(const std::string& body, const Halves& memory, const std::vector<std::uint32_t>& registers, int used, std::uint32_t skew = 0) {
  Program program(kernel(body));
  std::vector<std::uint32_t> rows(32);
  for (int l = 0; l < 32; ++l) rows[static_cast<std::size_t>(l)] = l < used ? static_cast<std::uint32_t>(row_at(l / 8, l % 8) * 2) + skew : 0xFFFF01;
  const std::uint64_t at = program.buffer(memory), values = program.buffer(registers);
  Outcome o;
  o.fault = program.run("k", {at, program.buffer(rows), values});
  o.memory = program.read<std::uint16_t>(at, memory.size());
  o.registers = program.read<std::uint32_t>(values, registers.size());
  return o;
}

Halves some_halves() {
  Halves values(tile);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint16_t>(i * 40503 + 7);
  return values;
}
std::vector<std::uint32_t> some_registers() {
  std::vector<std::uint32_t> values(128);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint32_t>(i * 2654435761u + 99);
  return values;
}

std::string names(int count) {
  std::string text = "{%r0";
  for (int i = 1; i < count; ++i) text += fmt::format(", %r{}", i);
  return text + "}";
}

std::string opcode(std::string_view root, int count, bool transposed, std::string_view space) {
  return fmt::format("{}.sync.aligned.m8n8.x{}{}{}.b16", root, count, transposed ? ".trans" : "", space);
}

TEST(MatrixMove, LoadsRowsIntoFragments) {
  for (const int count : {1, 2, 4}) {
    for (const bool transposed : {false, true}) {
      for (const std::string_view space : spaces) {
        const std::string text = opcode("ldmatrix", count, transposed, space);
        const Halves memory = some_halves();
        const Outcome o = run(fmt::format("{} {}, [{}];", text, names(count), space.empty() ? "%x" : "%s"), memory, some_registers(), 8 * count);
        ASSERT_EQ(o.fault, "") << text;
        std::vector<std::uint32_t> expected = some_registers();
        for (int j = 0; j < count; ++j) {
          for (int t = 0; t < 32; ++t) {
            std::uint32_t value = 0;
            for (int h = 0; h < 2; ++h) {
              const auto [row, column] = element(transposed, t, h);
              value |= static_cast<std::uint32_t>(memory[static_cast<std::size_t>(row_at(j, row) + column)]) << 16 * h;
            }
            expected[static_cast<std::size_t>(32 * j + t)] = value;
          }
        }
        EXPECT_EQ(o.registers, expected) << text;
        EXPECT_EQ(o.memory, memory) << text;
      }
    }
  }
}

TEST(MatrixMove, StoresFragmentsAsRows) {
  for (const int count : {1, 2, 4}) {
    for (const bool transposed : {false, true}) {
      for (const std::string_view space : spaces) {
        const std::string text = opcode("stmatrix", count, transposed, space);
        const std::vector<std::uint32_t> registers = some_registers();
        const Outcome o = run(fmt::format("{} [{}], {};", text, space.empty() ? "%x" : "%s", names(count)), some_halves(), registers, 8 * count);
        ASSERT_EQ(o.fault, "") << text;
        Halves expected = some_halves();
        for (int j = 0; j < count; ++j) {
          for (int t = 0; t < 32; ++t) {
            for (int h = 0; h < 2; ++h) {
              const auto [row, column] = element(transposed, t, h);
              expected[static_cast<std::size_t>(row_at(j, row) + column)] = static_cast<std::uint16_t>(registers[static_cast<std::size_t>(32 * j + t)] >> 16 * h);
            }
          }
        }
        EXPECT_EQ(o.memory, expected) << text;
      }
    }
  }
}

TEST(MatrixMove, TransposesBetweenLanes) {
  const std::vector<std::uint32_t> before = some_registers();
  std::uint16_t matrix[8][8];
  for (int t = 0; t < 32; ++t) {
    for (int h = 0; h < 2; ++h) matrix[t / 4][2 * (t % 4) + h] = static_cast<std::uint16_t>(before[static_cast<std::size_t>(t)] >> 16 * h);
  }
  for (const std::string to : {"%r0", "%r1"}) {
    const Outcome o = run("movmatrix.sync.aligned.m8n8.trans.b16 " + to + ", %r0;", some_halves(), before, 32);
    ASSERT_EQ(o.fault, "");
    for (int t = 0; t < 32; ++t) {
      const int column = t / 4, row = 2 * (t % 4);
      EXPECT_EQ(o.registers[static_cast<std::size_t>(t + (to == "%r1" ? 32 : 0))],
                matrix[row][column] | static_cast<std::uint32_t>(matrix[row + 1][column]) << 16);
    }
  }
}

TEST(MatrixMove, RefusesWhatHasNoMeaning) {
  const std::string x1 = "ldmatrix.sync.aligned.m8n8.x1";
  EXPECT_NE(run(x1 + ".shared.b16 {%r0}, [%s];", some_halves(), some_registers(), 8, 8).fault.find("not a multiple of 16"), std::string::npos);
  EXPECT_NE(run(x1 + ".b16 {%r0}, [%t];", some_halves(), some_registers(), 8).fault.find("not in shared memory"), std::string::npos);
  EXPECT_NE(error_of(".entry k() { .reg .b32 a; ldmatrix.sync.aligned.m8n8.x1.b16 a, [a]; }").find("vector"), std::string::npos);
}

}  // namespace
}  // namespace triptych::emulator::test

// mma.sync.m8n8k4 of f16: four products at once, each by eight lanes, p = 0 … 3 by 4p … 4p + 3 and 16 more. A lane
// t of the lower four has what belongs to the rows or columns 0 … 3, of the upper four to 4 … 7.
#include "emulator/instruction/dispatch.h"
#include "emulator/instruction/half.h"
#include "emulator/instruction/matrix.h"
#include "emulator/instruction/tensor_core.h"
#include "emulator/machine/machine.h"

namespace triptych::emulator {
namespace {

// What Instr::extra says. Registers of D, A, B and C are in the list, in this order.
constexpr std::uint32_t a_column = 1, b_column = 2, d_half = 4, c_half = 8;

std::uint32_t results(bool half) { return half ? 4 : 8; }

/// Half i of packed registers.
std::uint16_t half_at(Warp& w, const Instr& i, std::uint32_t first, int lane, int element) {
  const auto word = w.in<std::uint32_t>(w.list(i, first + static_cast<std::uint32_t>(element / 2)))[lane];
  return static_cast<std::uint16_t>(word >> 16 * (element % 2));
}

/// Row and column of the i-th of eight elements of C or D.
struct Place {
  int row, column;
};
Place place_of(int lane, int i, bool half) {
  const int row = half ? lane % 4 : (lane & 1) + (i & 2);
  return {row + (lane < 16 ? 0 : 4), half ? i : (i & 4) + (lane & 2) + (i & 1)};
}
/// Where tensor_core.h has it.
float& element(float (&d)[2][warp_size], const Place& p) { return d[p.column % 2][4 * p.row + p.column / 2]; }

void quarter(Warp& w, const Instr& i, int p) {
  const bool of_d = (i.extra & d_half) != 0, of_c = (i.extra & c_half) != 0;
  const std::uint32_t first_a = results(of_d), first_b = first_a + 2, first_c = first_b + 2;
  Rows<float> a;
  Columns<float> b[2];
  float d[2][warp_size];
  const auto each = [&](auto&& f) {
    for (int t = 0; t < 8; ++t) f(4 * p + t % 4 + t / 4 * 16, t / 4 * 4);
  };
  each([&](int lane, int upper) {
    for (int k = 0; k < 4; ++k) {
      const float x = f16_value(half_at(w, i, first_a, lane, k)), y = f16_value(half_at(w, i, first_b, lane, k));
      // The other index is the lane's.
      const int q = lane % 4, n = (i.extra & b_column) != 0 ? upper + q : upper + k;
      a.set((i.extra & a_column) != 0 ? upper + k : upper + q, (i.extra & a_column) != 0 ? q : k, x);
      b[n % 2].set(n / 2, (i.extra & b_column) != 0 ? k : q, y);
    }
    for (int e = 0; e < 8; ++e) {
      const auto slot = first_c + static_cast<std::uint32_t>(e);
      element(d, place_of(lane, e, of_c)) = of_c ? f16_value(half_at(w, i, first_c, lane, e)) : w.in<float>(w.list(i, slot))[lane];
    }
  });
  for (int odd = 0; odd < 2; ++odd) {
    multiply_once(a, b[odd], Type::f16, Type::f16, 4, w.machine().options().exact_tensor,
                  {.half = of_d, .least_c = least_exponent(of_c ? Type::f16 : Type::f32)}, d[odd]);
  }
  each([&](int lane, int) {
    for (int e = 0; e < 8; ++e) {
      const float value = element(d, place_of(lane, e, of_d));
      if (of_d) {
        auto& word = w.out<std::uint32_t>(w.list(i, static_cast<std::uint32_t>(e / 2)))[lane];
        word = e % 2 == 0 ? f16_bits(value) : word | static_cast<std::uint32_t>(f16_bits(value)) << 16;
      } else {
        w.out<float>(w.list(i, static_cast<std::uint32_t>(e)))[lane] = value;
      }
    }
  });
}

/// The lanes of a product read and write only their own, so that D may lie where A, B or C did.
void run(Warp& w, const Instr& i) {
  if (!whole_warp(w)) return;
  for (int p = 0; p < 4; ++p) quarter(w, i, p);
}

Run choose(Choice& c) {
  const bool of_d = c["D"] == "f16", of_c = c["C"] == "f16";
  c.extra = (c["X"] == "col" ? a_column : 0) | (c["Y"] == "col" ? b_column : 0) | (of_d ? d_half : 0) | (of_c ? c_half : 0);
  c.vector_length = {static_cast<int>(results(of_d)), static_cast<int>(results(of_c))};
  c.ticks = 32;
  return run;
}

constexpr std::uint8_t f = Instr::control | Instr::aligned | Instr::tensor;
#define QUAD "mma.sync.aligned.m8n8k4.<X: row col>.<Y: row col>"
const Form table[] = {
    {QUAD ".<D: f16>.f16.f16.<C: f16>", "=?*f16x2, 2*f16x2, 2*f16x2, ?*f16x2", choose, f, 64, 70, false, "mma"},
    {QUAD ".f32.f16.f16.<C: f16>", "=?*f32, 2*f16x2, 2*f16x2, ?*f16x2", choose, f, 64, 70, false, "mma"},
    {QUAD ".f32.f16.f16.f32", "=?*f32, 2*f16x2, 2*f16x2, ?*f32", choose, f, 64, 70, false, "mma"},
};

}  // namespace

std::span<const Form> mma_quad_forms() { return table; }

}  // namespace triptych::emulator

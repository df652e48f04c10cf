// ldmatrix, stmatrix, movmatrix: matrices of 8 × 8 halves, a row of 16 bytes in memory, a register of each
// lane in the warp. Lane 4r + q holds the elements 2q and 2q + 1 of row r; transposed, of column r.
#include <cstring>

#include "emulator/instruction/access.h"
#include "emulator/instruction/dispatch.h"
#include "emulator/instruction/matrix.h"

namespace triptych::emulator {
namespace {

// Instr::extra above the AccessCode.
constexpr std::uint32_t transposed = 1 << 16;

/// Where the rows lie: lane 8j + r gives row r of matrix j, and the other lanes' addresses do not count.
void find_rows(Warp& w, const Instr& i, Access access, Lanes<std::uint8_t*>& rows) {
  const AccessCode code(i.extra);
  const Mask givers = i.list_count == 4 ? all_lanes : (Mask{1} << 8 * i.list_count) - 1;
  Lanes<std::uint64_t> addresses;
  w.addresses(i.op[0], code.wide(), i.imm, addresses);
  if (code.space() == Space::generic) {
    const Mask outside = givers & lanes_where([&](int l) { return window::of(addresses[l]) != window::shared; });
    if (outside != 0) throw KernelFault{FaultKind::invalid_address_space, "a row that is not in shared memory", outside};
    for (int l = 0; l < warp_size; ++l) addresses[l] = window::offset(addresses[l]);
  }
  w.resolve_lanes(givers, Space::shared, addresses, 16, access, {Order::weak, Scope::cta, Proxy::generic, false}, i, rows);
}

/// Calls f(register, its half, row, column) for the elements of matrix j that lane l holds.
template <class F>
void each_element(bool transpose, int l, F&& f) {
  for (int h = 0; h < 2; ++h) {
    const int one = l / 4, two = 2 * (l % 4) + h;
    f(h, transpose ? two : one, transpose ? one : two);
  }
}

void load(Warp& w, const Instr& i) {
  if (!whole_warp(w)) return;
  Lanes<std::uint8_t*> rows;
  find_rows(w, i, Access::read, rows);
  for (std::uint32_t j = 0; j < i.list_count; ++j) {
    auto* to = w.out<std::uint32_t>(w.list(i, j));
    for (int l = 0; l < warp_size; ++l) {
      std::uint16_t halves[2];
      each_element((i.extra & transposed) != 0, l, [&](int h, int row, int column) {
        std::memcpy(&halves[h], rows[static_cast<int>(8 * j) + row] + 2 * column, 2);
      });
      to[l] = halves[0] | static_cast<std::uint32_t>(halves[1]) << 16;
    }
  }
}

void store(Warp& w, const Instr& i) {
  if (!whole_warp(w)) return;
  Lanes<std::uint8_t*> rows;
  find_rows(w, i, Access::write, rows);
  for (std::uint32_t j = 0; j < i.list_count; ++j) {
    const auto* from = w.in<std::uint32_t>(w.list(i, j));
    for (int l = 0; l < warp_size; ++l) {
      each_element((i.extra & transposed) != 0, l, [&](int h, int row, int column) {
        const auto half = static_cast<std::uint16_t>(from[l] >> 16 * h);
        std::memcpy(rows[static_cast<int>(8 * j) + row] + 2 * column, &half, 2);
      });
    }
  }
  w.note_effect();
}

void transpose(Warp& w, const Instr& i) {
  if (!whole_warp(w)) return;
  const auto* a = w.in<std::uint32_t>(i.op[1]);
  Lanes<std::uint32_t> turned;
  for (int l = 0; l < warp_size; ++l) {
    turned[l] = 0;
    each_element(true, l, [&](int h, int row, int column) {
      turned[l] |= (a[4 * row + column / 2] >> 16 * (column % 2) & 0xFFFF) << 16 * h;
    });
  }
  for_lanes(w, w.out<std::uint32_t>(i.op[0]), [&](int l) { return turned[l]; });
}

template <Run run>
Run choose(Choice& c) {
  c.extra = AccessCode::of(c).bits() | (c.has("trans") ? transposed : 0u);
  c.ticks = 8;
  return run;
}

constexpr std::uint8_t whole = Instr::control | Instr::aligned, m = Instr::memory | whole;
#define SHAPE ".sync.aligned.m8n8.<N: x1 x2 x4>{.trans}{.<S: shared shared::cta>}.b16"
const Form table[] = {
    {"ldmatrix" SHAPE, "=N*b32, [S]", choose<load>, m, 65, 75, false, "matrix_move"},
    {"stmatrix" SHAPE, "[S], N*b32", choose<store>, m, 78, 90, false, "matrix_move"},
    {"movmatrix.sync.aligned.m8n8.trans.b16", "=b32, b32", always<transpose>, whole, 78, 75, false, "matrix_move"},
};

}  // namespace

std::span<const Form> matrix_move_forms() { return table; }

}  // namespace triptych::emulator

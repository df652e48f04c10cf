// The FP8 products: all three are C = A · Bᵀ of codes whose K lies along the rows, with one scale for each
// 128 of K. Within those 128 the products are summed in f32 (or as Hopper's tensor cores do); the partial
// is then scaled and added in f32: the promotion of DeepSeek-V3's report, §3.3.2.
#include <algorithm>
#include <array>
#include <cmath>

#include "reference/gemm.h"
#include "reference/groups.h"
#include "reference/numeric.h"
#include "reference/reference.h"

namespace triptych::reference {
namespace {

/// What a task takes at most: enough that decoding the operands costs little beside the product.
constexpr std::int64_t tile_rows = 240, tile_columns = 256;

/// Codes [rows, K] and their scales: of row r and K block b, scale[r / rows_a_scale · row_stride + b ·
/// block_stride].
struct Operand {
  const e4m3* codes;
  std::int64_t stride;
  const float* scale;
  std::int64_t rows_a_scale, row_stride, block_stride;

  float scale_of(std::int64_t row, std::int64_t block) const {
    return scale[row / rows_a_scale * row_stride + block * block_stride];
  }
};

const std::array<float, 256>& decoded() {
  static const std::array<float, 256> table = [] {
    std::array<float, 256> values{};
    for (int code = 0; code < 256; ++code) {
      e4m3 narrow;
      narrow.bits = static_cast<std::uint8_t>(code);
      values[static_cast<std::size_t>(code)] = static_cast<float>(narrow);
    }
    return values;
  }();
  return table;
}

void decode(const Operand& from, std::int64_t row, std::int64_t rows, std::int64_t k,
            std::int64_t count, float* to) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const e4m3* codes = from.codes + (row + r) * from.stride + k;
    for (std::int64_t c = 0; c < count; ++c) to[r * count + c] = static_cast<float>(codes[c]);
  }
}

/// The exponent of a code as the multiplier sees it: subnormals are not normalised.
int exponent_of(e4m3 code) { return std::max((code.bits >> 3) & 15, 1) - 7; }

/// One FP8 instruction of Hopper's tensor cores: 32 products and the accumulator are aligned to the
/// largest exponent, each truncated toward zero at 13 fractional bits, summed exactly, and the sum is
/// truncated to 13 fractional bits.
float hopper_step(float accumulator, const e4m3* a, const e4m3* b, int count) {
  constexpr int fraction = 13;
  int top = accumulator == 0 ? -1000 : std::ilogb(accumulator);
  for (int i = 0; i < count; ++i) {
    if ((a[i].bits & 0x7F) != 0 && (b[i].bits & 0x7F) != 0) {
      top = std::max(top, exponent_of(a[i]) + exponent_of(b[i]));
    }
  }
  if (top == -1000) return 0;
  const auto aligned = [&](double value) {
    return static_cast<std::int64_t>(std::trunc(std::ldexp(value, fraction - top)));
  };
  const std::array<float, 256>& table = decoded();
  std::int64_t sum = aligned(accumulator);
  for (int i = 0; i < count; ++i) {
    sum += aligned(static_cast<double>(table[a[i].bits]) * table[b[i].bits]);
  }
  if (sum == 0) return 0;
  const double value = std::ldexp(static_cast<double>(sum), top - fraction);
  const int exponent = std::ilogb(value);
  return static_cast<float>(
      std::ldexp(std::trunc(std::ldexp(value, fraction - exponent)), exponent - fraction));
}

/// Σ over 128 of K, as Hopper accumulates it: four instructions of 32.
float hopper_partial(const e4m3* a, const e4m3* b, std::int64_t count) {
  const std::array<float, 256>& table = decoded();
  for (std::int64_t i = 0; i < count; ++i) {
    if (std::isnan(table[a[i].bits]) || std::isnan(table[b[i].bits])) {
      return std::numeric_limits<float>::quiet_NaN();
    }
  }
  float sum = 0;
  for (std::int64_t i = 0; i < count; i += 32) {
    sum = hopper_step(sum, a + i, b + i, static_cast<int>(std::min<std::int64_t>(32, count - i)));
  }
  return sum;
}

/// result[rows, columns] = Σ over K blocks of scale_a · scale_b · partial, in f32, in the order of K.
void fp8_tile(const Operand& a, std::int64_t row, std::int64_t rows, const Operand& b,
              std::int64_t column, std::int64_t columns, std::int64_t k, std::int64_t k_count,
              Fp8Accumulation accumulation, Workspace& work, float* result) {
  float *wide_a = work.take<float>(rows * fp8_block), *wide_b = work.take<float>(columns * fp8_block);
  float *partial = work.take<float>(rows * columns), *scale_b = work.take<float>(columns);
  float* packed = work.take<float>(gemm_workspace<float>(rows, columns, fp8_block));
  std::fill_n(result, rows * columns, 0.0f);
  for (std::int64_t block = 0; block * fp8_block < k_count; ++block) {
    const std::int64_t first = k + block * fp8_block;
    if (accumulation == Fp8Accumulation::promoted) {
      decode(a, row, rows, first, fp8_block, wide_a);
      decode(b, column, columns, first, fp8_block, wide_b);
      gemm<float, float>(rows, columns, fp8_block, {wide_a, fp8_block, 1}, {wide_b, fp8_block, 1},
                         partial, columns, false, packed);
    } else {
      for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t c = 0; c < columns; ++c) {
          partial[r * columns + c] = hopper_partial(a.codes + (row + r) * a.stride + first,
                                                    b.codes + (column + c) * b.stride + first, fp8_block);
        }
      }
    }
    const std::int64_t scale_block = first / fp8_block;
    for (std::int64_t c = 0; c < columns; ++c) scale_b[c] = b.scale_of(column + c, scale_block);
    for (std::int64_t r = 0; r < rows; ++r) {
      const float scale_a = a.scale_of(row + r, scale_block);
      for (std::int64_t c = 0; c < columns; ++c) {
        result[r * columns + c] += scale_a * scale_b[c] * partial[r * columns + c];
      }
    }
  }
}

void store_tile(const Tensor& y, std::int64_t row, std::int64_t rows, std::int64_t column,
                std::int64_t columns, const float* tile) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t at = (row + r) * y.shape[1] + column;
    for (std::int64_t c = 0; c < columns; ++c) {
      const float value = tile[r * columns + c];
      if (y.dtype == DType::bf16) {
        static_cast<bf16*>(y.data)[at + c] = bf16(value);
      } else {
        static_cast<float*>(y.data)[at + c] = value;
      }
    }
  }
}

/// y = A · B(group)ᵀ for every group of rows.
template <class MakeB>
void fp8_rows(ThreadPool& pool, const Operand& a, std::int64_t k, const Groups& groups, const Tensor& y,
              Fp8Accumulation accumulation, const MakeB& operand_b, const auto& workspace) {
  const std::int64_t n = y.shape[1], columns = tiles(n, tile_columns);
  pool.run(groups.tile_count(tile_rows) * columns, [&](std::int64_t task, int thread) {
    const Groups::Tile rows = groups.tile_at(task / columns, tile_rows);
    const std::int64_t row_count = rows.end - rows.begin;
    const std::int64_t column = task % columns * tile_columns, count = std::min(tile_columns, n - column);
    Workspace& work = workspace(thread);
    float* tile = work.template take<float>(tile_rows * tile_columns);
    fp8_tile(a, rows.begin, row_count, operand_b(rows.group), column, count, 0, k, accumulation, work, tile);
    store_tile(y, rows.begin, row_count, column, count, tile);
  });
}

}  // namespace

void ReferenceTier::do_grouped_gemm_fp8_forward(const GroupedGemmFp8Forward& a) {
  const std::int64_t k = a.x.q.shape[1], n = a.w.q.shape[1], k_blocks = k / fp8_block;
  const std::int64_t n_blocks = tiles(n, fp8_block);
  const Operand x{a.x.q.as<e4m3>(), k, a.x.scale.as<float>(), 1, k_blocks, 1};
  const auto weight = [&](std::int64_t e) {
    return Operand{a.w.q.as<e4m3>() + e * n * k, k, a.w.scale.as<float>() + e * n_blocks * k_blocks,
                   fp8_block, k_blocks, 1};
  };
  fp8_rows(pool_, x, k, Groups(a.offsets, a.w.q.shape[0], a.x.q.shape[0]), a.y, a.accumulation, weight,
           [&](int thread) -> Workspace& { return workspace(thread); });
}

void ReferenceTier::do_grouped_gemm_fp8_dgrad(const GroupedGemmFp8Dgrad& a) {
  const std::int64_t n = a.dy.q.shape[1], k = a.w.qT.shape[1], n_blocks = n / fp8_block;
  const std::int64_t k_blocks = tiles(k, fp8_block);
  const Operand dy{a.dy.q.as<e4m3>(), n, a.dy.scale.as<float>(), 1, n_blocks, 1};
  const auto weight = [&](std::int64_t e) {
    return Operand{a.w.qT.as<e4m3>() + e * n * k, n, a.w.scale.as<float>() + e * n_blocks * k_blocks,
                   fp8_block, 1, k_blocks};
  };
  fp8_rows(pool_, dy, n, Groups(a.offsets, a.w.qT.shape[0], a.dy.q.shape[0]), a.dx, a.accumulation,
           weight, [&](int thread) -> Workspace& { return workspace(thread); });
}

void ReferenceTier::do_grouped_gemm_fp8_wgrad(const GroupedGemmFp8Wgrad& a) {
  const std::int64_t n = a.dw.shape[1], k = a.dw.shape[2], p = a.dy.q.shape[1], e_count = a.dw.shape[0];
  const Operand dy{a.dy.q.as<e4m3>(), p, a.dy.scale.as<float>(), 1, p / fp8_block, 1};
  const Operand x{a.x.q.as<e4m3>(), p, a.x.scale.as<float>(), 1, p / fp8_block, 1};
  const Groups groups(a.padded_offsets, e_count, p);
  const std::int64_t row_tiles = tiles(n, tile_rows), column_tiles = tiles(k, tile_columns);
  float* dw = a.dw.as<float>();
  pool_.run(e_count * row_tiles * column_tiles, [&](std::int64_t task, int thread) {
    const std::int64_t e = task / (row_tiles * column_tiles);
    const std::int64_t row = task / column_tiles % row_tiles * tile_rows, rows = std::min(tile_rows, n - row);
    const std::int64_t column = task % column_tiles * tile_columns;
    const std::int64_t columns = std::min(tile_columns, k - column);
    Workspace& work = workspace(thread);
    float* tile = work.take<float>(tile_rows * tile_columns);
    fp8_tile(dy, row, rows, x, column, columns, groups.begin(e), groups.end(e) - groups.begin(e),
             a.accumulation, work, tile);
    for (std::int64_t r = 0; r < rows; ++r) {
      float* to = dw + (e * n + row + r) * k + column;
      for (std::int64_t c = 0; c < columns; ++c) {
        to[c] = (a.accumulate ? to[c] : 0.0f) + tile[r * columns + c];
      }
    }
  });
}

}  // namespace triptych::reference

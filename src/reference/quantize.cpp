#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "reference/numeric.h"
#include "reference/reference.h"

namespace triptych::reference {
namespace {

constexpr float smallest_amax = 1e-4f;

/// The scale of a tile whose largest magnitude is amax; NaN stays NaN, so that it reaches the codes.
float scale_of(float amax, float largest, ScaleRule rule) {
  const float scale = (amax > smallest_amax || std::isnan(amax) ? amax : smallest_amax) / largest;
  if (rule == ScaleRule::exact || !std::isfinite(scale)) return scale;
  int exponent = 0;
  const float significand = std::frexp(scale, &exponent);  // in [1/2, 1)
  return std::ldexp(1.0f, significand == 0.5f ? exponent - 1 : exponent);
}

float as_float(double value) { return static_cast<float>(value); }
float as_float(float value) { return value; }
float as_float(bf16 value) { return static_cast<float>(value); }

float as_float(e4m3 value) { return static_cast<float>(value); }
float as_float(e5m6 value) { return static_cast<float>(value); }

/// Calls f.template operator()<Q>() with the code's C++ type.
template <class F>
void with_codes(DType dtype, F&& f) {
  if (dtype == DType::e5m6) return f.template operator()<e5m6>();
  return f.template operator()<e4m3>();
}

/// The bits of a magnitude. As integers they are in the same order, and a NaN's come last.
std::uint32_t magnitude_bits(float value) { return std::bit_cast<std::uint32_t>(value) & 0x7FFFFFFFu; }

/// The largest magnitude of n values: NaN, if there is one.
template <class S>
float largest_magnitude(const S* x, std::int64_t n) {
  std::uint32_t largest = 0;
  for (std::int64_t i = 0; i < n; ++i) largest = std::max(largest, magnitude_bits(as_float(x[i])));
  return std::bit_cast<float>(largest);
}

/// A part of a matrix in f32, at most 128 × 128, and its codes: where blocks are scaled and turned.
struct Tile {
  static constexpr std::int64_t edge = fp8_block;
  std::int64_t rows, columns;
  float values[edge * edge];
  e4m3 codes[edge * edge], turned[edge * edge];

  /// Takes the values from a matrix whose rows are `stride` apart.
  template <class S>
  void load(const S* from, std::int64_t stride) {
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) values[r * edge + c] = as_float(from[r * stride + c]);
    }
  }
  /// codes[r,c] = values[r,c] / scale[c]
  void encode(const float* scale) {
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) codes[r * edge + c] = e4m3(values[r * edge + c] / scale[c]);
    }
  }
  /// turned[c,r] = codes[r,c]: squares of 8 × 8 codes, a word a row.
  void turn() {
    for (std::int64_t r = 0; r < rows; r += 8) {
      for (std::int64_t c = 0; c < columns; c += 8) {
        std::uint64_t word[8];
        for (int i = 0; i < 8; ++i) std::memcpy(&word[i], codes + (r + i) * edge + c, 8);
        exchange(word, 4, 32, 0x00000000FFFFFFFFu);
        exchange(word, 2, 16, 0x0000FFFF0000FFFFu);
        exchange(word, 1, 8, 0x00FF00FF00FF00FFu);
        for (int i = 0; i < 8; ++i) std::memcpy(static_cast<void*>(turned + (c + i) * edge + r), &word[i], 8);
      }
    }
  }

 private:
  /// Exchanges the squares above and below the diagonal of each 2 · distance words: the upper part of one
  /// word's bytes with the lower part of the other's.
  static void exchange(std::uint64_t (&word)[8], int distance, int shift, std::uint64_t lower) {
    for (int i = 0; i < 8; ++i) {
      if ((i & distance) != 0) continue;
      const std::uint64_t difference = ((word[i] >> shift) ^ word[i + distance]) & lower;
      word[i + distance] ^= difference;
      word[i] ^= difference << shift;
    }
  }
};

/// Loads the part of quantize_transpose's input that begins at (r, c).
void load_input(const QuantizeTranspose& a, std::int64_t r, std::int64_t c, Tile& tile) {
  if (!a.x.absent()) {
    return with_storage(a.x.dtype, [&]<class S, class A>() {
      const std::int64_t n = a.x.shape[1];
      tile.load(a.x.as<S>() + r * n + c, n);
    });
  }
  with_codes(a.quantized.q.dtype, [&]<class Q>() {
    const std::int64_t n = a.quantized.q.shape[1], blocks = tiles(n, fp8_block);
    tile.load(static_cast<const Q*>(a.quantized.q.data) + r * n + c, n);
    const float* scale = a.quantized.scale.as<float>() + r * blocks + c / fp8_block;
    for (std::int64_t i = 0; i < tile.rows; ++i) {
      for (std::int64_t j = 0; j < tile.columns; ++j) tile.values[i * Tile::edge + j] *= scale[i * blocks];
    }
  });
}

}  // namespace

void ReferenceTier::do_quantize_rows(const QuantizeRows& a) {
  with_storage(a.x.dtype, [&]<class S, class A>() {
    with_codes(a.out.q.dtype, [&]<class Q>() {
      const std::int64_t n = a.x.shape[1], blocks = tiles(n, fp8_block);
      for_rows(a.x.shape[0], [&](std::int64_t r, int) {
        const S* x = a.x.as<S>() + r * n;
        Q* q = static_cast<Q*>(a.out.q.data) + r * n;
        for (std::int64_t b = 0; b < blocks; ++b) {
          const std::int64_t begin = b * fp8_block, end = std::min<std::int64_t>(n, begin + fp8_block);
          // 1. The tile's largest magnitude gives its scale.
          const float scale = scale_of(largest_magnitude(x + begin, end - begin), Q::largest, a.rule);
          a.out.scale.as<float>()[r * blocks + b] = scale;
          // 2. q = round(x / scale).
          for (std::int64_t c = begin; c < end; ++c) q[c] = Q(as_float(x[c]) / scale);
        }
      });
    });
  });
}

void ReferenceTier::do_dequantize_rows(const DequantizeRows& a) {
  with_storage(a.x.dtype, [&]<class S, class A>() {
    with_codes(a.in.q.dtype, [&]<class Q>() {
      const std::int64_t n = a.x.shape[1], blocks = tiles(n, fp8_block);
      for_rows(a.x.shape[0], [&](std::int64_t r, int) {
        const Q* q = static_cast<const Q*>(a.in.q.data) + r * n;
        S* x = a.x.as<S>() + r * n;
        for (std::int64_t b = 0; b < blocks; ++b) {
          // 1. x = q · scale in f32, rounded once.
          const std::int64_t begin = b * fp8_block, end = std::min<std::int64_t>(n, begin + fp8_block);
          const float scale = a.in.scale.as<float>()[r * blocks + b];
          for (std::int64_t c = begin; c < end; ++c) x[c] = static_cast<S>(as_float(q[c]) * scale);
        }
      });
    });
  });
}

void ReferenceTier::do_quantize_transpose(const QuantizeTranspose& a) {
  const Shape& in = a.x.absent() ? a.quantized.q.shape : a.x.shape;
  const std::int64_t n = in[1], p = a.out.q.shape[1], blocks = p / fp8_block;
  const std::int64_t groups = a.offsets.absent() ? 1 : a.offsets.shape[0] - 1;
  const std::int32_t whole[2] = {0, static_cast<std::int32_t>(in[0])};
  const std::int32_t start[2] = {0, static_cast<std::int32_t>(p)};
  const std::int32_t* offsets = a.offsets.absent() ? whole : a.offsets.as<std::int32_t>();
  const std::int32_t* padded = a.offsets.absent() ? start : a.padded_offsets.as<std::int32_t>();
  auto* q = a.out.q.as<e4m3>();
  float* scales = a.out.scale.as<float>();
  // One block of 128 padded rows a task.
  pool_.run(blocks, [&](std::int64_t b, int thread) {
    const std::int64_t first = b * fp8_block;
    std::int64_t g = 0;
    while (g < groups && first >= padded[g + 1]) ++g;
    // 1. Which rows of the input these are; past the group's last one there is padding.
    const std::int64_t begin = g < groups ? offsets[g] + (first - padded[g]) : 0;
    const std::int64_t end =
        g < groups ? std::min<std::int64_t>(begin + fp8_block, offsets[g + 1]) : begin;
    Tile& tile = *workspace(thread).take<Tile>(1);
    tile.rows = std::max<std::int64_t>(end - begin, 0);
    for (std::int64_t c0 = 0; c0 < n; c0 += Tile::edge) {
      tile.columns = std::min(Tile::edge, n - c0);
      load_input(a, begin, c0, tile);
      // 2. The largest magnitude of 128 rows of a column gives their scale; padding has scale 1.
      std::uint32_t largest[Tile::edge] = {};
      for (std::int64_t r = 0; r < tile.rows; ++r) {
        for (std::int64_t c = 0; c < tile.columns; ++c) {
          largest[c] = std::max(largest[c], magnitude_bits(tile.values[r * Tile::edge + c]));
        }
      }
      float scale[Tile::edge];
      for (std::int64_t c = 0; c < tile.columns; ++c) {
        scale[c] = tile.rows > 0 ? scale_of(std::bit_cast<float>(largest[c]), e4m3::largest, a.rule) : 1.0f;
        scales[(c0 + c) * blocks + b] = scale[c];
      }
      // 3. q = round(x / scale), transposed.
      tile.encode(scale);
      tile.turn();
      for (std::int64_t c = 0; c < tile.columns; ++c) {
        e4m3* to = q + (c0 + c) * p + first;
        std::copy_n(tile.turned + c * Tile::edge, tile.rows, to);
        std::fill_n(to + tile.rows, Tile::edge - tile.rows, e4m3(0.0f));
      }
    }
  });
}

void ReferenceTier::do_quantize_weight(const QuantizeWeightArgs& a) {
  with_storage(a.w.dtype, [&]<class S, class A>() {
    const std::int64_t e_count = a.w.shape[0], n = a.w.shape[1], k = a.w.shape[2];
    const std::int64_t n_blocks = tiles(n, fp8_block), k_blocks = tiles(k, fp8_block);
    e4m3 *q = a.out.q.as<e4m3>(), *turned = a.out.qT.as<e4m3>();
    pool_.run(e_count * n_blocks * k_blocks, [&](std::int64_t task, int thread) {
      const std::int64_t e = task / (n_blocks * k_blocks);
      const std::int64_t i0 = task / k_blocks % n_blocks * fp8_block, j0 = task % k_blocks * fp8_block;
      Tile& tile = *workspace(thread).take<Tile>(1);
      tile.rows = std::min(Tile::edge, n - i0);
      tile.columns = std::min(Tile::edge, k - j0);
      tile.load(a.w.as<S>() + (e * n + i0) * k + j0, k);
      // 1. The block's largest magnitude gives its scale.
      float amax[Tile::edge], scale[Tile::edge];
      for (std::int64_t r = 0; r < tile.rows; ++r) {
        amax[r] = largest_magnitude(tile.values + r * Tile::edge, tile.columns);
      }
      std::fill_n(scale, Tile::edge, scale_of(largest_magnitude(amax, tile.rows), e4m3::largest, a.rule));
      a.out.scale.as<float>()[task] = scale[0];
      // 2. Codes, both ways.
      tile.encode(scale);
      for (std::int64_t r = 0; r < tile.rows; ++r) {
        std::copy_n(tile.codes + r * Tile::edge, tile.columns, q + (e * n + i0 + r) * k + j0);
      }
      tile.turn();
      for (std::int64_t c = 0; c < tile.columns; ++c) {
        std::copy_n(tile.turned + c * Tile::edge, tile.rows, turned + (e * k + j0 + c) * n + i0);
      }
    });
  });
}

}  // namespace triptych::reference

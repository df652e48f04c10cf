#include "emulator/instruction/wgmma_job.h"

#include <cstring>
#include <type_traits>

#include "emulator/instruction/fragment.h"
#include "emulator/instruction/matrix.h"

namespace triptych::emulator {
namespace {

/// The four words of a piece, element by element: f(which, k, value), `which` counted from the piece's
/// first row or column. There are n pieces along K.
template <class Codec, class F>
void unpack_piece(const std::uint8_t* piece, std::size_t number, std::size_t n, bool turned, F&& f) {
  std::uint32_t words[4];
  std::memcpy(words, piece, sizeof words);
  for (int w = 0; w < 4; ++w) {
    for (int i = 0; i < Codec::per; ++i) {
      const int within = Codec::per * w + i;
      const auto value = Codec::get(words[w], i);
      if (turned) {
        f(within, static_cast<int>(number % (8 * n)), value);
      } else {
        f(0, Codec::per * 4 * static_cast<int>(number % n) + within, value);
      }
    }
  }
}

/// Eight strips of eight rows.
template <class Value>
void unpack_a(const WgmmaJob& job, std::array<Rows<Value>, 8>& strips) {
  const WgmmaProduct& p = job.product;
  with_codec<Value>(p.a, [&]<class Codec>() {
    if constexpr (std::is_same_v<typename Codec::Word, std::uint32_t>) {
      for (std::size_t w = 0; w < warpgroup_warps && p.registers; ++w) {
        for (std::uint32_t r = 0; r < 4; ++r) {
          const auto* lanes = reinterpret_cast<const std::uint32_t*>(job.rows[w][job.results() + r]);
          unpack_rows<Codec>(lanes, static_cast<int>(r / 2), strips[2 * w + r % 2]);
        }
      }
      for (std::size_t n = 0; n < job.a.size(); ++n) {
        const int first = static_cast<int>(p.a_turned ? n / 16 * 8 : n / 2);
        unpack_piece<Codec>(job.shared + job.a[n], n, p.a_pieces, p.a_turned, [&](int row, int k, Value value) {
          strips[static_cast<std::size_t>((first + row) / 8)].set((first + row) % 8, k, value);
        });
      }
    }
  });
  if constexpr (std::is_same_v<Value, float>) {
    const int depth = 8 * per_word(p.a);
    for (auto& strip : strips) {
      for (int k = 0; k < depth && p.negative; ++k) {
        for (float& value : strip.at[k]) value = -value;
      }
    }
  }
}

/// The even and the odd columns of eight.
template <class Value>
void unpack_b(const WgmmaJob& job, int block, std::array<Columns<Value>, 2>& strips) {
  const std::size_t along = job.product.b_pieces();
  with_codec<Value>(job.product.b, [&]<class Codec>() {
    for (std::size_t n = 8 * along * static_cast<std::size_t>(block); n < 8 * along * static_cast<std::size_t>(block + 1); ++n) {
      const int first = job.product.b_turned ? 0 : static_cast<int>(n / along % 8);
      unpack_piece<Codec>(job.shared + job.b[n], n, along, job.product.b_turned, [&](int column, int k, Value value) {
        strips[static_cast<std::size_t>((first + column) % 2)].set((first + column) / 2, k, value);
      });
    }
  });
}

/// Calls f(odd, d) for both registers of a strip of D, which lie in two rows of lanes or, packed, in one.
template <class Value, class F>
void each_register(const WgmmaJob& job, std::size_t strip, int block, F&& f) {
  const auto& rows = job.rows[strip / 2];
  const std::size_t first = static_cast<std::size_t>(block) * 2 + strip % 2;
  if (!job.product.half) {
    for (std::size_t odd = 0; odd < 2; ++odd) {
      auto* d = reinterpret_cast<Value*>(rows[2 * first + odd]);
      if (!job.adds) std::memset(d, 0, warp_size * sizeof *d);
      f(odd, d);
    }
  } else if constexpr (std::is_same_v<Value, float>) {
    auto* packed = reinterpret_cast<std::uint32_t*>(rows[first]);
    float d[2][warp_size];
    for (std::size_t odd = 0; odd < 2; ++odd) {
      for (int l = 0; l < warp_size; ++l) d[odd][l] = job.adds ? f16_value(static_cast<std::uint16_t>(packed[l] >> 16 * odd)) : 0.0f;
      f(odd, d[odd]);
    }
    for (int l = 0; l < warp_size; ++l) packed[l] = f16_bits(d[0][l]) | static_cast<std::uint32_t>(f16_bits(d[1][l])) << 16;
  }
}

void execute_floats(const WgmmaJob& job) {
  const WgmmaProduct& p = job.product;
  const int depth = 8 * per_word(p.a);
  const bool fp8 = p.a == Type::e4m3 || p.a == Type::e5m2;
  const TensorNumerics numerics{fp8 ? 13 : 25, fp8 ? 13 : 23, p.half, least_exponent(p.half ? Type::f16 : Type::f32)};
  std::array<Rows<float>, 8> a;
  std::array<Columns<float>, 2> b;
  std::array<Significands<Rows<float>>, 8> sa;
  std::array<Significands<Columns<float>>, 2> sb;
  Rows<float> met;
  unpack_a(job, a);
  for (std::size_t s = 0; s < 8 && job.exact && !p.sparse; ++s) split(a[s], depth, least_exponent(p.a), sa[s]);
  for (int block = 0; block < job.columns / 8; ++block) {
    unpack_b(job, block, b);
    for (std::size_t s = 0; s < 2 && job.exact && !p.sparse; ++s) split(b[s], depth, least_exponent(p.b), sb[s]);
    for (std::size_t s = 0; s < 8; ++s) {
      if (!job.exact && !p.sparse && !p.half) {
        const std::size_t first = static_cast<std::size_t>(block) * 2 + s % 2;
        auto* even = reinterpret_cast<float*>(job.rows[s / 2][2 * first]);
        auto* odd = reinterpret_cast<float*>(job.rows[s / 2][2 * first + 1]);
        if (!job.adds) {
          std::memset(even, 0, warp_size * sizeof *even);
          std::memset(odd, 0, warp_size * sizeof *odd);
        }
        multiply_fast(a[s], b, depth, even, odd);
        continue;
      }
      each_register<float>(job, s, block, [&](std::size_t odd, float* d) {
        if (p.sparse) {
          select(b[odd], job.places[s], depth, met);
          multiply_once(a[s], met, p.a, p.b, depth, job.exact, numerics, d);
        } else if (job.exact) {
          multiply_exact(a[s], b[odd], sa[s], sb[odd], depth, numerics, d);
        } else {
          multiply_fast(a[s], b[odd], depth, d);
        }
      });
    }
  }
}

void execute_integers(const WgmmaJob& job) {
  const WgmmaProduct& p = job.product;
  std::array<Rows<std::int32_t>, 8> a;
  std::array<Columns<std::int32_t>, 2> b;
  Rows<std::int32_t> met;
  const int depth = 8 * per_word(p.a);
  const IntegerProduct product = p.a == Type::b1 ? IntegerProduct::bits_and : IntegerProduct::multiply;
  unpack_a(job, a);
  for (int block = 0; block < job.columns / 8; ++block) {
    unpack_b(job, block, b);
    for (std::size_t s = 0; s < 8; ++s) {
      each_register<std::int32_t>(job, s, block, [&](std::size_t odd, std::int32_t* d) {
        if (p.sparse) {
          select(b[odd], job.places[s], depth, met);
          multiply_integer(a[s], met, depth, product, p.saturate, d);
        } else {
          multiply_integer(a[s], b[odd], depth, product, p.saturate, d);
        }
      });
    }
  }
}

}  // namespace

void execute(const WgmmaJob& job) { is_float(job.product.a) ? execute_floats(job) : execute_integers(job); }

}  // namespace triptych::emulator

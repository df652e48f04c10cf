#include <algorithm>
#include <cmath>

#include "reference/numeric.h"
#include "reference/reference.h"

namespace triptych::reference {
namespace {

constexpr std::int64_t row_block = 32;  // rows of one task of the backward
static_assert(token_chunk % row_block == 0);

/// ρ = 1 / √(mean x² + ε) of one row.
template <class A, class S>
A inverse_root_mean_square(const S* x, std::int64_t d, double epsilon) {
  return A(1) / std::sqrt(dot<A>(x, x, d) / static_cast<A>(d) + static_cast<A>(epsilon));
}

}  // namespace

void ReferenceTier::do_rms_norm_forward(const RmsNormForward& a) {
  with_storage(a.x.dtype, [&]<class S, class A>() {
    const std::int64_t d = a.x.shape[1];
    const A* gamma = a.gamma.as<A>();
    for_rows(a.x.shape[0], [&](std::int64_t t, int) {
      const S* x = a.x.as<S>() + t * d;
      S* y = a.y.as<S>() + t * d;
      // 1. ρ of the row.
      const A rho = inverse_root_mean_square<A>(x, d, a.epsilon);
      // 2. y = x · ρ · gamma, rounded once.
      for (std::int64_t c = 0; c < d; c += lanes) {
        const Chunk<A> scaled = load_chunk<A>(x, c, d) * rho * load_chunk<A>(gamma, c, d);
        store_chunk(y, c, d, scaled);
      }
    });
  });
}

void ReferenceTier::do_rms_norm_backward(const RmsNormBackward& a) {
  with_storage(a.x.dtype, [&]<class S, class A>() {
    const std::int64_t t_count = a.x.shape[0], d = a.x.shape[1], blocks = tiles(t_count, row_block);
    const A* gamma = a.gamma.as<A>();
    A *dgamma = a.dgamma.as<A>(), *parts = between_loops().take<A>(blocks * d);
    // Some rows a task, and their part of dgamma.
    pool_.run(blocks, [&](std::int64_t block, int) {
      A* part = parts + block * d;
      std::fill_n(part, d, A(0));
      for (std::int64_t t = block * row_block; t < std::min(t_count, (block + 1) * row_block); ++t) {
        const S *x = a.x.as<S>() + t * d, *dy = a.dy.as<S>() + t * d;
        S* dx = a.dx.as<S>() + t * d;
        // 1. ρ of the row, once more, and the mean of g · x,  g = gamma · dy.
        const A rho = inverse_root_mean_square<A>(x, d, a.epsilon);
        Chunk<A> sum = Chunk<A>::Zero();
        for (std::int64_t c = 0; c < d; c += lanes) {
          sum += load_chunk<A>(gamma, c, d) * load_chunk<A>(dy, c, d) * load_chunk<A>(x, c, d);
        }
        const A slope = rho * rho * (fold(sum) / static_cast<A>(d));
        for (std::int64_t c = 0; c < d; c += lanes) {
          // 2. dgamma's part += dy · x · ρ.
          const Chunk<A> own_x = load_chunk<A>(x, c, d), own_dy = load_chunk<A>(dy, c, d);
          store_chunk<A, A>(part, c, d, load_chunk<A>(part, c, d) + own_dy * own_x * rho);
          // 3. dx = ρ · (g - x · ρ² · mean(g · x)), rounded once. It may take dy's place.
          store_chunk<S, A>(dx, c, d, rho * (load_chunk<A>(gamma, c, d) * own_dy - own_x * slope));
        }
      }
    });
    // 4. dgamma += the parts: first those of token_chunk rows together, in order. A task owns some columns.
    pool_.run(tiles(d, lanes), [&](std::int64_t task, int) {
      const std::int64_t c = task * lanes;
      Chunk<A> total = load_chunk<A>(dgamma, c, d);
      for (std::int64_t block = 0; block < blocks;) {
        const std::int64_t end = std::min(blocks, block + token_chunk / row_block);
        Chunk<A> chunk = Chunk<A>::Zero();
        for (; block < end; ++block) chunk += load_chunk<A>(parts + block * d, c, d);
        total += chunk;
      }
      store_chunk(dgamma, c, d, total);
    });
  });
}

}  // namespace triptych::reference

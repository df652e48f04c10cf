#include <algorithm>
#include <cmath>

#include "reference/numeric.h"
#include "reference/reference.h"

namespace triptych::reference {
namespace {

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
    const std::int64_t t_count = a.x.shape[0], d = a.x.shape[1];
    const S *x = a.x.as<S>(), *dy = a.dy.as<S>();
    const A* gamma = a.gamma.as<A>();
    A *dgamma = a.dgamma.as<A>(), *rho = between_loops().take<A>(t_count);
    // 1. ρ of every row, once more.
    for_rows(t_count, [&](std::int64_t t, int) {
      rho[t] = inverse_root_mean_square<A>(x + t * d, d, a.epsilon);
    });
    // 2. dgamma += Σ_t dy · x · ρ: partial sums of token_chunk rows, added in order. Before step 3,
    //    because dx may take dy's place. A task owns some columns.
    pool_.run(tiles(d, lanes), [&](std::int64_t task, int) {
      const std::int64_t c = task * lanes;
      Chunk<A> total = load_chunk<A>(dgamma, c, d);
      for (std::int64_t begin = 0; begin < t_count; begin += token_chunk) {
        Chunk<A> part = Chunk<A>::Zero();
        for (std::int64_t t = begin; t < std::min(t_count, begin + token_chunk); ++t) {
          part += load_chunk<A>(dy + t * d, c, d) * load_chunk<A>(x + t * d, c, d) * rho[t];
        }
        total += part;
      }
      store_chunk(dgamma, c, d, total);
    });
    // 3. dx = ρ · (g - x · ρ² · mean(g · x)),  g = gamma · dy, rounded once.
    for_rows(t_count, [&](std::int64_t t, int) {
      const S *x_row = x + t * d, *dy_row = dy + t * d;
      S* dx_row = a.dx.as<S>() + t * d;
      Chunk<A> sum = Chunk<A>::Zero();
      for (std::int64_t c = 0; c < d; c += lanes) {
        sum += load_chunk<A>(gamma, c, d) * load_chunk<A>(dy_row, c, d) * load_chunk<A>(x_row, c, d);
      }
      const A slope = rho[t] * rho[t] * (fold(sum) / static_cast<A>(d));
      for (std::int64_t c = 0; c < d; c += lanes) {
        const Chunk<A> g = load_chunk<A>(gamma, c, d) * load_chunk<A>(dy_row, c, d);
        const Chunk<A> dx = rho[t] * (g - load_chunk<A>(x_row, c, d) * slope);
        store_chunk(dx_row, c, d, dx);
      }
    });
  });
}

}  // namespace triptych::reference

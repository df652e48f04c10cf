#include <cmath>
#include <limits>

#include "reference/exponential.h"
#include "reference/first_index.h"
#include "reference/numeric.h"
#include "reference/reference.h"

namespace triptych::reference {
namespace {

/// The largest of a row of logits, and whether all of them are finite.
template <class A>
struct Largest {
  A value;
  bool finite;
};

template <class A, class S>
Largest<A> largest_logit(const S* row, std::int64_t v) {
  constexpr A least = std::numeric_limits<A>::lowest();
  Chunk<A> largest = Chunk<A>::Constant(least), residue = Chunk<A>::Zero();
  for (std::int64_t c = 0; c < v; c += lanes) {
    const Chunk<A> z = load_chunk<A>(row, c, v, least);
    largest = largest.max(z);
    residue += z - z;  // zero for a finite z, NaN for any other
  }
  return {largest.maxCoeff(), fold(residue) == A(0)};
}

}  // namespace

void ReferenceTier::do_cross_entropy(const CrossEntropyArgs& a) {
  with_storage(a.logits.dtype, [&]<class S, class A>() {
    const std::int64_t t_count = a.logits.shape[0], v = a.logits.shape[1];
    const auto* targets = a.targets.as<std::int32_t>();
    const A scale = static_cast<A>(a.grad_scale);
    A* losses = between_loops().take<A>(t_count);
    FirstIndex not_finite, outside;
    for_rows(t_count, [&](std::int64_t t, int) {
      const S* row = a.logits.as<S>() + t * v;
      S* gradient = a.dlogits.absent() ? nullptr : a.dlogits.as<S>() + t * v;
      const std::int64_t target = targets[t];
      // 1. The row's largest logit. A token that is left out or faulty adds nothing.
      const auto [top, finite] = largest_logit<A>(row, v);
      if (target >= v) outside.note(t);
      if (!finite) not_finite.note(t);
      if (target < 0 || target >= v || !finite) {
        losses[t] = 0;
        if (gradient) std::fill_n(gradient, v, S{});
        return;
      }
      // 2. Σ_v e^(logit - largest): no term overflows, and one of them is 1.
      constexpr A least = std::numeric_limits<A>::lowest();
      Chunk<A> sums = Chunk<A>::Zero();
      for (std::int64_t c = 0; c < v; c += lanes) {
        sums += exponential<A>(load_chunk<A>(row, c, v, least) - top);
      }
      const A sum = fold(sums);
      // 3. loss = log Σ + (largest - logit of the target).
      losses[t] = std::log(sum) + (top - load(row[target]));
      // 4. dlogits = grad_scale · (softmax - 1[target]), rounded once.
      if (!gradient) return;
      const std::int64_t own = target / lanes * lanes;  // where the target's chunk begins
      Chunk<A> own_p = exponential<A>(load_chunk<A>(row, own, v) - top) / sum;
      own_p[target - own] -= A(1);
      for (std::int64_t c = 0; c < v; c += lanes) {
        store_chunk<S, A>(gradient, c, v, scale * (exponential<A>(load_chunk<A>(row, c, v) - top) / sum));
      }
      store_chunk<S, A>(gradient, own, v, scale * own_p);
    });
    // 5. The losses are added in the order of tokens, then to loss_sum.
    A sum = 0;
    for (std::int64_t t = 0; t < t_count; ++t) sum += losses[t];
    a.loss_sum.as<A>()[0] += sum;
    if (!not_finite.any() && !outside.any()) return;
    if (outside.index() <= not_finite.index()) {
      set_fault(Fault::token_out_of_range, outside.index());
    } else {
      set_fault(Fault::logits_not_finite, not_finite.index());
    }
  });
}

}  // namespace triptych::reference

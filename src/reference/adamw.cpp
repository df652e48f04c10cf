#include <algorithm>
#include <cmath>

#include "reference/first_index.h"
#include "reference/numeric.h"
#include "reference/reference.h"

namespace triptych::reference {
namespace {

constexpr std::int64_t chunk = 4096;

/// Whom to blame for a sum of squares that is not finite: the first element that is not, else the
/// first of the largest ones.
template <class A>
std::int64_t culprit(const A* grad, std::int64_t count) {
  std::int64_t largest = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(grad[i])) return i;
    if (std::fabs(grad[i]) > std::fabs(grad[largest])) largest = i;
  }
  return largest;
}

/// The step's scalars, in A.
template <class A>
struct Coefficients {
  A rate, correct1, correct2;  // learning rate, 1/(1-β1^t), 1/(1-β2^t)
  A clip;                      // multiplies the gradient
  A beta1, rest1, beta2, rest2;  // rest = 1 - β, taken in f64: in f32 the difference would lose digits
  A epsilon, decay;
};

/// Elements begin … end - 1; `copy` may be null.
template <class A, class M1, class M2, class C>
void step(const Coefficients<A>& k, const A* grad, A* master, M1* first, M2* second, C* copy,
          std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; i += lanes) {
    // 2. Moments of the clipped gradient; what is stored is rounded, what follows is not.
    const Chunk<A> g = load_chunk<A>(grad, i, end) * k.clip, w = load_chunk<A>(master, i, end);
    const Chunk<A> m = k.beta1 * load_chunk<A>(first, i, end) + k.rest1 * g;
    const Chunk<A> v = k.beta2 * load_chunk<A>(second, i, end) + k.rest2 * g * g;
    store_chunk(first, i, end, m);
    store_chunk(second, i, end, v);
    // 3. master -= rate · (m̂ / (√v̂ + ε) + decay · master).
    const Chunk<A> update = m * k.correct1 / ((v * k.correct2).sqrt() + k.epsilon);
    const Chunk<A> moved = w - k.rate * (update + k.decay * w);
    store_chunk(master, i, end, moved);
    // 4. The copy that products read: the new master, rounded.
    if (copy) store_chunk(copy, i, end, moved);
  }
}

/// Calls f with the elements of a moment or copy, which are A or bf16; with a null pointer if it is absent.
template <class A, class F>
void with_elements(const Tensor& tensor, F&& f) {
  if constexpr (std::is_same_v<A, float>) {
    if (tensor.dtype == DType::bf16) return f(tensor.as<bf16>());
  }
  f(tensor.absent() ? nullptr : tensor.as<A>());
}

}  // namespace

void ReferenceTier::do_grad_norm(const GradNorm& a) {
  with_storage(a.grad.dtype, [&]<class S, class A>() {
    const S* grad = a.grad.as<S>();
    const std::int64_t n = a.grad.count(), count = tiles(n, chunk);
    A* parts = between_loops().take<A>(count);
    // 1. A partial sum for each 4096 elements.
    pool_.run(count, [&](std::int64_t part, int) {
      const S* begin = grad + part * chunk;
      parts[part] = dot<A>(begin, begin, std::min(chunk, n - part * chunk));
    });
    // 2. Added in order, then to squared_sum.
    A sum = 0, &squared_sum = a.squared_sum.as<A>()[0];
    for (std::int64_t part = 0; part < count; ++part) sum += parts[part];
    const bool was_finite = std::isfinite(squared_sum);
    squared_sum += sum;
    if (std::isfinite(squared_sum) || !was_finite) return;
    // 3. A sum that stopped being finite is a fault of this gradient.
    if constexpr (std::is_same_v<S, A>) set_fault(Fault::gradient_not_finite, culprit(grad, n));
  });
}

void ReferenceTier::do_adamw_step(const AdamWStep& a) {
  with_storage(a.grad.dtype, [&]<class S, class A>() {
    if constexpr (std::is_same_v<S, A>) {
      const A* scalars = a.scalars.as<A>();
      Coefficients<A> k{scalars[0], scalars[1], scalars[2], 1,
                        static_cast<A>(a.beta1), static_cast<A>(1 - a.beta1),
                        static_cast<A>(a.beta2), static_cast<A>(1 - a.beta2),
                        static_cast<A>(a.epsilon), static_cast<A>(a.weight_decay)};
      // 1. The clipping factor, min(1, clip / (norm + 1e-6)). Without a finite norm nothing moves.
      if (!a.squared_sum.absent()) {
        const A squared = a.squared_sum.as<A>()[0];
        if (!std::isfinite(squared)) return;
        k.clip = std::min(A(1), static_cast<A>(a.clip) / (std::sqrt(squared) + A(1e-6)));
      }
      const A* grad = a.grad.as<A>();
      A* master = a.master.as<A>();
      const std::int64_t n = a.grad.count();
      with_elements<A>(a.first, [&](auto* first) {
        with_elements<A>(a.second, [&](auto* second) {
          with_elements<A>(a.copy, [&](auto* copy) {
            pool_.run(tiles(n, chunk), [&](std::int64_t task, int) {
              step(k, grad, master, first, second, copy, task * chunk, std::min(n, (task + 1) * chunk));
            });
          });
        });
      });
    }
  });
}

}  // namespace triptych::reference

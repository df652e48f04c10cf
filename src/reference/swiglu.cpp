#include <algorithm>

#include "reference/exponential.h"
#include "reference/numeric.h"
#include "reference/reference.h"

namespace triptych::reference {
namespace {

constexpr std::int64_t rows_a_task = 16;

std::int64_t valid_rows(const ConstTensor& rows, std::int64_t all) {
  return rows.absent() ? all : std::min<std::int64_t>(rows.as<std::int32_t>()[0], all);
}

}  // namespace

void ReferenceTier::do_swiglu_forward(const SwigluForward& a) {
  with_storage(a.gate_up.dtype, [&]<class S, class A>() {
    const std::int64_t f = a.act.shape[1], r_count = valid_rows(a.rows, a.act.shape[0]);
    const S* gate_up = a.gate_up.as<S>();
    const A* weight = a.weight.absent() ? nullptr : a.weight.as<A>();
    S* act = a.act.as<S>();
    pool_.run(tiles(r_count, rows_a_task), [&](std::int64_t task, int) {
      const std::int64_t end = std::min(r_count, (task + 1) * rows_a_task);
      for (std::int64_t r = task * rows_a_task; r < end; ++r) {
        const S *gate = gate_up + r * 2 * f, *up = gate + f;
        const A w = weight ? weight[r] : A(1);
        for (std::int64_t c = 0; c < f; c += lanes) {
          // 1. silu(gate) = gate · sigmoid(gate).
          const Chunk<A> g = load_chunk<A>(gate, c, f);
          const Chunk<A> silu = g * sigmoid<A>(g);
          // 2. act = weight · silu · up, rounded once.
          store_chunk<S, A>(act + r * f, c, f, w * silu * load_chunk<A>(up, c, f));
        }
      }
    });
  });
}

void ReferenceTier::do_swiglu_backward(const SwigluBackward& a) {
  with_storage(a.gate_up.dtype, [&]<class S, class A>() {
    const std::int64_t f = a.dact.shape[1], r_count = valid_rows(a.rows, a.dact.shape[0]);
    const S *gate_up = a.gate_up.as<S>(), *dact = a.dact.as<S>();
    const A* weight = a.weight.absent() ? nullptr : a.weight.as<A>();
    S* dgate_up = a.dgate_up.as<S>();
    A* dweight = a.dweight.absent() ? nullptr : a.dweight.as<A>();
    S* act = a.act.absent() ? nullptr : a.act.as<S>();
    pool_.run(tiles(r_count, rows_a_task), [&](std::int64_t task, int) {
      const std::int64_t end = std::min(r_count, (task + 1) * rows_a_task);
      for (std::int64_t r = task * rows_a_task; r < end; ++r) {
        const S *gate = gate_up + r * 2 * f, *up = gate + f;
        S *dgate = dgate_up + r * 2 * f, *dup = dgate + f;
        const A w = weight ? weight[r] : A(1);
        Chunk<A> sum = Chunk<A>::Zero();
        for (std::int64_t c = 0; c < f; c += lanes) {
          const Chunk<A> g = load_chunk<A>(gate, c, f), u = load_chunk<A>(up, c, f);
          const Chunk<A> d = load_chunk<A>(dact + r * f, c, f);
          // 1. s = sigmoid(gate), silu = gate · s, silu' = s · (1 + gate · (1 - s)).
          const Chunk<A> s = sigmoid<A>(g), silu = g * s;
          const Chunk<A> slope = s * (A(1) + g * (A(1) - s));
          // 2. The routing weight's gradient is the row's dot product with the unweighted output.
          sum += d * silu * u;
          // 3. dgate = weight · dact · up · silu', dup = weight · dact · silu; act once more.
          if (act) store_chunk<S, A>(act + r * f, c, f, w * silu * u);
          store_chunk<S, A>(dgate, c, f, w * d * u * slope);
          store_chunk<S, A>(dup, c, f, w * d * silu);
        }
        if (dweight) dweight[r] = fold(sum);
      }
    });
  });
}

}  // namespace triptych::reference

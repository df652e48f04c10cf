// One step over all experts' down projections. Memory-bound: seven tensors pass through for a handful of
// operations. Under bf16 the moments are bf16, and the products' copy is written besides.
#include "bench/support.h"

namespace triptych::bench {
namespace {

void grad_norm(Case& c) {
  const std::int64_t n = c.sizes.experts * c.sizes.width * c.sizes.inner;
  const GradNorm args{.grad = c.read(c.a, {n}), .squared_sum = c.updated(c.a, {1})};
  const float* grad = args.grad.as<float>();
  Peer peer;
  if (has_blas) {
    peer = {"OpenBLAS sdot", [&c, grad, n] {
              set_blas_threads(c.threads);
              benchmark::DoNotOptimize(dot(n, grad, grad));
            }, blas_rest};
  }
  c.measure([&] { c.tier->grad_norm(args); }, peer);
}

void step(Case& c) {
  const std::int64_t n = c.sizes.experts * c.sizes.width * c.sizes.inner;
  AdamWStep args{.grad = c.read(c.a, {n}),
                 .master = c.updated(c.a, {n}),
                 .first = c.updated(c.s, {n}),
                 .second = c.updated(c.s, {n})};
  if (c.s != c.a) args.copy = c.written(c.s, {n});
  const Tensor scalars = c.uncounted(c.a, {3}), squared_sum = c.uncounted(c.a, {1});
  const float values[] = {1e-4f, 1, 1};  // as after many steps
  c.tier->upload(scalars, values);
  c.tier->upload(squared_sum, values + 1);
  c.tier->zero(args.second);  // a second moment is never negative
  args.scalars = scalars;
  args.squared_sum = squared_sum;
  args.weight_decay = 0.1;
  c.measure([&] { c.tier->adamw_step(args); });
}

const bool registered = add("adamw_grad_norm", {Precision::f32}, grad_norm) && add("adamw_step", step);

}  // namespace
}  // namespace triptych::bench

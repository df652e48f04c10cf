// SwiGLU of the layer's rows. Memory-bound where the exponential is vectorised.
#include "bench/support.h"

namespace triptych::bench {
namespace {

void forward(Case& c) {
  const std::int64_t r = c.sizes.rows(), f = c.sizes.inner;
  const SwigluForward args{.gate_up = c.read(c.s, {r, 2 * f}),
                           .weight = c.read(c.a, {r}),
                           .act = c.written(c.s, {r, f})};
  c.measure([&] { c.tier->swiglu_forward(args); });
}

void backward(Case& c) {
  const std::int64_t r = c.sizes.rows(), f = c.sizes.inner;
  const SwigluBackward args{.gate_up = c.read(c.s, {r, 2 * f}),
                            .weight = c.read(c.a, {r}),
                            .dact = c.read(c.s, {r, f}),
                            .dgate_up = c.written(c.s, {r, 2 * f}),
                            .dweight = c.written(c.a, {r}),
                            .act = c.written(c.s, {r, f})};
  c.measure([&] { c.tier->swiglu_backward(args); });
}

const bool registered = add("swiglu_forward", forward) && add("swiglu_backward", backward);

}  // namespace
}  // namespace triptych::bench

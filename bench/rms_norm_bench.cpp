// RMSNorm of the layer's input. Memory-bound: a handful of operations for each element that is read.
#include "bench/support.h"

namespace triptych::bench {
namespace {

void forward(Case& c) {
  const Shape shape{c.sizes.tokens, c.sizes.width};
  const RmsNormForward args{.x = c.read(c.s, shape),
                            .gamma = c.read(c.a, {c.sizes.width}),
                            .y = c.written(c.s, shape)};
  c.measure([&] { c.tier->rms_norm_forward(args); });
}

void backward(Case& c) {
  const Shape shape{c.sizes.tokens, c.sizes.width};
  const RmsNormBackward args{.x = c.read(c.s, shape),
                             .gamma = c.read(c.a, {c.sizes.width}),
                             .dy = c.read(c.s, shape),
                             .dx = c.written(c.s, shape),
                             .dgamma = c.updated(c.a, {c.sizes.width})};
  c.measure([&] { c.tier->rms_norm_backward(args); });
}

const bool registered = add("rms_norm_forward", forward) && add("rms_norm_backward", backward);

}  // namespace
}  // namespace triptych::bench

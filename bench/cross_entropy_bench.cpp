// Cross-entropy over a vocabulary of V. Between memory-bound and bound by its exponentials: one for each
// logit, two where the gradient is wanted.
#include "bench/support.h"

namespace triptych::bench {
namespace {

void run(Case& c, bool gradient) {
  const std::int64_t t = c.sizes.tokens, v = c.sizes.vocabulary;
  CrossEntropyArgs args{.logits = c.read(c.s, {t, v}),
                        .targets = c.indices({t}, v),
                        .grad_scale = 1.0 / static_cast<double>(t),
                        .loss_sum = c.updated(c.a, {1})};
  if (gradient) args.dlogits = c.written(c.s, {t, v});
  c.measure([&] { c.tier->cross_entropy(args); });
}

const bool registered = add("cross_entropy_forward", [](Case& c) { run(c, false); }) &&
                        add("cross_entropy_backward", [](Case& c) { run(c, true); });

}  // namespace
}  // namespace triptych::bench

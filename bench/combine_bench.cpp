// The sum of each token's rows, which lie anywhere among the experts' rows. Memory-bound. Its backward is
// dispatch_rows.
#include "bench/support.h"

namespace triptych::bench {
namespace {

void combine(Case& c) {
  const Tensor experts = c.experts();
  const int e = static_cast<int>(c.sizes.experts);
  const CombineArgs args{.rows = c.read(c.s, {c.sizes.rows(), c.sizes.width}),
                         .row_of = c.plan(experts).row_of,
                         .experts = experts,
                         .expert_count = e,
                         .blocks = combine_blocks(e, 1),
                         .y = c.written(c.s, {c.sizes.tokens, c.sizes.width})};
  c.measure([&] { c.tier->combine(args); });
}

const bool registered = add("combine", combine);

}  // namespace
}  // namespace triptych::bench

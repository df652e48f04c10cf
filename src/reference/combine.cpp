#include <algorithm>
#include <array>

#include "reference/numeric.h"
#include "reference/reference.h"

namespace triptych::reference {

void ReferenceTier::do_combine(const CombineArgs& a) {
  with_storage(a.rows.dtype, [&]<class S, class A>() {
    const std::int64_t t_count = a.y.shape[0], d = a.y.shape[1], k_count = a.row_of.shape[1];
    const S* rows = a.rows.as<S>();
    const auto *row_of = a.row_of.as<std::int32_t>(), *experts = a.experts.as<std::int32_t>();
    S* y = a.y.as<S>();
    const int per_block = a.expert_count / a.blocks;
    pool_.run(t_count, [&](std::int64_t t, int thread) {
      // 1. The token's rows in the order of their experts.
      auto* order = workspace(thread).take<std::int32_t>(k_count);
      for (std::int32_t k = 0; k < k_count; ++k) order[k] = k;
      const std::int32_t* chosen = experts + t * k_count;
      std::sort(order, order + k_count,
                [&](std::int32_t p, std::int32_t q) { return chosen[p] < chosen[q]; });
      for (std::int64_t c = 0; c < d; c += lanes) {
        Chunk<A> total = Chunk<A>::Zero();
        for (std::int64_t k = 0; k < k_count;) {
          // 2. A block's rows are summed in A, and the partial is rounded to S.
          const int block = chosen[order[k]] / per_block;
          Chunk<A> partial = Chunk<A>::Zero();
          for (; k < k_count && chosen[order[k]] / per_block == block; ++k) {
            partial += load_chunk<A>(rows + row_of[t * k_count + order[k]] * d, c, d);
          }
          // 3. The partials are summed in block order.
          for (int i = 0; i < lanes; ++i) total[i] += load(store<S>(partial[i]));
        }
        store_chunk(y + t * d, c, d, total);
      }
    });
  });
}

}  // namespace triptych::reference

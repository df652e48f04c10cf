#include <algorithm>

#include "reference/numeric.h"
#include "reference/reference.h"

namespace triptych::reference {
namespace {

/// One of a token's rows.
template <class S>
struct Choice {
  std::int32_t expert;
  int block;
  const S* row;
};

}  // namespace

void ReferenceTier::do_combine(const CombineArgs& a) {
  with_storage(a.rows.dtype, [&]<class S, class A>() {
    const std::int64_t t_count = a.y.shape[0], d = a.y.shape[1], k_count = a.row_of.shape[1];
    const S* rows = a.rows.as<S>();
    const auto *row_of = a.row_of.as<std::int32_t>(), *experts = a.experts.as<std::int32_t>();
    S* y = a.y.as<S>();
    const int per_block = a.expert_count / a.blocks;
    for_rows(t_count, [&](std::int64_t t, int thread) {
      // 1. The token's rows in the order of their experts.
      Workspace& work = workspace(thread);
      auto* order = work.take<Choice<S>>(k_count);
      for (std::int64_t k = 0; k < k_count; ++k) {
        const std::int64_t choice = t * k_count + k;
        order[k] = {experts[choice], experts[choice] / per_block, rows + row_of[choice] * d};
      }
      std::sort(order, order + k_count, [](const auto& p, const auto& q) { return p.expert < q.expert; });
      for (std::int64_t c = 0; c < d; c += lanes) {
        Chunk<A> total = Chunk<A>::Zero();
        for (std::int64_t k = 0; k < k_count;) {
          // 2. A block's rows are summed in A, and the partial is rounded to S.
          Chunk<A> partial = Chunk<A>::Zero();
          for (const int block = order[k].block; k < k_count && order[k].block == block; ++k) {
            partial += load_chunk<A>(order[k].row, c, d);
          }
          // 3. The partials are summed in block order.
          total += rounded<S>(partial);
        }
        store_chunk(y + t * d, c, d, total);
      }
    });
  });
}

}  // namespace triptych::reference

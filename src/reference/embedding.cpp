#include <algorithm>

#include "reference/first_index.h"
#include "reference/numeric.h"
#include "reference/reference.h"

namespace triptych::reference {

void ReferenceTier::do_embedding_forward(const EmbeddingForward& a) {
  with_storage(a.table.dtype, [&]<class S, class A>() {
    const std::int64_t v = a.table.shape[0], d = a.table.shape[1];
    const auto* tokens = a.tokens.as<std::int32_t>();
    const S* table = a.table.as<S>();
    S* out = a.out.as<S>();
    FirstIndex outside;
    for_rows(a.tokens.count(), [&](std::int64_t t, int) {
      const std::int64_t token = tokens[t];
      if (token >= 0 && token < v) {
        // 1. The token's row of the table.
        std::copy_n(table + token * d, d, out + t * d);
      } else {
        // 2. A token outside the vocabulary gets zeros; the first one is reported.
        std::fill_n(out + t * d, d, S{});
        outside.note(t);
      }
    });
    if (outside.any()) set_fault(Fault::token_out_of_range, outside.index());
  });
}

void ReferenceTier::do_embedding_backward(const EmbeddingBackward& a) {
  with_storage(a.dout.dtype, [&]<class S, class A>() {
    const std::int64_t t_count = a.tokens.count(), v = a.dtable.shape[0], d = a.dtable.shape[1];
    const auto* tokens = a.tokens.as<std::int32_t>();
    const S* dout = a.dout.as<S>();
    A* dtable = a.dtable.as<A>();
    // 1. A slice of columns a task, so that two tasks never meet in an element.
    constexpr std::int64_t slice = 64;
    pool_.run(tiles(d, slice), [&](std::int64_t task, int) {
      const std::int64_t begin = task * slice, end = std::min(d, begin + slice);
      // 2. Each token's gradient is added to its row of the table, in the order of tokens.
      for (std::int64_t t = 0; t < t_count; ++t) {
        const std::int64_t token = tokens[t];
        if (token < 0 || token >= v) continue;
        A* row = dtable + token * d;
        for (std::int64_t c = begin; c < end; c += lanes) {
          store_chunk<A, A>(row, c, end, load_chunk<A>(row, c, end) + load_chunk<A>(dout + t * d, c, end));
        }
      }
    });
  });
}

}  // namespace triptych::reference

// Rows of a table, chosen by token. Memory-bound. Nearly all tokens differ, so a row of the table for each
// is counted.
#include "bench/support.h"

namespace triptych::bench {
namespace {

void forward(Case& c) {
  const std::int64_t t = c.sizes.tokens, d = c.sizes.width, v = c.sizes.vocabulary;
  const EmbeddingForward args{.tokens = c.indices({t}, v),
                              .table = c.uncounted(c.s, {v, d}),
                              .out = c.written(c.s, {t, d})};
  c.bytes(args.out.bytes());
  c.measure([&] { c.tier->embedding_forward(args); });
}

void backward(Case& c) {
  const std::int64_t t = c.sizes.tokens, d = c.sizes.width, v = c.sizes.vocabulary;
  const EmbeddingBackward args{.tokens = c.indices({t}, v),
                               .dout = c.read(c.s, {t, d}),
                               .dtable = c.uncounted(c.a, {v, d})};
  c.bytes(2 * args.dtable.rows(0, t).bytes());  // read and written
  c.measure([&] { c.tier->embedding_backward(args); });
}

const bool registered = add("embedding_forward", forward) && add("embedding_backward", backward);

}  // namespace
}  // namespace triptych::bench

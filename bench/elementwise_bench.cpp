// Sums, casts, columns apart and together, of the layer's input. Memory-bound.
#include "bench/support.h"

namespace triptych::bench {
namespace {

void sum(Case& c) {
  const Shape shape{c.sizes.tokens, c.sizes.width};
  const AddArgs args{.a = c.read(c.s, shape), .b = c.read(c.s, shape), .out = c.written(c.s, shape)};
  c.measure([&] { c.tier->add(args); });
}

void narrow(Case& c) {
  const Shape shape{c.sizes.tokens, c.sizes.width};
  const CastArgs args{.in = c.read(c.a, shape), .out = c.written(c.s, shape)};
  c.measure([&] { c.tier->cast(args); });
}

void widen(Case& c) {
  const Shape shape{c.sizes.tokens, c.sizes.width};
  const CastArgs args{.in = c.read(c.s, shape), .out = c.written(c.a, shape)};
  c.measure([&] { c.tier->cast(args); });
}

void split(Case& c) {
  const std::int64_t t = c.sizes.tokens, d = c.sizes.width, right = 64;  // a latent and its rotary key
  const SplitColumns args{.whole = c.read(c.s, {t, d}),
                          .left = c.written(c.s, {t, d - right}),
                          .right = c.written(c.s, {t, right})};
  c.measure([&] { c.tier->split_columns(args); });
}

void concat(Case& c) {
  const std::int64_t t = c.sizes.tokens, d = c.sizes.width, right = 64;
  const ConcatColumns args{.left = c.read(c.s, {t, d - right}),
                           .right = c.read(c.s, {t, right}),
                           .whole = c.written(c.s, {t, d})};
  c.measure([&] { c.tier->concat_columns(args); });
}

const bool registered = add("elementwise_add", sum) &&
                        add("elementwise_cast_from_f32", {Precision::bf16}, narrow) &&
                        add("elementwise_cast_to_f32", {Precision::bf16}, widen) &&
                        add("elementwise_split_columns", split) && add("elementwise_concat_columns", concat);

}  // namespace
}  // namespace triptych::bench

// Slots for all (token, choice) pairs, and the copies there. Memory-bound: every token is read once and
// written K times. The backward of dispatch_rows is combine.
#include "bench/support.h"

namespace triptych::bench {
namespace {

void plan(Case& c) {
  const DispatchPlanArgs args{.experts = c.experts(),
                              .plan = {.offsets = c.written(DType::i32, {c.sizes.experts + 1}),
                                       .padded_offsets = c.written(DType::i32, {c.sizes.experts + 1}),
                                       .row_of = c.written(DType::i32, {c.sizes.tokens, c.sizes.choices}),
                                       .source_of = c.written(DType::i32, {c.sizes.rows()})}};
  c.measure([&] { c.tier->dispatch_plan(args); });
}

void rows(Case& c) {
  const DType dtype = c.precision == Precision::fp8 ? DType::e4m3 : c.s;
  const DispatchRows args{.source = c.read(dtype, {c.sizes.tokens, c.sizes.width}),
                          .source_of = c.plan(c.experts()).source_of,
                          .choices = c.sizes.choices,
                          .rows = c.written(dtype, {c.sizes.rows(), c.sizes.width})};
  c.measure([&] { c.tier->dispatch_rows(args); });
}

void weights(Case& c) {
  const DispatchWeights args{.gates = c.read(c.a, {c.sizes.tokens, c.sizes.choices}),
                             .source_of = c.plan(c.experts()).source_of,
                             .weight = c.written(c.a, {c.sizes.rows()})};
  c.measure([&] { c.tier->dispatch_weights(args); });
}

void weights_backward(Case& c) {
  const DispatchWeightsBackward args{.dweight = c.read(c.a, {c.sizes.rows()}),
                                     .row_of = c.plan(c.experts()).row_of,
                                     .dgates = c.written(c.a, {c.sizes.tokens, c.sizes.choices})};
  c.measure([&] { c.tier->dispatch_weights_backward(args); });
}

// The plan and the weights are the same under every policy.
const bool registered = add("dispatch_plan", {Precision::f32}, plan) &&
                        add("dispatch_rows", {Precision::f32, Precision::bf16, Precision::fp8}, rows) &&
                        add("dispatch_weights", {Precision::f32}, weights) &&
                        add("dispatch_weights_backward", {Precision::f32}, weights_backward);

}  // namespace
}  // namespace triptych::bench

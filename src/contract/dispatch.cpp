#include "triptych/dispatch.h"

#include "contract/check.h"

namespace triptych {

void Dispatch::dispatch_plan(const DispatchPlanArgs& a) {
  const Check check("dispatch_plan");
  check.rank(a.experts, "experts", 2, "[T,K]");
  check.rank(a.plan.offsets, "offsets", 1, "[E+1]");
  const std::int64_t t = a.experts.shape[0], k = a.experts.shape[1], e1 = a.plan.offsets.shape[0];
  check.that(e1 >= 2, "offsets has {} entries; wanted E+1 of at least one expert", e1);
  check.that(padded_rows(t * k, e1 - 1) < (std::int64_t{1} << 31),
             "{} tokens of {} choices exceed 2^31 rows; use a smaller batch", t, k);
  check.tensor(a.experts, "experts", DType::i32, {t, k}, "[T,K]");
  check.tensor(a.plan.offsets, "offsets", DType::i32, {e1}, "[E+1]");
  check.tensor(a.plan.padded_offsets, "padded_offsets", DType::i32, {e1}, "[E+1]");
  check.tensor(a.plan.row_of, "row_of", DType::i32, {t, k}, "[T,K]");
  check.tensor(a.plan.source_of, "source_of", DType::i32, {t * k}, "[R]");
  do_dispatch_plan(a);
}

void Dispatch::dispatch_rows(const DispatchRows& a) {
  const Check check("dispatch_rows");
  check.rank(a.source, "source", 2, "[T,C]");
  check.rank(a.source_of, "source_of", 1, "[R]");
  const std::int64_t t = a.source.shape[0], c = a.source.shape[1], r = a.source_of.shape[0];
  check.that(a.choices >= 1 && t * a.choices >= r,
             "{} rows from {} tokens of {} choices; wanted at most T·K", r, t, a.choices);
  check.tensor(a.source, "source", a.source.dtype, {t, c}, "[T,C]");
  check.tensor(a.source_of, "source_of", DType::i32, {r}, "[R]");
  check.tensor(a.rows, "rows", a.source.dtype, {r, c}, "[R,C]");
  check.apart(a.rows, "rows", a.source, "source");
  do_dispatch_rows(a);
}

void Dispatch::dispatch_weights(const DispatchWeights& a) {
  const Check check("dispatch_weights");
  check.rank(a.gates, "gates", 2, "[T,K]");
  const std::int64_t r = a.gates.count();
  check.that(a.gates.dtype == DType::f32 || a.gates.dtype == DType::f64,
             "gates are {}, wanted f32 or f64", name_of(a.gates.dtype));
  check.tensor(a.gates, "gates", a.gates.dtype, a.gates.shape, "[T,K]");
  check.tensor(a.source_of, "source_of", DType::i32, {r}, "[R]");
  check.tensor(a.weight, "weight", a.gates.dtype, {r}, "[R]");
  do_dispatch_weights(a);
}

void Dispatch::dispatch_weights_backward(const DispatchWeightsBackward& a) {
  const Check check("dispatch_weights_backward");
  check.rank(a.row_of, "row_of", 2, "[T,K]");
  check.that(a.dweight.dtype == DType::f32 || a.dweight.dtype == DType::f64,
             "dweight is {}, wanted f32 or f64", name_of(a.dweight.dtype));
  check.tensor(a.row_of, "row_of", DType::i32, a.row_of.shape, "[T,K]");
  check.tensor(a.dweight, "dweight", a.dweight.dtype, {a.row_of.count()}, "[R]");
  check.tensor(a.dgates, "dgates", a.dweight.dtype, a.row_of.shape, "[T,K]");
  do_dispatch_weights_backward(a);
}

}  // namespace triptych

#include <algorithm>
#include <cstring>

#include "reference/numeric.h"
#include "reference/reference.h"

namespace triptych::reference {

void ReferenceTier::do_dispatch_plan(const DispatchPlanArgs& a) {
  const std::int64_t t_count = a.experts.shape[0], k_count = a.experts.shape[1];
  const std::int64_t e_count = a.plan.offsets.shape[0] - 1;
  const auto* experts = a.experts.as<std::int32_t>();
  auto *offsets = a.plan.offsets.as<std::int32_t>(), *padded = a.plan.padded_offsets.as<std::int32_t>();
  auto *row_of = a.plan.row_of.as<std::int32_t>(), *source_of = a.plan.source_of.as<std::int32_t>();
  // 1. Count the rows of each expert.
  auto* next = workspace(0).take<std::int32_t>(e_count);
  std::fill_n(next, e_count, 0);
  const auto expert_of = [&](std::int64_t i) {
    const std::int32_t e = experts[i];
    if (e >= 0 && e < e_count) return e;
    set_fault(Fault::expert_out_of_range, i / k_count);
    return std::int32_t{0};
  };
  for (std::int64_t i = 0; i < t_count * k_count; ++i) ++next[expert_of(i)];
  // 2. Prefix sums: where each expert's rows begin, and where they begin when padded to 128.
  offsets[0] = padded[0] = 0;
  for (std::int64_t e = 0; e < e_count; ++e) {
    offsets[e + 1] = offsets[e] + next[e];
    padded[e + 1] = padded[e] + (next[e] + fp8_block - 1) / fp8_block * fp8_block;
    next[e] = offsets[e];
  }
  // 3. Slots in the order of tokens.
  for (std::int64_t i = 0; i < t_count * k_count; ++i) {
    const std::int32_t row = next[expert_of(i)]++;
    row_of[i] = row;
    source_of[row] = static_cast<std::int32_t>(i);
  }
}

void ReferenceTier::do_dispatch_rows(const DispatchRows& a) {
  const auto* source_of = a.source_of.as<std::int32_t>();
  const std::size_t row = static_cast<std::size_t>(a.source.shape[1]) * size_of(a.source.dtype);
  const auto* source = static_cast<const std::byte*>(a.source.data);
  auto* rows = static_cast<std::byte*>(a.rows.data);
  constexpr std::int64_t rows_a_task = 32;
  const std::int64_t r_count = a.source_of.count();
  pool_.run(tiles(r_count, rows_a_task), [&](std::int64_t task, int) {
    const std::int64_t end = std::min(r_count, (task + 1) * rows_a_task);
    for (std::int64_t r = task * rows_a_task; r < end; ++r) {
      std::memcpy(rows + static_cast<std::size_t>(r) * row,
                  source + static_cast<std::size_t>(source_of[r] / a.choices) * row, row);
    }
  });
}

void ReferenceTier::do_dispatch_weights(const DispatchWeights& a) {
  with_storage(a.gates.dtype, [&]<class S, class A>() {
    const auto* source_of = a.source_of.as<std::int32_t>();
    const S* gates = a.gates.as<S>();
    S* weight = a.weight.as<S>();
    for (std::int64_t r = 0, end = a.weight.count(); r < end; ++r) weight[r] = gates[source_of[r]];
  });
}

void ReferenceTier::do_dispatch_weights_backward(const DispatchWeightsBackward& a) {
  with_storage(a.dweight.dtype, [&]<class S, class A>() {
    const auto* row_of = a.row_of.as<std::int32_t>();
    const S* dweight = a.dweight.as<S>();
    S* dgates = a.dgates.as<S>();
    for (std::int64_t i = 0, end = a.dgates.count(); i < end; ++i) dgates[i] = dweight[row_of[i]];
  });
}

}  // namespace triptych::reference

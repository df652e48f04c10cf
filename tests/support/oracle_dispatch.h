/// \file
/// The formulas of triptych/dispatch.h and triptych/combine.h: exact.
#pragma once

#include <algorithm>

#include "support/oracle.h"
#include "triptych/precision.h"

namespace triptych::testing::oracle {

struct Plan {
  HostTensor offsets, padded_offsets, row_of, source_of;
};

/// Row by row from the definition: the pair (t, k) comes after all pairs of smaller experts, and after
/// the earlier tokens of its own.
inline Plan dispatch_plan(const HostTensor& experts, std::int64_t expert_count) {
  const std::int64_t r_count = experts.count();
  Plan plan{HostTensor(DType::i32, {expert_count + 1}), HostTensor(DType::i32, {expert_count + 1}),
            HostTensor(DType::i32, experts.shape()), HostTensor(DType::i32, {r_count})};
  for (std::int64_t e = 0; e < expert_count; ++e) {
    const auto count = std::count(experts.values().begin(), experts.values().end(), static_cast<double>(e));
    plan.offsets.set(e + 1, plan.offsets[e] + static_cast<double>(count));
    plan.padded_offsets.set(e + 1, plan.padded_offsets[e] + static_cast<double>((count + 127) / 128 * 128));
  }
  for (std::int64_t i = 0; i < r_count; ++i) {
    std::int64_t row = 0;
    for (std::int64_t other = 0; other < r_count; ++other) {
      row += experts[other] < experts[i] || (experts[other] == experts[i] && other < i);
    }
    plan.row_of.set(i, static_cast<double>(row));
    plan.source_of.set(row, static_cast<double>(i));
  }
  return plan;
}

/// rows[r,:] = source[source_of[r] / choices,:].
inline HostTensor dispatch_rows(const HostTensor& source, const HostTensor& source_of,
                                std::int64_t choices) {
  const std::int64_t r_count = source_of.count(), c = source.shape()[1];
  HostTensor rows(source.dtype(), {r_count, c});
  for (std::int64_t r = 0; r < r_count; ++r) {
    const std::int64_t t = static_cast<std::int64_t>(source_of[r]) / choices;
    for (std::int64_t i = 0; i < c; ++i) rows.set(r * c + i, source[t * c + i]);
  }
  return rows;
}

/// to[i] = from[index[i]].
inline HostTensor gather(const HostTensor& from, const HostTensor& index, Shape shape) {
  HostTensor to(from.dtype(), shape);
  for (std::int64_t i = 0; i < to.count(); ++i) to.set(i, from[static_cast<std::int64_t>(index[i])]);
  return to;
}

/// y[t,:] = round_S( Σ_c round_S( Σ_{k: experts[t,k] in block c} rows[row_of[t,k],:] ) ), every sum in A
/// in the order of the experts: the order is the contract, so the result is exact.
inline HostTensor combine_bits(const HostTensor& rows, const HostTensor& row_of,
                               const HostTensor& experts, std::int64_t expert_count,
                               std::int64_t blocks) {
  const std::int64_t t_count = row_of.shape()[0], k_count = row_of.shape()[1], d = rows.shape()[1];
  const DType acc = accumulation_of(rows.dtype());
  const auto in_a = [&](double sum) { return acc == DType::f32 ? static_cast<float>(sum) : sum; };
  HostTensor y(rows.dtype(), {t_count, d}), partial(rows.dtype(), {1});
  for (std::int64_t i = 0; i < t_count * d; ++i) {
    const std::int64_t t = i / d;
    double total = 0;
    for (std::int64_t block = 0; block < blocks; ++block) {
      double sum = 0;
      for (std::int64_t e = block * (expert_count / blocks); e < (block + 1) * (expert_count / blocks); ++e) {
        for (std::int64_t k = t * k_count; k < (t + 1) * k_count; ++k) {
          if (experts[k] != static_cast<double>(e)) continue;
          sum = in_a(sum + rows[static_cast<std::int64_t>(row_of[k]) * d + i % d]);
        }
      }
      partial.set(0, sum);
      total = in_a(total + partial[0]);
    }
    y.set(i, total);
  }
  return y;
}

/// The same sum without roundings.
inline Expected combine(const HostTensor& rows, const HostTensor& row_of) {
  const std::int64_t t_count = row_of.shape()[0], k_count = row_of.shape()[1], d = rows.shape()[1];
  Expected y(t_count * d, static_cast<double>(k_count));
  for (std::int64_t t = 0; t < t_count; ++t) {
    for (std::int64_t k = t * k_count; k < (t + 1) * k_count; ++k) {
      for (std::int64_t c = 0; c < d; ++c) {
        y.add(t * d + c, rows[static_cast<std::int64_t>(row_of[k]) * d + c]);
      }
    }
  }
  return y;
}

}  // namespace triptych::testing::oracle

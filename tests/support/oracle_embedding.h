/// \file
/// The formulas of triptych/embedding.h.
#pragma once

#include "support/oracle.h"

namespace triptych::testing::oracle {

/// out[t,:] = table[tokens[t],:], zero for a token that is not in the table.
inline HostTensor embedding_forward(const HostTensor& tokens, const HostTensor& table) {
  const std::int64_t t_count = tokens.count(), v = table.shape()[0], d = table.shape()[1];
  HostTensor out(table.dtype(), {t_count, d});
  for (std::int64_t t = 0; t < t_count; ++t) {
    const auto token = static_cast<std::int64_t>(tokens[t]);
    if (token < 0 || token >= v) continue;
    for (std::int64_t c = 0; c < d; ++c) out.set(t * d + c, table[token * d + c]);
  }
  return out;
}

/// dtable[v,:] += Σ_{t: tokens[t] = v} dout[t,:]; k the number of terms.
inline Expected embedding_backward(const HostTensor& tokens, const HostTensor& dout,
                                   const HostTensor& dtable) {
  const std::int64_t v = dtable.shape()[0], d = dtable.shape()[1];
  Expected e = starting_from(dtable, 1);
  for (std::int64_t t = 0; t < tokens.count(); ++t) {
    const auto token = static_cast<std::int64_t>(tokens[t]);
    if (token < 0 || token >= v) continue;
    for (std::int64_t c = 0; c < d; ++c) {
      e.add(token * d + c, dout[t * d + c]);
      ++e.k[static_cast<std::size_t>(token * d + c)];
    }
  }
  return e;
}

}  // namespace triptych::testing::oracle
